package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/postilion-mail/postilion/plugin"
)

// instance delivers for one connection.
type instance struct {
	config  config
	options Options
	tls     *tls.Config
	slots   chan struct{} // taken by deliveries under way
	pool    pool
	ctx     context.Context // ends with Close
	cancel  context.CancelCauseFunc
	learned knowledge
}

// knowledge is what sessions have found out about the server beyond what it
// says of itself.
type knowledge struct {
	lacks  atomic.Uint32 // of type lacks
	chunks atomic.Bool   // BDAT has worked
}

// lacks are abilities that a server announces and does not have.
type lacks uint32

const (
	lacksChunking lacks = 1 << iota
	lacksUTF8
	lacksEightBit
	lacksSize
)

// without takes away what a server announces in vain.
func (c capabilities) without(l lacks) capabilities {
	c.chunking = c.chunking && l&lacksChunking == 0
	c.utf8 = c.utf8 && l&lacksUTF8 == 0
	c.eightBit = c.eightBit && l&lacksEightBit == 0
	c.hasSize = c.hasSize && l&lacksSize == 0
	return c
}

// Close implements plugin.Instance. It waits for the farewells of idle
// sessions, 5 s at most by default.
func (i *instance) Close() error {
	i.cancel(errClosed)
	i.pool.close()
	return nil
}

// Deliver implements plugin.Instance.
func (i *instance) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	select {
	case i.slots <- struct{}{}:
		defer func() { <-i.slots }()
	case <-ctx.Done():
		return nil, &plugin.DeliveryError{Outcome: infer(plugin.PhaseOpen, context.Cause(ctx), 0), Err: context.Cause(ctx)}
	case <-i.ctx.Done():
		return nil, &plugin.DeliveryError{Outcome: infer(plugin.PhaseOpen, errClosed, 0), Err: errClosed}
	}
	j := newJob(i, d, committing)
	pending := j.admit()
	for len(pending) > 0 {
		done, err := j.attempt(ctx, pending)
		if err != nil {
			return j.outcomes, j.fail(err)
		}
		pending = pending[done:]
	}
	return j.outcomes, nil
}

