// Package outbox is the durable queue: what it holds, the interface of the
// stores that hold it, and the states a recipient goes through. It makes no
// choice of what to send when; internal/dispatch does.
//
// The promise: when Accept returns without error the message is on stable
// storage, and from then on each of its recipients ends in exactly one
// terminal event or is visibly waiting.
package outbox

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/plugin"
)

// Errors that callers branch on.
var (
	// ErrNotFound: no such message, or it is another client's.
	ErrNotFound = errors.New("no such message")
	// ErrKeyReused: the idempotency key stands for another request.
	ErrKeyReused = errors.New("the idempotency key was used for another request")
	// ErrStaleToken: the claim was lost, to its lease or to another owner;
	// nothing was recorded.
	ErrStaleToken = errors.New("the claim is no longer held")
	// ErrTooLate: the message is past the point where it could be changed.
	ErrTooLate = errors.New("too late")
	// ErrFull: a limit of queued messages or bytes is reached, or the disk
	// floor. Errors that wrap it say which.
	ErrFull = errors.New("the outbox is full")
	// ErrUnavailable: the store cannot promise anything now (a failed write or
	// fsync); what was asked did not happen, or may have without being
	// promised.
	ErrUnavailable = errors.New("the outbox is unavailable")
)

// Priority orders mail within a lane: interactive mail goes before bulk.
type Priority int8

// The priorities, by their place in the queue.
const (
	PriorityHigh   Priority = 0
	PriorityNormal Priority = 1
	PriorityBulk   Priority = 2
)

// Message is what Accept stores. Nothing of it changes afterwards.
type Message struct {
	ID          uuid.UUID // version 7, made by the caller
	Client      string    // id of the client that owns it
	Key         string    // idempotency key, unique per client; empty for none
	Fingerprint []byte    // hash of the request that the key stands for
	Source      string    // "grpc", "json", "sendmail", "maildrop", "smtp", "bounce", "cli"
	Priority    Priority
	Accepted    time.Time
	SendAt      time.Time // not before; zero for at once
	Expires     time.Time
	MessageID   string // header field, with angle brackets
	Subject     string // decoded, for people
	From        string // address of the header field as it will go out first
	Tags        []string
	Metadata    map[string]string
	Chain       []Hop // connections in the order of fallback, at least one
	Recipients  []Recipient
	EnvelopeID  string // as in plugin.Envelope
	Return      string
	Content     []byte // header (without the overlay) and body, canonical
	EightBit    bool
	UTF8Headers bool
	Signed      bool
	KeepContent bool   // keep the content after the final state
	Hold        string // if not empty, the message is held from the start, with this reason
	Notify      bool   // nobody waits for events: failures go back as a DSN
	Parent      string // id of the message this one is a bounce of
	// Notice, if not 0, is the notice that the message carries. Accept removes
	// it in the same transaction, and gives ErrNotFound if it is gone.
	Notice int64
}

// Hop is one entry of a message's chain: a connection, and what differs when
// the message goes through it.
type Hop struct {
	Connection   string // id
	EnvelopeFrom string // empty is the null reverse-path
	Overlay      []byte // header lines with CRLF that stand before the content
}

// Recipient is one forward-path of a message.
type Recipient struct {
	Address string
	Notify  string // as in plugin.Recipient
}

// Receipt is the answer to Accept.
type Receipt struct {
	ID        uuid.UUID
	MessageID string
	Accepted  time.Time
	Replayed  bool // the key was known: this is the earlier message
}

// Job is a message on its way through one connection to some of its
// recipients: the unit that is claimed.
type Job struct {
	Token      Token
	Message    uuid.UUID
	Client     string
	MessageID  string
	Lane       string // id of the connection, Chain[Hop].Connection
	Hop        int
	Attempt    int // 1 for the first through this chain
	Priority   Priority
	Accepted   time.Time
	Expires    time.Time
	Due        time.Time
	Envelope   plugin.Envelope // From is the hop's
	Indexes    []int           // of Envelope.Recipients among the message's
	Overlay    []byte
	Size       int64 // of overlay and content
	EightBit   bool
	UTF8Header bool
	Signed     bool
	Chain      []string // connection ids of the whole chain
	Crashes    int      // attempts in a row that ended with the process or plugin
	// Duplicate: an earlier attempt of one of the recipients ended UNKNOWN, so
	// the job stays on its connection.
	Duplicate bool
	// Content, without the overlay, is set when the job was handed over by
	// Accept with its content in memory. Store.Content reads either.
	Content []byte
}

