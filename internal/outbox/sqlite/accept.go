package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/failpoint"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// Accept stores a message: see outbox.Store.
func (s *Store) Accept(ctx context.Context, m *outbox.Message) (outbox.Receipt, error) {
	e, err := s.encode(m)
	if err != nil {
		return outbox.Receipt{}, err
	}
	failpoint.Hit(failpoint.AcceptBegin)
	if err := s.checkDisk(e.size); err != nil {
		return outbox.Receipt{}, err
	}
	if e.content == contentFile {
		if err := s.writeFile(m.ID, m.Content); err != nil {
			return outbox.Receipt{}, err
		}
	}
	var receipt outbox.Receipt
	err = s.write(ctx, func(tx *database.Tx, c *change) (err error) {
		receipt, err = s.accept(tx, c, e)
		return err
	})
	// After a failed commit the row may be there, and must have its file.
	if e.content == contentFile && (receipt.Replayed || err != nil && !errors.Is(err, outbox.ErrUnavailable)) {
		s.trash.remove([]string{s.file(m.ID)})
	}
	if err != nil {
		return outbox.Receipt{}, err
	}
	failpoint.Hit(failpoint.AcceptDone)
	return receipt, nil
}

// checkDisk refuses early what could fill the disk: a full one stops the
// delivery of what was accepted, too.
func (s *Store) checkDisk(size int64) error {
	free, err := s.disk.free(s.content, size)
	if err != nil {
		return fmt.Errorf("%w: %w", outbox.ErrUnavailable, err)
	}
	if free-size < s.options.MinFree {
		return fmt.Errorf("%w: %d bytes of disk are free, %d must stay", outbox.ErrFull, free, s.options.MinFree)
	}
	return nil
}

// disk remembers for a moment how much is free: asking for each small message
// would cost more than a hundredth of its acceptance.
type disk struct {
	mu    sync.Mutex
	asked time.Time
	last  int64
}

const (
	diskMoment = 50 * time.Millisecond
	diskSmall  = 128 << 10 // what is larger always asks
)

func (d *disk) free(path string, size int64) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if size <= diskSmall && time.Since(d.asked) < diskMoment {
		d.last -= size
		return d.last + size, nil
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0, err
	}
	d.asked, d.last = time.Now(), int64(fs.Bavail)*int64(fs.Bsize)
	return d.last, nil
}

// accept is Accept's part of a group. The insert itself finds out whether the
// key is known, so that a new message costs no look-up.
func (s *Store) accept(tx *database.Tx, c *change, e *encoded) (outbox.Receipt, error) {
	m, now := e.message, s.moment()
	if m.Notice != 0 {
		if there, err := s.removeNotice(tx, c, m.Notice); err != nil || !there {
			return outbox.Receipt{}, errors.Join(err, outbox.ErrNotFound)
		}
	}
	full := s.full(m.Client, e.size)
	if full == nil {
		receipt, err := s.insert(tx, c, e, now)
		if !database.IsUnique(err) {
			return receipt, err
		}
	}
	receipt, seq, err := s.lookup(tx, now, m.Client, m.Key, m.Fingerprint)
	switch {
	case err == nil || errors.Is(err, outbox.ErrKeyReused):
		return receipt, err
	case !errors.Is(err, outbox.ErrNotFound):
		return outbox.Receipt{}, err
	case full != nil:
		return outbox.Receipt{}, full
	case seq == 0:
		return outbox.Receipt{}, fmt.Errorf("message id %s exists already", m.ID)
	}
	// The key of a message that was done long ago is free again.
	if _, err := tx.Exec(`UPDATE messages SET key = NULL WHERE seq = ?`, seq); err != nil {
		return outbox.Receipt{}, err
	}
	return s.insert(tx, c, e, now)
}

