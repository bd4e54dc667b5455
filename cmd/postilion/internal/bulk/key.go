package bulk

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"iter"

	"google.golang.org/protobuf/proto"
)

// withKeys gives each message a key of its own, unless it brings one: a digest
// of the run's name, of all that the message consists of, and of how many like
// it came before. It is not made of the line's number or the file's digest, so
// that a file whose bad lines were mended can be run again: what was accepted
// from it the first time is known.
func withKeys(items iter.Seq2[Item, error], run string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		before := map[[16]byte]uint32{}
		for item, err := range items {
			if err == nil && item.Err == nil && item.Request.IdempotencyKey == "" {
				item.Request.IdempotencyKey, item.Err = key(item, run, before)
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func key(item Item, run string, before map[[16]byte]uint32) (string, error) {
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(item.Request)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(content)
	short := [16]byte(digest[:])
	hash := sha256.New()
	hash.Write(digest[:])
	hash.Write(binary.BigEndian.AppendUint32(nil, before[short]))
	hash.Write([]byte(run))
	before[short]++
	return "bulk-" + hex.EncodeToString(hash.Sum(nil)[:20]), nil
}
