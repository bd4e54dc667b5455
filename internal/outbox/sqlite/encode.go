package sqlite

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
)

// Flags of a message, as its column has them.
const (
	flagEightBit = 1 << iota
	flagUTF8
	flagSigned
	flagKeep
	flagNotify
)

// Where the content of a message is, as its column has it.
const (
	contentPurged = iota
	contentInline
	contentFile
)

// info is what is seldom read of a message, kept as JSON.
type info struct {
	Tags       []string          `json:"tags,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	EnvelopeID string            `json:"envelope_id,omitempty"`
	Return     string            `json:"return,omitempty"`
	Parent     string            `json:"parent,omitempty"`
}

// encoded is what a caller of Accept prepares before the writing goroutine,
// which all callers share, has to do with its message.
type encoded struct {
	message  *outbox.Message
	chain    []byte
	info     []byte
	flags    int64
	content  int
	size     int64
	checksum uint32
	hash     int64
	hashes   []int64 // of the recipients
	accepted time.Time
}

func (s *Store) encode(m *outbox.Message) (*encoded, error) {
	switch {
	case m.Client == "":
		return nil, fmt.Errorf("message without a client")
	case len(m.Recipients) == 0:
		return nil, fmt.Errorf("message without recipients")
	case len(m.Chain) == 0:
		return nil, fmt.Errorf("message without a connection")
	case m.Priority < outbox.PriorityHigh || m.Priority > outbox.PriorityBulk:
		return nil, fmt.Errorf("priority %d", m.Priority)
	}
	e := &encoded{
		message: m, size: int64(len(m.Content)), content: contentInline,
		checksum: crc32.Checksum(m.Content, castagnoli), hash: hash(m.MessageID),
		hashes: make([]int64, len(m.Recipients)),
	}
	if e.size > s.options.Inline {
		e.content = contentFile
	}
	for i, r := range m.Recipients {
		e.hashes[i] = hash(fold(r.Address))
	}
	for flag, set := range map[int64]bool{
		flagEightBit: m.EightBit, flagUTF8: m.UTF8Headers, flagSigned: m.Signed, flagKeep: m.KeepContent, flagNotify: m.Notify,
	} {
		if set {
			e.flags |= flag
		}
	}
	var err error
	if e.chain, err = json.Marshal(m.Chain); err != nil {
		return nil, err
	}
	e.info, err = json.Marshal(info{m.Tags, m.Metadata, m.EnvelopeID, m.Return, m.Parent})
	return e, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// hash shortens what is searched for exactly, so that indexes stay small. A
// search compares the text itself afterwards.
func hash(text string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return int64(h.Sum64() >> 1)
}

// fold gives an address with its domain in lower case: the local part is the
// receiver's business (RFC 5321 section 2.4).
func fold(address string) string {
	at := strings.LastIndexByte(address, '@')
	return address[:at+1] + strings.ToLower(address[at+1:])
}
