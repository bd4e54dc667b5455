package mail

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

func TestReader(t *testing.T) {
	t.Parallel()
	for _, overlay := range []string{"", "From: a@x\r\n"} {
		content := []byte("Subject: s\r\n\r\nbody\r\n")
		want := append([]byte(overlay), content...)
		r := Reader([]byte(overlay), bytes.NewReader(content), int64(len(content)))
		if r.Size() != int64(len(want)) {
			t.Errorf("size %d, want %d", r.Size(), len(want))
		}
		if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), want); err != nil {
			t.Error(err)
		}
		for off := range len(want) + 2 {
			for n := range len(want) + 2 {
				p := make([]byte, n)
				m, err := r.ReadAt(p, int64(off))
				left := want[min(off, len(want)):]
				if !bytes.Equal(p[:m], left[:min(n, len(left))]) || (m < n) != (err != nil) && m != len(left) || err != nil && err != io.EOF {
					t.Fatalf("ReadAt(%d, %d) = %q, %v", n, off, p[:m], err)
				}
			}
		}
		short := Reader([]byte(overlay), bytes.NewReader(content), int64(len(content))+5)
		if _, err := short.ReadAt(make([]byte, short.Size()), 0); err != io.ErrUnexpectedEOF {
			t.Errorf("content that is too short: %v", err)
		}
	}
}
