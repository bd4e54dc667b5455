package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/failpoint"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// Content opens the content of a job: see outbox.Store. A content that is not
// what was accepted puts the job on hold; the claim has ended then.
func (s *Store) Content(ctx context.Context, j *outbox.Job) (outbox.Content, error) {
	if j.Content != nil {
		return newContent(j.Overlay, bytes.NewReader(j.Content), int64(len(j.Content)), nil), nil
	}
	c, err := s.open(ctx, j.Token.Job>>numberBits, j.Overlay)
	if errors.Is(err, errCorrupt) {
		if err := s.quarantineClaim(ctx, j.Token, err); err != nil {
			return nil, err
		}
	}
	return c, err
}

// Raw gives the content as it goes through the first hop; ErrTooLate if it was
// purged.
func (s *Store) Raw(ctx context.Context, client string, id uuid.UUID) (outbox.Content, error) {
	v, err := s.Get(ctx, client, id)
	if err != nil {
		return nil, err
	}
	if !v.ContentKept {
		return nil, fmt.Errorf("%w: the content was removed with the final state", outbox.ErrTooLate)
	}
	var overlay []byte
	if len(v.Chain) > 0 {
		overlay = v.Chain[0].Overlay
	}
	return s.open(ctx, v.Sequence, overlay)
}

// open reads or opens a message's content and proves that it is whole.
func (s *Store) open(ctx context.Context, seq int64, overlay []byte) (outbox.Content, error) {
	var where int
	var size int64
	var checksum uint32
	var id, data []byte
	err := s.read(ctx, func(tx *database.Tx) error {
		err := tx.QueryRow(`SELECT m.id, m.content, m.size, m.checksum, c.data FROM messages m LEFT JOIN contents c ON c.message = m.seq WHERE m.seq = ?`, seq).
			Scan(&id, &where, &size, &checksum, &data)
		if errors.Is(err, sql.ErrNoRows) {
			return outbox.ErrNotFound
		}
		return err
	})
	switch {
	case err != nil && (ctx.Err() != nil || errors.Is(err, outbox.ErrUnavailable) || errors.Is(err, outbox.ErrNotFound)):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	case where == contentPurged:
		return nil, fmt.Errorf("%w: the content was removed with the final state", outbox.ErrTooLate)
	case where == contentInline:
		if err := whole(bytes.NewReader(data), int64(len(data)), size, checksum); err != nil {
			return nil, err
		}
		return newContent(overlay, bytes.NewReader(data), size, nil), nil
	case where == contentFile:
		return s.openFile(id, size, checksum, overlay)
	}
	return nil, fmt.Errorf("%w: its content is in place %d, which this program does not know", errCorrupt, where)
}

func (s *Store) openFile(id []byte, size int64, checksum uint32, overlay []byte) (outbox.Content, error) {
	uid, err := uuid.FromBytes(id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	f, err := os.Open(s.file(uid))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: its content file is missing", errCorrupt)
	} else if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = whole(io.NewSectionReader(f, 0, info.Size()), info.Size(), size, checksum)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return newContent(overlay, f, size, f), nil
}

// whole compares a content with what was accepted.
func whole(r io.Reader, have, size int64, checksum uint32) error {
	if have != size {
		return fmt.Errorf("%w: its content has %d bytes instead of %d", errCorrupt, have, size)
	}
	h := crc32.New(castagnoli)
	if _, err := io.Copy(h, r); err != nil {
		return err
	}
	if h.Sum32() != checksum {
		return fmt.Errorf("%w: its content was changed", errCorrupt)
	}
	return nil
}

// content is an overlay and what follows it.
type content struct {
	overlay []byte
	rest    io.ReaderAt
	size    int64
	closer  io.Closer
}

func newContent(overlay []byte, rest io.ReaderAt, size int64, closer io.Closer) *content {
	return &content{overlay: overlay, rest: rest, size: int64(len(overlay)) + size, closer: closer}
}

// Size is that of overlay and content.
func (c *content) Size() int64 { return c.size }

// ReadAt reads as io.ReaderAt says.
func (c *content) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off < int64(len(c.overlay)) {
		n = copy(p, c.overlay[off:])
		if n == len(p) {
			return n, nil
		}
	}
	m, err := c.rest.ReadAt(p[n:], off+int64(n)-int64(len(c.overlay)))
	return n + m, err
}

// Close closes the file, if the content is one.
func (c *content) Close() error {
	if c.closer == nil {
		return nil
	}
	return c.closer.Close()
}

// file is where a large content is.
func (s *Store) file(id uuid.UUID) string { return filepath.Join(s.content, id.String()) }

func (s *Store) fileOf(tx *database.Tx, seq int64) (string, error) {
	var id []byte
	if err := tx.QueryRow(`SELECT id FROM messages WHERE seq = ?`, seq).Scan(&id); err != nil {
		return "", err
	}
	uid, err := uuid.FromBytes(id)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return s.file(uid), nil
}

// writeFile stores a large content before its row joins a group: the file,
// then its name, then the directory with the name (reliability T6).
func (s *Store) writeFile(id uuid.UUID, data []byte) (err error) {
	path := s.file(id)
	temporary := path + ".part"
	defer func() {
		if err == nil {
			return
		}
		_ = os.Remove(temporary)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			err = fmt.Errorf("%w: %w", outbox.ErrFull, err)
		} else {
			err = fmt.Errorf("%w: store the content: %w", outbox.ErrUnavailable, err)
		}
	}()
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		failpoint.Hit(failpoint.ContentWritten)
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		failpoint.Hit(failpoint.ContentSynced)
		err = os.Rename(temporary, path)
	}
	if err == nil {
		failpoint.Hit(failpoint.ContentRenamed)
		err = database.SyncDirectory(s.content)
	}
	if err == nil {
		failpoint.Hit(failpoint.ContentKept)
	}
	return err
}
