package outbox

// State is where a recipient stands.
type State uint8

// The states. Those from Sent on are terminal.
const (
	Queued State = iota + 1 // waits for its first attempt, or for a new one at once
	Sending
	Deferred // waits for a later attempt
	Held     // waits for a person
	Sent
	Failed
	Expired
	Cancelled
	Suppressed
)

var stateNames = [...]string{
	Queued: "QUEUED", Sending: "SENDING", Deferred: "DEFERRED", Held: "HELD", Sent: "SENT",
	Failed: "FAILED", Expired: "EXPIRED", Cancelled: "CANCELLED", Suppressed: "SUPPRESSED",
}

// String gives the name in capitals, as the API has it.
func (s State) String() string {
	if s == 0 || int(s) >= len(stateNames) {
		return "UNSPECIFIED"
	}
	return stateNames[s]
}

// Terminal says whether nothing more happens by itself.
func (s State) Terminal() bool { return s >= Sent }

// Trigger is what can happen to a recipient.
type Trigger uint8

// The triggers.
const (
	TriggerClaim   Trigger = iota + 1
	TriggerAccept          // the other side took it
	TriggerDefer           // temporary or unknown, with time left
	TriggerReject          // permanent
	TriggerExpire          // its time is over
	TriggerHold            // by a person, a quarantine or a deleted connection
	TriggerRelease         // of a claim, untried, or of a hold
	TriggerCancel
	TriggerRetry // by a person
	TriggerCrash // its run or lease ended while it was claimed
	TriggerLimit // a rate of a minute or longer is used up
)

// transitions is the whole table; docs/states.md shows it, and a test holds
// the two together. What is not here is refused.
var transitions = map[State]map[Trigger]State{
	Queued: {
		TriggerClaim: Sending, TriggerExpire: Expired, TriggerHold: Held,
		TriggerCancel: Cancelled, TriggerLimit: Deferred,
	},
	Sending: {
		TriggerAccept: Sent, TriggerDefer: Deferred, TriggerReject: Failed, TriggerExpire: Expired,
		TriggerHold: Held, TriggerRelease: Queued, TriggerCrash: Queued,
	},
	Deferred: {
		TriggerClaim: Sending, TriggerExpire: Expired, TriggerHold: Held,
		TriggerCancel: Cancelled, TriggerRetry: Queued, TriggerLimit: Deferred,
	},
	Held: {
		TriggerRelease: Queued, TriggerCancel: Cancelled,
	},
	Failed:  {TriggerRetry: Queued},
	Expired: {TriggerRetry: Queued},
}

// Next gives the state after a trigger, and whether the trigger is allowed.
func (s State) Next(t Trigger) (State, bool) {
	next, ok := transitions[s][t]
	return next, ok
}

// precedence orders states for Summarize: what a person must know first.
var precedence = [...]State{Sending, Queued, Deferred, Held, Failed, Expired, Suppressed, Cancelled, Sent}

// Summarize gives a message's one state from those of its recipients: the
// first that any of them is in, of SENDING, QUEUED, DEFERRED, HELD, FAILED,
// EXPIRED, SUPPRESSED, CANCELLED, SENT.
func Summarize(states []State) State {
	for _, p := range precedence {
		for _, s := range states {
			if s == p {
				return p
			}
		}
	}
	return 0
}
