package bulk

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// What is on its way at a time. The daemon takes 64 items of a batch at once;
// the others wait in the flow control of the stream.
const (
	maxPending      = 256
	maxPendingBytes = 32 << 20
)

// grace is how long answers are awaited after an interruption, so that the
// summary is right.
const grace = 10 * time.Second

// ErrInterrupted is what Send gives when its context ended, or Stop was asked
// for, before all was sent.
var ErrInterrupted = errors.New("interrupted")

// Sender hands items to the daemon over a SendBatch. What the daemon cannot
// take at the moment, or what was on its way when the connection broke, is
// given again, with its key.
type Sender struct {
	Mailer postilionv1.MailerServiceClient
	// MaxBytes is the daemon's limit of a content; 0 if unknown.
	MaxBytes int64
	// Patience is how long the daemon may accept nothing before Send gives up.
	Patience time.Duration
	// Done is told of each item's end: its answer or its error. It is called
	// from the goroutine of Send. If it gives false, no more items are sent.
	Done func(Item, *postilionv1.SendResponse, error) bool
	// Waiting, if set, is told when the daemon asks to wait.
	Waiting func(why error, pause time.Duration)
}

// Send sends all items. It gives ErrInterrupted, or why the daemon could not be
// reached, or what the items ended with.
func (s *Sender) Send(ctx context.Context, items iter.Seq2[Item, error]) error {
	next, stop := iter.Pull2(items)
	defer stop()
	b := &batch{sender: s, next: next, pending: map[string]Item{}, answers: make(chan answer, maxPending+1), last: time.Now()}
	defer func() { b.hangUp() }()
	return b.run(ctx)
}

// batch is the state of one Send. One goroutine works on it; another receives.
type batch struct {
	sender *Sender
	next   func() (Item, error, bool)
	ended  bool // the source
	halted bool // Done said so

	call    *call // nil between connections
	count   int   // of what was given, for correlation ids
	pending map[string]Item
	bytes   int64 // of pending
	answers chan answer

	again []Item    // to be given again
	pause time.Time // not before
	tries int       // in a row without an answer
	last  time.Time // when the daemon accepted or refused something
}

// call is a stream of one connection.
type call struct {
	stream postilionv1.MailerService_SendBatchClient
	cancel context.CancelFunc
}

// answer is what a stream gave: a response, or its end.
type answer struct {
	call     *call
	response *postilionv1.SendBatchResponse
	err      error
}

