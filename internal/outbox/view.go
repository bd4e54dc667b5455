package outbox

import (
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/plugin"
)

// View is a message as people see it.
type View struct {
	Sequence    int64 // order of acceptance, the cursor of List
	ID          uuid.UUID
	Client      string
	Source      string
	Priority    Priority
	Accepted    time.Time
	SendAt      time.Time
	Expires     time.Time
	Done        time.Time // when the last recipient became final; zero before
	MessageID   string
	Subject     string
	From        string
	Tags        []string
	Metadata    map[string]string
	Chain       []Hop
	Size        int64
	ContentKept bool // whether the content is still there
	Recipients  []RecipientView
}

// Summary is the message's one state: see Summarize.
func (v *View) Summary() State {
	states := make([]State, len(v.Recipients))
	for i, r := range v.Recipients {
		states[i] = r.State
	}
	return Summarize(states)
}

// RecipientView is a recipient and what last happened to it.
type RecipientView struct {
	Address    string
	State      State
	Duplicate  bool // possible_duplicate
	Attempts   int
	Next       time.Time // of the next attempt, for QUEUED and DEFERRED
	Connection string    // id: through which it went, or goes next
	Outcome    plugin.Outcome
	Reason     string // for HELD, and for DEFERRED because of a rate
	Changed    time.Time
}

// Attempt is one try, for one recipient.
type Attempt struct {
	Number     int
	Recipient  int
	Address    string
	Connection string
	Started    time.Time
	Duration   time.Duration
	Outcome    plugin.Outcome
}

// Filter selects messages. Empty fields select all.
type Filter struct {
	Client     string
	States     []State // any recipient in one of them
	Recipient  string  // address, exact but for the case of the domain
	Tag        string
	Connection string // id
	MessageID  string
	Since      time.Time
	Until      time.Time
	Before     int64 // cursor
	Limit      int
}

// EventType names what happened.
type EventType string

// The events. Those of terminal states occur exactly once per recipient,
// unless an operator brings it back with Retry.
const (
	EventAccepted  EventType = "accepted"
	EventDeferred  EventType = "deferred"
	EventHeld      EventType = "held"
	EventReleased  EventType = "released"
	EventRetried   EventType = "retried"
	EventSent      EventType = "sent"
	EventFailed    EventType = "failed"
	EventExpired   EventType = "expired"
	EventCancelled EventType = "cancelled"
)

// Event is a row that was written in the transaction of what it tells.
type Event struct {
	Sequence   int64
	Time       time.Time
	Type       EventType
	Client     string
	Message    uuid.UUID
	MessageID  string
	Recipient  int // -1: the whole message (accepted)
	Address    string
	Connection string
	Attempt    int
	Duplicate  bool
	Next       time.Time
	Outcome    plugin.Outcome
	Reason     string
}

// EventFilter selects events.
type EventFilter struct {
	Client  string
	Message uuid.UUID // zero for all
	After   int64
	Types   []EventType
	Limit   int
}

// Stats counts what is in the outbox.
type Stats struct {
	Recipients map[State]int64
	Lanes      map[string]LaneStats
	Bytes      int64     // of contents
	Oldest     time.Time // acceptance of the oldest message that is not final
}

// LaneStats counts the jobs of a lane.
type LaneStats struct {
	Waiting int64
	Claimed int64
	Held    int64
}