// insert writes a message with all that belongs to it.
func (s *Store) insert(tx *database.Tx, c *change, e *encoded, now moment) (outbox.Receipt, error) {
	m := e.message
	if e.accepted = m.Accepted; e.accepted.IsZero() {
		e.accepted = now.now
	}
	s.nextMessage++
	seq := s.nextMessage
	var key any
	if m.Key != "" {
		key = m.Key
	}
	_, err := tx.Exec(`INSERT INTO messages (seq, id, client, key, fingerprint, source, priority, accepted, send_at, expires,
		message_id, message_hash, subject, sender, chain, info, flags, content, size, checksum, total, open, jobs, done)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 2, 0)`,
		seq, m.ID[:], m.Client, key, m.Fingerprint, m.Source, int(m.Priority), stamp(e.accepted), stamp(m.SendAt), now.expires(m.Expires),
		m.MessageID, e.hash, m.Subject, m.From, e.chain, e.info, e.flags, e.content, e.size, e.checksum, len(m.Recipients), len(m.Recipients))
	if err != nil {
		return outbox.Receipt{}, err
	}
	if err := s.insertParts(tx, c, e, seq, now); err != nil {
		return outbox.Receipt{}, err
	}
	j := s.firstJob(e, seq, now)
	if err := s.insertRecipients(tx, e, j, now); err != nil {
		return outbox.Receipt{}, err
	}
	s.offer(c, e, j, now)
	if err := insertJob(tx, j); err != nil {
		return outbox.Receipt{}, err
	}
	c.countJob(j, +1)
	c.countMessage(m.Client, e.size, +1)
	c.count(countAll, "", 1, e.size)
	c.put(j, now)
	failpoint.Hit(failpoint.AcceptInserted)
	return outbox.Receipt{ID: m.ID, MessageID: m.MessageID, Accepted: e.accepted.UTC().Truncate(time.Microsecond)}, nil
}

// insertParts writes content, tags and the events of acceptance.
func (s *Store) insertParts(tx *database.Tx, c *change, e *encoded, seq int64, now moment) error {
	m := e.message
	if e.content == contentInline {
		data := m.Content
		if data == nil {
			data = []byte{}
		}
		if _, err := tx.Exec(`INSERT INTO contents (message, data) VALUES (?, ?)`, seq, data); err != nil {
			return err
		}
	}
	for _, tag := range m.Tags {
		if _, err := tx.Exec(`INSERT INTO tags (hash, message) VALUES (?, ?) ON CONFLICT DO NOTHING`, hash(tag), seq); err != nil {
			return err
		}
	}
	if err := s.noticeDelay(tx, m, seq, now); err != nil {
		return err
	}
	_, err := s.insertEvent(tx, c, &event{
		time: now.now, kind: outbox.EventAccepted, message: seq, recipient: -1, lane: m.Chain[0].Connection, next: m.SendAt,
	})
	if err != nil || m.Hold == "" {
		return err
	}
	for i := range m.Recipients {
		_, err := s.insertEvent(tx, c, &event{time: now.now, kind: outbox.EventHeld, message: seq, recipient: i, lane: m.Chain[0].Connection, reason: m.Hold})
		if err != nil {
			return err
		}
	}
	return nil
}

// firstJob is the job of all recipients through the first hop.
func (s *Store) firstJob(e *encoded, seq int64, now moment) *job {
	m := e.message
	j := &job{
		id: seq<<numberBits | 1, lane: m.Chain[0].Connection, client: m.Client, priority: m.Priority, state: outbox.Queued,
		due: now.due(), expires: now.expires(m.Expires), size: e.size + int64(len(m.Chain[0].Overlay)), n: len(m.Recipients),
	}
	if m.SendAt.After(now.now) {
		j.due = now.keep(m.SendAt)
	}
	if m.Hold != "" {
		j.state, j.reason = outbox.Held, m.Hold
	}
	return j
}

func (s *Store) insertRecipients(tx *database.Tx, e *encoded, j *job, now moment) error {
	for i, r := range e.message.Recipients {
		_, err := tx.Exec(`INSERT INTO recipients (message, position, address, hash, notify, state, job, hop, attempts, dup, last, changed)
			VALUES (?, ?, ?, ?, ?, 0, ?, 0, 0, 0, 0, ?)`, j.message(), i, r.Address, e.hashes[i], r.Notify, j.id, stamp(now.now))
		if err != nil {
			return err
		}
	}
	return nil
}