// session gives a session to send over: an idle one, unless fresh is asked for,
// or a new one. The error is a *plugin.DeliveryError.
func (i *instance) session(ctx context.Context, fresh bool) (s *session, reused bool, err error) {
	if !fresh {
		if s := i.pool.get(); s != nil {
			return s, true, nil
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(i.ctx, func() { cancel(errClosed) })()
	o := opening{config: &i.config, options: &i.options, tls: i.tls}
	if s, err = o.run(ctx); err != nil {
		return nil, false, err
	}
	if !i.pool.adopt(s) {
		s.close()
		return nil, false, &plugin.DeliveryError{Outcome: infer(plugin.PhaseOpen, errClosed, 0), Err: errClosed}
	}
	return s, false, nil
}

// job is one delivery.
type job struct {
	*instance
	delivery   *plugin.Delivery
	committing func() error
	committed  bool
	outcomes   []plugin.Outcome

	from       path
	recipients []path // as in the envelope

	content     io.ReaderAt
	size        int64
	eightBit    bool
	utf8Headers bool
}

// path is an address as it goes over the wire.
type path struct {
	text string
	utf8 bool
}

// commitError is what committing returned.
type commitError struct{ error }

func newJob(i *instance, d *plugin.Delivery, committing func() error) *job {
	n := len(d.Envelope.Recipients)
	return &job{
		instance: i, delivery: d, committing: committing,
		outcomes: make([]plugin.Outcome, n), recipients: make([]path, n),
		content: d.Content, size: d.Size, eightBit: d.EightBit, utf8Headers: d.UTF8Headers,
	}
}

// commit calls committing the first time.
func (j *job) commit() error {
	if j.committed {
		return nil
	}
	j.committed = true
	if err := j.committing(); err != nil {
		return commitError{err}
	}
	return nil
}

// admit checks the addresses and gives the indexes of the recipients to send
// to. The others have their outcome.
func (j *job) admit() []int {
	envelope := &j.delivery.Envelope
	all := make([]int, 0, len(envelope.Recipients))
	var err error
	if envelope.From != "" {
		if j.from.text, j.from.utf8, err = wirePath(envelope.From); err != nil {
			for i := range j.outcomes {
				j.outcomes[i] = ours(plugin.Permanent, plugin.BlameSender, plugin.PhaseMail, "5.1.7", "the sender cannot be used: "+err.Error())
			}
			return nil
		}
	}
	for i, r := range envelope.Recipients {
		if j.recipients[i].text, j.recipients[i].utf8, err = wirePath(r.Address); err != nil {
			j.outcomes[i] = ours(plugin.Permanent, plugin.BlameRecipient, plugin.PhaseRecipient, "5.1.3", err.Error())
			continue
		}
		all = append(all, i)
	}
	return all
}

// ours makes an outcome that we decide on.
func ours(class plugin.Class, blame plugin.Blame, phase plugin.Phase, enhanced, text string) plugin.Outcome {
	return plugin.Outcome{Class: class, Blame: blame, Phase: phase, Enhanced: enhanced, Reply: text, Inferred: true}
}

// attempt sends to the first of the pending recipients, as many as go in one
// transaction, and tells how many those were. What a dead session or a wrongly
// announced ability spoils is done again at once.
func (j *job) attempt(ctx context.Context, pending []int) (int, error) {
	fresh := false
	var missing lacks
	for {
		s, reused, err := j.session(ctx, fresh)
		if err != nil {
			return 0, err
		}
		release := s.bind(ctx)
		t := &transaction{job: j, s: s, missing: missing, caps: s.caps.without(missing | lacks(j.learned.lacks.Load()))}
		done, err := t.run(pending)
		release()
		j.pool.put(s)

		again := errors.Is(err, errAgain)
		stale := err != nil && reused && !fresh && t.stale(err) && ctx.Err() == nil && j.ctx.Err() == nil
		if !again && !stale {
			return done, err
		}
		for _, i := range pending[:done] {
			j.outcomes[i] = plugin.Outcome{}
		}
		missing, fresh = t.missing, fresh || stale
	}
}

// fail gives the recipients that were not tried the outcome of the error, and
// makes the error that Deliver returns.
func (j *job) fail(err error) error {
	var stopped commitError
	if errors.As(err, &stopped) {
		return stopped.error
	}
	fault := new(plugin.DeliveryError)
	if !errors.As(err, &fault) {
		fault = &plugin.DeliveryError{Outcome: ours(plugin.Temporary, plugin.BlameNone, plugin.PhaseNone, "", err.Error()), Err: err}
	}
	whole := *fault
	for i := range j.outcomes {
		switch j.outcomes[i].Class {
		case plugin.ClassUnspecified:
			j.outcomes[i] = fault.Outcome
		case plugin.Unknown:
			whole.Outcome.Class = plugin.Unknown
		}
	}
	return &whole
}

// toSevenBit re-encodes the content for a server that takes 7 bits only.
func (j *job) toSevenBit() error {
	switch {
	case j.delivery.Signed:
		return errors.New("it is signed and cannot be re-encoded")
	case j.options.SevenBit == nil:
		return errors.New("it cannot be re-encoded here")
	}
	content := make([]byte, j.size)
	if err := readFull(j.content, content, 0); err != nil {
		return err
	}
	content, err := j.options.SevenBit(content)
	if err != nil {
		return fmt.Errorf("it cannot be re-encoded: %w", err)
	}
	j.content, j.size = bytes.NewReader(content), int64(len(content))
	j.eightBit, j.utf8Headers = false, false
	return nil
}

// errContent means that the content could not be read.
var errContent = errors.New("cannot read the content")

// readFull fills b from offset off. The error is an errContent.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", errContent, err)
}