// Token is the proof of a claim. A later claim of the same job makes it stale.
type Token struct {
	Job   int64
	Epoch int64 // the run of the daemon that claimed it
	Count int64 // of the job's claims
}

// Claim asks for due jobs of a lane.
type Claim struct {
	Lane  string
	Limit int // jobs
	// Bytes bounds the sum of the jobs' sizes; the first job is given whatever
	// its size. 0 for no bound.
	Bytes int64
	Lease time.Duration
	// Rates limit the lane and its clients. What exceeds one is not claimed.
	Rates []Rate
}

// Rate allows so many recipients in a window of time that begins at a
// multiple of Per in UTC.
type Rate struct {
	Client string // counted over all its lanes; empty: all of the lane
	Count  int
	Per    time.Duration // second, minute, hour or day
}

// Claimed is the answer to a claim.
type Claimed struct {
	Jobs []Job
	// Limited, when not zero, is when the earliest exhausted rate opens again.
	Limited time.Time
	// Deferred is the number of jobs that became DEFERRED until then, at most
	// a page; if it is not zero there may be more.
	Deferred int
}

// Report tells what became of a claimed job. It ends the claim.
type Report struct {
	Token    Token
	Started  time.Time
	Duration time.Duration
	// Untried: there was no attempt, so none is counted or kept; the results
	// say why, and what is next.
	Untried bool
	// Crashed: the transport ended with the attempt. It counts for
	// Job.Crashes, which any other attempt sets back to 0.
	Crashed bool
	Results []Result // one for each of the job's recipients
}

// Result is one recipient's part of a report.
type Result struct {
	Index   int // among the message's recipients
	Outcome plugin.Outcome
	// Next is the state after the attempt, as internal/dispatch decided:
	// SENT, FAILED, EXPIRED, DEFERRED or HELD.
	Next State
	Due  time.Time // for DEFERRED
	Hop  int       // for DEFERRED: through which entry of the chain next
	// Duplicate marks that the recipient may get, or have got, a copy.
	Duplicate bool
	Reason    string // for HELD, for people
}

// Pause is a lane's circuit breaker, kept across restarts.
type Pause struct {
	Lane    string
	Until   time.Time // no attempt before
	Since   time.Time // of the first failure in a row
	Strikes int       // failures in a row; decides the next pause
	Outcome plugin.Outcome
}

// Handoff takes accepted jobs into memory without a way over a claim. The
// store calls it from one goroutine at a time; it must not block.
type Handoff interface {
	// Reserve is asked before the commit whether a due job may be handed over,
	// and if so it is written as claimed. Rates do not count such jobs: a lane
	// that has some takes none.
	Reserve(lane string, size int64) bool
	// Take hands over a reserved job after the commit.
	Take(Job)
	// Return gives a reservation back whose commit failed.
	Return(lane string, size int64)
	// Wake says that a job waits in the store for a claim from due on.
	Wake(lane string, due time.Time)
}