// offer hands a due job over to the dispatcher, unless others wait before it.
// The job is then written as claimed.
func (s *Store) offer(c *change, e *encoded, j *job, now moment) {
	if s.handoff == nil || j.state != outbox.Queued || j.due > now.due() ||
		s.ready.backlog(j.lane, j.priority, now.due()) || !s.handoff.Reserve(j.lane, j.size) {
		return
	}
	j.state, _ = j.state.Next(outbox.TriggerClaim)
	j.epoch, j.count = s.epoch, 1
	m := e.message
	cl := &claim{job: *j, token: j.token(), until: s.lease(s.options.Lease), total: j.n, keep: m.KeepContent, notify: m.Notify, content: e.content, bytes: e.size}
	given := outbox.Job{
		Token: j.token(), Message: m.ID, Client: m.Client, MessageID: m.MessageID, Lane: j.lane, Attempt: 1, Priority: m.Priority,
		Accepted: e.accepted, Expires: m.Expires, Due: now.time(j.due), Size: j.size, Overlay: m.Chain[0].Overlay,
		EightBit: m.EightBit, UTF8Header: m.UTF8Headers, Signed: m.Signed, Content: m.Content,
		Envelope: plugin.Envelope{From: m.Chain[0].EnvelopeFrom, EnvelopeID: m.EnvelopeID, Return: m.Return},
	}
	for i, r := range m.Recipients {
		given.Indexes = append(given.Indexes, i)
		given.Envelope.Recipients = append(given.Envelope.Recipients, plugin.Recipient{Address: r.Address, Notify: r.Notify})
	}
	for _, hop := range m.Chain {
		given.Chain = append(given.Chain, hop.Connection)
	}
	cl.members, cl.chain = fresh(m.Recipients), given.Chain
	switch {
	case e.content == contentFile:
		given.Content = nil // memory is for the many small ones
	case given.Content == nil:
		given.Content = []byte{}
	}
	c.claimed = append(c.claimed, cl)
	c.takes = append(c.takes, given)
}

func fresh(recipients []outbox.Recipient) []member {
	list := make([]member, len(recipients))
	for i, r := range recipients {
		list[i] = member{position: i, address: r.Address}
	}
	return list
}

// Lookup gives the receipt of a key: see outbox.Store.
func (s *Store) Lookup(ctx context.Context, client, key string, fingerprint []byte) (receipt outbox.Receipt, err error) {
	err = s.read(ctx, func(tx *database.Tx) (err error) {
		receipt, _, err = s.lookup(tx, s.moment(), client, key, fingerprint)
		return err
	})
	return receipt, err
}

// lookup finds a key's message. A key that has lived its time is ErrNotFound
// with the seq of the message that still has it.
func (s *Store) lookup(tx *database.Tx, now moment, client, key string, fingerprint []byte) (outbox.Receipt, int64, error) {
	if key == "" {
		return outbox.Receipt{}, 0, outbox.ErrNotFound
	}
	var id, print []byte
	var seq, accepted, done int64
	r := outbox.Receipt{Replayed: true}
	err := tx.QueryRow(`SELECT seq, id, fingerprint, message_id, accepted, done FROM messages WHERE client = ? AND key = ? AND key IS NOT NULL`,
		client, key).Scan(&seq, &id, &print, &r.MessageID, &accepted, &done)
	if errors.Is(err, sql.ErrNoRows) {
		return outbox.Receipt{}, 0, outbox.ErrNotFound
	} else if err != nil {
		return outbox.Receipt{}, 0, err
	}
	if done != 0 && unstamp(done).Add(keyLife).Before(now.now) {
		return outbox.Receipt{}, seq, outbox.ErrNotFound
	}
	if string(print) != string(fingerprint) {
		return outbox.Receipt{}, seq, outbox.ErrKeyReused
	}
	r.ID, err = uuid.FromBytes(id)
	r.Accepted = unstamp(accepted)
	return r, seq, err
}
