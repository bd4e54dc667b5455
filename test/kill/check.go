package kill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// Result counts what became of a run's messages.
type Result struct {
	Kills     int
	Cuts      int
	Fired     map[string]int // kills by failpoint
	Accepted  int            // messages that were answered with OK
	Delivered int            // of them, those that arrived for all recipients
	Replayed  int            // of them, those whose first answer was lost
	Marked    int            // recipients with several copies, which the daemon says may be
	Unmarked  int            // and those that it says nothing about
	Lost      int            // recipients of accepted messages that got nothing and are not said to wait
	Forgotten bool           // the configuration was lost
	Problems  []string       // all else that is wrong, and the first of the above
}

// String is the line that sums up.
func (r *Result) String() string {
	return fmt.Sprintf("kills=%d accepted=%d delivered=%d marked_duplicates=%d unmarked_duplicates=%d lost=%d",
		r.Kills, r.Accepted, r.Delivered, r.Marked, r.Unmarked, r.Lost)
}

// Err is nil if the promise was kept.
func (r *Result) Err() error {
	if r.Lost == 0 && r.Unmarked == 0 && len(r.Problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s cuts=%d\n%s", r, r.Cuts, strings.Join(r.Problems, "\n"))
}

// Add counts another run's.
func (r *Result) Add(o *Result) {
	r.Kills += o.Kills
	r.Cuts += o.Cuts
	r.Accepted += o.Accepted
	r.Delivered += o.Delivered
	r.Replayed += o.Replayed
	r.Marked += o.Marked
	r.Unmarked += o.Unmarked
	r.Lost += o.Lost
	r.Problems = append(r.Problems, o.Problems...)
}

func (r *Result) problem(format string, a ...any) {
	if len(r.Problems) < 50 {
		r.Problems = append(r.Problems, fmt.Sprintf(format, a...))
	}
}

// drain waits until the daemon has nothing to do any more, and gives all its
// messages. What it has put on hold, as after five crashes in a row, is let go
// once; what is held again stays.
func (r *run) drain(ctx context.Context, client *sdk.Client) ([]*postilionv1.StoredMessage, error) {
	released := make(map[string]bool)
	last, late := -1, time.Now().Add(patience)
	for {
		dropped, err := dropped(r.maildrop())
		if err != nil {
			return nil, err
		}
		left, err := list(ctx, client, postilionv1.MessageState_MESSAGE_STATE_QUEUED,
			postilionv1.MessageState_MESSAGE_STATE_SENDING, postilionv1.MessageState_MESSAGE_STATE_DEFERRED)
		if err != nil {
			return nil, err
		}
		held, err := release(ctx, client, released)
		if err != nil {
			return nil, err
		}
		waiting := len(left) + dropped + held
		switch {
		case waiting == 0:
			return list(ctx, client)
		case waiting != last:
			last, late = waiting, time.Now().Add(patience)
		case time.Now().After(late):
			return nil, fmt.Errorf("%d messages and %d in the maildrop are left, as %v", len(left), dropped, left)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// release lets go what is held, and tells how many messages it was.
func release(ctx context.Context, client *sdk.Client, released map[string]bool) (n int, err error) {
	held, err := list(ctx, client, postilionv1.MessageState_MESSAGE_STATE_HELD)
	for _, m := range held {
		if released[m.GetId()] {
			continue
		}
		released[m.GetId()] = true
		n++
		if _, err := client.Messages.ReleaseMessage(ctx, &postilionv1.ReleaseMessageRequest{Id: m.GetId()}); err != nil {
			return n, err
		}
	}
	return n, err
}

// dropped counts the files that wait in the maildrop. Those whose writer died
// have a dot.
func dropped(dir string) (n int, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			n++
		}
	}
	return n, err
}

func list(ctx context.Context, client *sdk.Client, states ...postilionv1.MessageState) (all []*postilionv1.StoredMessage, err error) {
	for token := ""; ; {
		page, err := client.Messages.ListMessages(ctx, &postilionv1.ListMessagesRequest{States: states, PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetMessages()...)
		if token = page.GetNextPageToken(); token == "" {
			return all, nil
		}
	}
}

// checker compares what was answered, what arrived and what the daemon says.
type checker struct {
	result *Result
	ledger map[string]*entry
	copies map[string][]copied
	stored []*postilionv1.StoredMessage
	client *sdk.Client
}

func (c *checker) check(ctx context.Context) error {
	byToken := make(map[string]*postilionv1.StoredMessage)
	for _, m := range c.stored {
		token := m.GetSubject()
		if byToken[token] != nil {
			c.result.problem("%s: its key made two messages, %s and %s", token, byToken[token].GetId(), m.GetId())
		}
		byToken[token] = m
		if c.ledger[token] == nil {
			c.result.problem("message %s is none that was sent: %q", m.GetId(), token)
		}
	}
	for token, e := range c.ledger {
		m := byToken[token]
		if e.answered {
			c.result.Accepted++
			c.accepted(e, m)
		}
		if err := c.duplicates(ctx, e, m); err != nil {
			return err
		}
	}
	return nil
}

// accepted looks for each recipient of a message that was answered.
func (c *checker) accepted(e *entry, m *postilionv1.StoredMessage) {
	states, reasons := make(map[string]postilionv1.MessageState), make(map[string]string)
	for _, r := range m.GetRecipients() {
		states[r.GetAddress()], reasons[r.GetAddress()] = r.GetState(), r.GetReason()
	}
	if m == nil {
		c.result.problem("%s: accepted, and the daemon knows nothing of it", e.token)
	}
	all := true
	for _, address := range e.recipients {
		arrived := len(c.copies[address]) > 0
		all = all && arrived
		state := states[address]
		switch {
		case arrived && state == postilionv1.MessageState_MESSAGE_STATE_SENT:
		case arrived:
			c.result.problem("%s: arrived, and is %s", address, state)
		case state == postilionv1.MessageState_MESSAGE_STATE_DEFERRED, state == postilionv1.MessageState_MESSAGE_STATE_HELD,
			state == postilionv1.MessageState_MESSAGE_STATE_FAILED:
			c.result.problem("%s: did not arrive, and is %s (%s)", address, state, reasons[address])
		default:
			c.result.Lost++
			c.result.problem("%s: LOST, it is %s", address, state)
		}
	}
	if all {
		c.result.Delivered++
	}
}

// duplicates looks at what arrived for a message, whether it was answered or
// not: whole, with one Message-ID, and once, or as often as the daemon says that
// it cannot know.
func (c *checker) duplicates(ctx context.Context, e *entry, m *postilionv1.StoredMessage) error {
	marked := make(map[string]bool)
	for _, r := range m.GetRecipients() {
		marked[r.GetAddress()] = r.GetPossibleDuplicate()
	}
	several := false
	for _, address := range e.recipients {
		copies := c.copies[address]
		for _, one := range copies {
			if !one.whole {
				c.result.problem("%s: a copy is damaged", address)
			}
			if m != nil && one.messageID != m.GetMessageId() {
				c.result.problem("%s: a copy has the Message-ID %s in place of %s", address, one.messageID, m.GetMessageId())
			}
		}
		switch {
		case len(copies) < 2:
		case marked[address]:
			c.result.Marked++
			several = true
		default:
			c.result.Unmarked++
			c.result.problem("%s: %d copies, UNMARKED", address, len(copies))
		}
	}
	if !several {
		return nil
	}
	return c.attempts(ctx, m)
}

// attempts holds the copies of a message against its attempts: each copy is one
// that was accepted or one whose outcome is unknown.
func (c *checker) attempts(ctx context.Context, m *postilionv1.StoredMessage) error {
	answer, err := c.client.Messages.GetMessage(ctx, &postilionv1.GetMessageRequest{Id: m.GetId(), View: postilionv1.MessageView_MESSAGE_VIEW_FULL})
	if err != nil {
		return errors.Join(fmt.Errorf("message %s", m.GetId()), err)
	}
	most := make(map[string]int)
	for _, a := range answer.GetMessage().GetAttempts() {
		switch a.GetOutcome().GetClass() {
		case postilionv1.OutcomeClass_OUTCOME_CLASS_ACCEPTED, postilionv1.OutcomeClass_OUTCOME_CLASS_UNKNOWN:
			most[a.GetAddress()]++
		}
	}
	for _, r := range m.GetRecipients() {
		if n := len(c.copies[r.GetAddress()]); n > most[r.GetAddress()] {
			c.result.problem("%s: %d copies, and only %d attempts that can have made one", r.GetAddress(), n, most[r.GetAddress()])
		}
	}
	return nil
}