func (b *batch) run(ctx context.Context) error {
	for {
		if err := b.drain(); err != nil {
			return err
		}
		if ctx.Err() != nil || b.halted {
			return b.finish()
		}
		item, ready, err := b.take()
		switch {
		case err != nil:
			return err
		case ready:
			err = b.give(ctx, item)
		case b.ended && len(b.pending) == 0 && len(b.again) == 0:
			return b.close()
		default:
			err = b.wait(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// take gives the next item if there is room for it now.
func (b *batch) take() (Item, bool, error) {
	if !b.room() || time.Now().Before(b.pause) {
		return Item{}, false, nil
	}
	if len(b.again) > 0 {
		item := b.again[0]
		b.again = b.again[1:]
		return item, true, nil
	}
	for !b.ended && !b.halted {
		item, err, more := b.next()
		b.ended = !more
		if !more || err != nil {
			return Item{}, false, err
		}
		if item.Err == nil {
			item.Err = checkSize(item.Request, b.sender.MaxBytes)
		}
		if item.Err == nil {
			return item, true, nil
		}
		b.done(item, nil, item.Err)
	}
	return Item{}, false, nil
}

func (b *batch) room() bool { return len(b.pending) < maxPending && b.bytes < maxPendingBytes }

func (b *batch) done(item Item, response *postilionv1.SendResponse, err error) {
	if !b.sender.Done(item, response, err) {
		b.halted = true
	}
}

// give sends an item on its way.
func (b *batch) give(ctx context.Context, item Item) error {
	if b.call == nil {
		// An interruption ends the giving, not the answers that are due.
		under, cancel := context.WithCancel(context.WithoutCancel(ctx))
		stream, err := b.sender.Mailer.SendBatch(under)
		if err != nil {
			cancel()
			b.again = append(b.again, item)
			return b.broken(err)
		}
		b.call = &call{stream, cancel}
		go b.call.receive(b.answers)
	}
	b.count++
	id := strconv.Itoa(b.count)
	b.pending[id] = item
	b.bytes += sizeOf(item.Request)
	if err := b.call.stream.Send(&postilionv1.SendBatchRequest{CorrelationId: id, Send: item.Request}); err != nil {
		// Why is what receive will tell; nothing else comes from this stream.
		return b.awaitEnd()
	}
	return nil
}

// receive passes answers on. There is room for all that can be due.
func (c *call) receive(answers chan<- answer) {
	for {
		response, err := c.stream.Recv()
		answers <- answer{c, response, err}
		if err != nil {
			return
		}
	}
}

// drain takes the answers that are there.
func (b *batch) drain() error {
	for {
		select {
		case a := <-b.answers:
			if err := b.settle(a); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// wait waits until there is something to do.
func (b *batch) wait(ctx context.Context) error {
	var timer <-chan time.Time
	if b.room() && (len(b.again) > 0 || !b.ended) { // then it is the pause that forbids
		timer = time.After(time.Until(b.pause))
	}
	select {
	case a := <-b.answers:
		return b.settle(a)
	case <-timer:
	case <-ctx.Done():
	}
	return nil
}

func (b *batch) awaitEnd() error {
	for call := b.call; b.call == call; {
		if err := b.settle(<-b.answers); err != nil {
			return err
		}
	}
	return nil
}

// settle ends an item, or puts it back, or ends the call.
func (b *batch) settle(a answer) error {
	if a.call != b.call {
		return nil // of a call that is over
	}
	if a.err != nil {
		return b.broken(a.err)
	}
	item, ok := b.pending[a.response.GetCorrelationId()]
	if !ok {
		return nil
	}
	delete(b.pending, a.response.GetCorrelationId())
	b.bytes -= sizeOf(item.Request)
	if accepted := a.response.GetAccepted(); accepted != nil {
		b.last, b.tries = time.Now(), 0
		b.done(item, accepted, nil)
		return nil
	}
	err := itemError(a.response.GetError())
	failure := sdk.AsError(err)
	if failure.RetryAfter <= 0 || !failure.Temporary() {
		b.last, b.tries = time.Now(), 0
		b.done(item, nil, err)
		return nil
	}
	b.again = append(b.again, item)
	// A daemon that is full is waited for as long as it takes: its outbox
	// empties at the pace of the provider. One whose disk fails is not.
	if failure.Code == codes.ResourceExhausted {
		b.last = time.Now()
	} else if time.Since(b.last) > b.sender.Patience {
		return err
	}
	if until := time.Now().Add(failure.RetryAfter); until.After(b.pause) {
		told := time.Now().Before(b.pause)
		b.pause = until
		if b.sender.Waiting != nil && !told {
			b.sender.Waiting(err, failure.RetryAfter)
		}
	}
	return nil
}

// broken puts back what was on its way when the call ended, and waits a moment
// before the next call; or gives up.
func (b *batch) broken(err error) error {
	b.hangUp()
	for id, item := range b.pending {
		b.again = append(b.again, item)
		delete(b.pending, id)
	}
	b.bytes = 0
	if status.Code(err) != codes.Unavailable || time.Since(b.last) > b.sender.Patience {
		return err
	}
	pause := min(100*time.Millisecond<<min(b.tries, 5), 2*time.Second)
	b.tries++
	b.pause = time.Now().Add(pause)
	return nil
}

// close ends the call in order.
func (b *batch) close() error {
	if b.call == nil || b.call.stream.CloseSend() != nil {
		return nil // all was answered
	}
	select {
	case <-b.answers:
	case <-time.After(grace):
	}
	return nil
}

// hangUp ends the call.
func (b *batch) hangUp() {
	if b.call != nil {
		b.call.cancel()
		b.call = nil
	}
}

// finish awaits the answers that are due after an interruption.
func (b *batch) finish() error {
	late := time.After(grace)
	for b.call != nil && len(b.pending) > 0 {
		select {
		case a := <-b.answers:
			if b.settle(a) != nil {
				return ErrInterrupted
			}
		case <-late:
			return ErrInterrupted
		}
	}
	return ErrInterrupted
}

// itemError makes an error of a batch's, as Send would have given it.
func itemError(e *postilionv1.BatchError) error {
	st := status.New(codes.Code(e.GetCode()), e.GetMessage())
	if e.GetDetail() != nil {
		if with, err := st.WithDetails(protoadapt.MessageV1Of(e.GetDetail())); err == nil {
			st = with
		}
	}
	return st.Err()
}