// Store is an outbox. Its methods are safe for concurrent use. What they
// change is on stable storage when they return without error.
type Store interface {
	// Accept stores a message. With a key that stands for the same request it
	// stores nothing and gives the earlier receipt; for another request it
	// gives ErrKeyReused. Two of one key in flight wait for each other.
	Accept(ctx context.Context, m *Message) (Receipt, error)
	// Lookup gives the receipt of a key, if it is known with this fingerprint;
	// ErrNotFound if it is not, ErrKeyReused for another fingerprint. It saves
	// the composing of a repetition.
	Lookup(ctx context.Context, client, key string, fingerprint []byte) (Receipt, error)

	// SetHandoff is called once before the first Accept.
	SetHandoff(h Handoff)
	// Claim claims due jobs in order: by priority, then in turns of the
	// lane's clients, then by due time.
	Claim(ctx context.Context, c Claim) (Claimed, error)
	// Extend renews leases; it gives the tokens that are stale.
	Extend(ctx context.Context, lease time.Duration, tokens ...Token) ([]Token, error)
	// Record ends a claim with its results.
	Record(ctx context.Context, r Report) error
	// Release gives claims back untried; the jobs are due as before.
	Release(ctx context.Context, tokens ...Token) error
	// NextDue is when the next unclaimed job of a lane is due; false if none.
	NextDue(ctx context.Context, lane string) (time.Time, bool, error)
	// Lanes are those that have jobs.
	Lanes(ctx context.Context) ([]string, error)
	// Content opens the content of a job: overlay first. Close it after use.
	// When it is not what was accepted, the store puts the job on hold and
	// gives an error; the claim has ended then.
	Content(ctx context.Context, j *Job) (Content, error)

	// Recover makes attempts of the claims of dead runs: UNKNOWN, inferred, at
	// once due on the same connection, marked as possible duplicates. It gives
	// their number. Claims of this run whose lease has lapsed become the same
	// in Sweep.
	Recover(ctx context.Context) (int, error)
	// Sweep expires what is over its time, recovers lapsed leases, and purges
	// contents, messages, events and keys that were kept long enough. It works
	// in bounded steps and says whether there is more to do.
	Sweep(ctx context.Context) (more bool, err error)

	// Pauses gives all, SetPause stores one, ClearPause removes it and makes
	// what was deferred on the lane because of it due at once.
	Pauses(ctx context.Context) ([]Pause, error)
	SetPause(ctx context.Context, p Pause) error
	ClearPause(ctx context.Context, lane string) error

	Reader
	Operator
	Notices

	// Health is nil while the store can promise.
	Health() error
	Close() error
}

// Content is a message's bytes for one hop.
type Content interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Reader shows what is in the outbox. A client sees its own messages; the
// empty client sees all.
type Reader interface {
	Get(ctx context.Context, client string, id uuid.UUID) (*View, error)
	// List gives a page, newest first, and the cursor of the next; 0 at the end.
	List(ctx context.Context, f Filter) ([]View, int64, error)
	Attempts(ctx context.Context, id uuid.UUID) ([]Attempt, error)
	// Raw gives the content as it goes through the first hop.
	Raw(ctx context.Context, client string, id uuid.UUID) (Content, error)
	// Events gives those after a sequence number, oldest first. The channel of
	// Changed is closed when there may be newer ones.
	Events(ctx context.Context, f EventFilter) ([]Event, error)
	Changed() <-chan struct{}
	// LastSequence is that of the newest event.
	LastSequence(ctx context.Context) (int64, error)
	Stats(ctx context.Context) (Stats, error)
	// Usage is what a client has waiting.
	Usage(ctx context.Context, client string) (messages int, bytes int64, err error)
	// Waiting counts the messages that have yet to go through a connection.
	Waiting(ctx context.Context, connection string) (int, error)
}

// Operator changes what is in the outbox on behalf of people.
type Operator interface {
	// Cancel ends all recipients that are not final; ErrTooLate if one is
	// being delivered or none is left.
	Cancel(ctx context.Context, client string, id uuid.UUID) (*View, error)
	// Hold keeps what waits; Release lets it go, due at once or at its SendAt.
	Hold(ctx context.Context, client string, id uuid.UUID, reason string) (*View, error)
	ReleaseHeld(ctx context.Context, client string, id uuid.UUID) (*View, error)
	// Retry makes deferred recipients due at once, and brings FAILED and
	// EXPIRED ones back as QUEUED, with a new life of expires; ErrTooLate
	// when there are none or the content is gone.
	Retry(ctx context.Context, client string, id uuid.UUID, life time.Duration) (*View, error)
	// HoldLane holds all that waits for a connection and gives the number of
	// jobs it held. Unfinished steps go on at the next call.
	HoldLane(ctx context.Context, connection, reason string) (int, error)
}
