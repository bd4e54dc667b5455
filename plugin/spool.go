package plugin

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// inMemory is up to which size content is kept in memory, in octets. Larger
// one goes to a file, so that many large deliveries at a time do not need
// gigabytes.
const inMemory = 1 << 20

// spool takes content as it comes and gives it at random.
type spool struct {
	size   int64
	have   int64
	memory []byte
	file   *os.File
}

func newSpool(size int64) (*spool, error) {
	if size < 0 {
		return nil, fmt.Errorf("size: %d is no size", size)
	}
	if size <= inMemory {
		return &spool{size: size, memory: make([]byte, 0, size)}, nil
	}
	file, err := os.CreateTemp("", "postilion-content-*")
	if err != nil {
		return nil, fmt.Errorf("content: no room to keep it, TMPDIR names another place: %w", err)
	}
	_ = os.Remove(file.Name()) // gone with its last user, even if we crash; where that is impossible Close removes it
	return &spool{size: size, file: file}, nil
}

// add takes the next part.
func (s *spool) add(part []byte) error {
	s.have += int64(len(part))
	if s.have > s.size {
		return fmt.Errorf("content: is longer than the size, %d", s.size)
	}
	if s.file == nil {
		s.memory = append(s.memory, part...)
		return nil
	}
	if _, err := s.file.Write(part); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	return nil
}

// whole tells whether all parts are there.
func (s *spool) whole() bool { return s.have == s.size }

// content is what was taken.
func (s *spool) content() io.ReaderAt {
	if s.file != nil {
		return io.NewSectionReader(s.file, 0, s.size)
	}
	return bytes.NewReader(s.memory)
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
