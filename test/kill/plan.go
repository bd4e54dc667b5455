package kill

import (
	"math/rand/v2"

	"github.com/postilion-mail/postilion/internal/failpoint"
)

// Batch is how many messages are sent in a life, most of the time. One of 16
// is big.
const Batch = 16

// most is how often a failpoint is hit for certain in a life with one batch and
// drops of messages.
func most(name string) int {
	switch name {
	case failpoint.ContentWritten, failpoint.ContentSynced, failpoint.ContentRenamed, failpoint.ContentKept, failpoint.Recovered:
		return 1
	case failpoint.DropFound, failpoint.DropAccepted, failpoint.DropRemoved:
		return drops
	case failpoint.CommitBegin, failpoint.CommitBefore, failpoint.CommitAfter:
		return 3
	}
	return Batch / 2
}

// drops are left in the maildrop before lives that are about it.
const drops = 4

// Failpoints gives steps that go through all failpoints. What is recovered
// after a crash needs a life before that left something.
func Failpoints(random *rand.Rand) []Step {
	var steps []Step
	for _, name := range failpoint.Names() {
		s := Step{Messages: Batch, Failpoint: name, N: 1 + random.IntN(most(name))}
		switch name {
		case failpoint.DropFound, failpoint.DropAccepted, failpoint.DropRemoved:
			s.Drops = drops
		case failpoint.Recovered:
			steps = append(steps, Step{Messages: Batch, Failpoint: failpoint.Delivered, N: 1})
		}
		steps = append(steps, s)
	}
	return steps
}

// Moments gives n steps that end at random moments.
func Moments(random *rand.Rand, n int) []Step {
	steps := make([]Step, n)
	for i := range steps {
		steps[i] = Step{Messages: Batch, Drops: random.IntN(2), Mute: random.IntN(4) == 0}
	}
	return steps
}

// Cuts makes every step end with a power cut, of both kinds in turn. Where the
// maildrop is looked at first, there is one more before.
func Cuts(steps []Step) []Step {
	for i := range steps {
		steps[i].Cut, steps[i].Some = true, i%2 == 1
		steps[i].Early = steps[i].Failpoint == failpoint.DropFound
	}
	return steps
}

// Held is a life that accepts messages, delivers none of them, and ends with a
// power cut: what it answered is nowhere but on its disk.
func Held(messages int) Step { return Step{Messages: messages, Hold: true, Cut: true} }

// Repeat makes steps until there are n.
func Repeat(n int, more func() []Step) []Step {
	var steps []Step
	for len(steps) < n {
		steps = append(steps, more()...)
	}
	return steps[:n]
}
