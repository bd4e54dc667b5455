// Package outboxtest is the conformance suite of outbox stores: what every
// store must do, whatever it keeps its data in.
package outboxtest

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/outbox"
)

// Harness is a store under test and what surrounds it.
type Harness struct {
	// Store is open and empty. It was made with Limits and DelayNotice.
	Store outbox.Store
	// Clock is what the store's clock reads; it stands at Start.
	Clock *clock.Manual
	// Restart ends the run as a crash would, without releasing claims, and
	// starts another on the same data.
	Restart func() outbox.Store
	// Corrupt makes what is stored of a message unreadable, but for its
	// recipients.
	Corrupt func(uuid.UUID)
	// Verify checks the whole data; nil if there is no such check.
	Verify func()
}

// Start is where the clock of a harness begins.
var Start = time.Date(2026, 3, 4, 12, 30, 0, 0, time.UTC)

// Limited is a client of which a store under test lets LimitMessages messages
// and LimitBytes bytes wait.
const (
	Limited       = "limited"
	LimitMessages = 3
	LimitBytes    = 10000
)

// Limits is what a store under test takes as its limits.
func Limits(client string) (messages, bytes int64) {
	if client == Limited {
		return LimitMessages, LimitBytes
	}
	return 0, 0
}

// Run runs the suite. setup makes a harness for each test.
func Run(t *testing.T, setup func(t *testing.T) *Harness) {
	for _, test := range []struct {
		name string
		run  func(*tester)
	}{
		{"AcceptKeepsAll", acceptKeepsAll},
		{"AcceptRefuses", acceptRefuses},
		{"LargeContent", largeContent},
		{"Keys", keys},
		{"KeysInParallel", keysInParallel},
		{"KeyLife", keyLife},
		{"Limits", limits},
		{"SendAt", sendAt},
		{"Order", order},
		{"OrderByDue", orderByDue},
		{"ClaimBytes", claimBytes},
		{"TwoClaimants", twoClaimants},
		{"Handoff", handOff},
		{"HandoffAfterBacklog", handoffAfterBacklog},
		{"RecordMixed", recordMixed},
		{"RecordRefuses", recordRefuses},
		{"RecordUntried", recordUntried},
		{"StaleTokens", staleTokens},
		{"Leases", leases},
		{"Churn", churn},
		{"CrashIsUnknown", crashIsUnknown},
		{"CrashesHold", crashesHold},
		{"Release", release},
		{"RateOfADay", rateOfADay},
		{"RateOfASecond", rateOfASecond},
		{"RateOfAClient", rateOfAClient},
		{"RateOverLanes", rateOverLanes},
		{"RateLeavesOthers", rateLeavesOthers},
		{"RateOfALargeMessage", rateOfALargeMessage},
		{"RateOfTheUntried", rateOfTheUntried},
		{"RateInPages", rateInPages},
		{"Expiry", expiry},
		{"ClockJumps", clockJumps},
		{"ClockJumpsOverRestart", clockJumpsOverRestart},
		{"Cancel", cancel},
		{"HoldAndRelease", holdAndRelease},
		{"ReleaseAfterLife", releaseAfterLife},
		{"Retry", retry},
		{"HoldLane", holdLane},
		{"Pauses", pauses},
		{"Poison", poison},
		{"List", list},
		{"ListPages", listPages},
		{"Events", events},
		{"Stats", stats},
		{"Purge", purge},
		{"NoticeOfFailure", noticeOfFailure},
		{"NoticeOfNobody", noticeOfNobody},
		{"NoticeOnce", noticeOnce},
		{"NoticeOfExpiry", noticeOfExpiry},
		{"NoticeOfDelay", noticeOfDelay},
		{"NoticeOfRefusal", noticeOfRefusal},
		{"Model", model},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := setup(t)
			test.run(&tester{T: t, Harness: h})
			if h.Verify != nil {
				h.Verify()
			}
		})
	}
}
