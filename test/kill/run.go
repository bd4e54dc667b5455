// Package kill proves the promise by breaking the daemon: it kills the real one
// under load, at random moments and at named failpoints, cuts the power of its
// disk, and accounts for every message that was accepted (reliability T1, T2,
// T8, T9, T170).
//
// Nothing of the daemon's code judges. Senders note which messages were
// answered with OK, a mail server of the harness notes what arrived, and both
// are compared with what the daemon says through its API.
package kill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/test/kill/powerfs"
)

// Step is one life of the daemon and its end.
type Step struct {
	// Messages are sent while it lives, or, if it dies before, in later lives.
	Messages int
	// Drops are left in the maildrop before it.
	Drops int
	// Early cuts the power after that, so that no daemon could sync them.
	Early bool
	// Failpoint kills it at the Nth hit, which must come; else it is killed at a
	// random moment.
	Failpoint string
	N         int
	// Hold keeps the mail server from taking anything; Mute, from answering
	// after it took a message.
	Hold, Mute bool
	// Cut drops, after the kill, what was not synced; all of it, or with Some a
	// random part.
	Cut, Some bool
}

// Options say what is run.
type Options struct {
	Programs string // folder with what Build made
	Folder   string // for files; its name must be short: sockets lie in it
	Seed     uint64
	Senders  int // 8 if 0
	Steps    []Step
	// Power puts the daemon's files on the disk whose power can be cut.
	Power bool
	// Bare leaves it to the daemon to make its directories, and begins with its
	// first start; else they are there and synced, as an installation leaves
	// them, and the first life was an orderly one.
	Bare bool
	// Lie makes that disk's fsync do nothing until the first cut.
	Lie bool
	// Progress, if set, is told after each step.
	Progress func(step int, answered int)
}

// run is a run under way.
type run struct {
	Options
	place
	sink   *sink
	disk   *powerfs.Disk
	load   *load
	random *rand.Rand
	drops  int
	result Result

	configured bool // in a run that is Bare
}

// Run takes the steps, then lets the daemon deliver all there is, and counts.
// Its error is one of the harness, or of a daemon that ended by itself.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	if o.Senders == 0 {
		o.Senders = 8
	}
	r := &run{Options: o, random: rand.New(rand.NewPCG(o.Seed, 2))}
	r.result.Fired = make(map[string]int)
	r.place = place{programs: o.Programs, disk: filepath.Join(o.Folder, "disk"), run: filepath.Join(o.Folder, "run")}
	for _, dir := range []string{r.place.disk, r.place.run} {
		if err := os.Mkdir(dir, 0o711); err != nil {
			return nil, err
		}
	}
	if o.Power {
		if r.disk, err = powerfs.Mount(r.place.disk); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, r.disk.Close()) }()
	}
	if r.sink, err = newSink(); err != nil {
		return nil, err
	}
	defer r.sink.close()
	if !o.Bare {
		if err := errors.Join(r.prepare(), r.install(ctx, r.sink.port())); err != nil {
			return nil, err
		}
	}
	if o.Lie {
		if err := r.disk.Lie(); err != nil {
			return nil, err
		}
	}
	if r.load, err = startLoad(ctx, r.place, o.Seed, o.Senders); err != nil {
		return nil, err
	}
	if err := r.steps(ctx); err != nil {
		r.load.cancel(err)
		r.sink.set(gateOpen)
		r.load.end()
		return nil, err
	}
	return &r.result, r.settle(ctx)
}

func (r *run) steps(ctx context.Context) error {
	for i, s := range r.Steps {
		if err := r.step(ctx, s); err != nil {
			return fmt.Errorf("step %d (%+v): %w", i, s, err)
		}
		if r.Progress != nil {
			answered, _, _ := r.load.state()
			r.Progress(i+1, answered)
		}
	}
	return nil
}

// step is one life.
func (r *run) step(ctx context.Context, s Step) error {
	if err := r.load.drop(ctx, r.drops, s.Drops); err != nil {
		return err
	}
	r.drops += s.Drops
	if s.Early {
		if err := r.cut(s.Some); err != nil {
			return err
		}
	}
	fail := ""
	if s.Failpoint != "" {
		fail = fmt.Sprintf("%s:%d", s.Failpoint, s.N)
	}
	switch {
	case s.Hold:
		r.sink.set(gateNothing)
	case s.Mute:
		r.sink.set(gateReply)
	}
	d, err := r.start(fail)
	if err != nil {
		return err
	}
	defer d.kill()
	serves, err := d.awaitReady(ctx)
	if err != nil {
		return err
	}
	if serves && r.Bare && !r.configured {
		if err := r.configure(ctx, r.sink.port()); err != nil {
			return err
		}
		r.configured = true
	}
	r.load.allow(s.Messages)
	if serves {
		err = r.live(ctx, d, s)
	}
	if err != nil {
		return err
	}
	select {
	case <-d.ended:
		if s.Failpoint != "" {
			r.result.Fired[s.Failpoint]++
		}
	default:
		if s.Failpoint != "" {
			return errors.New("the failpoint was not hit")
		}
		d.kill()
	}
	if err := d.check(); err != nil {
		return err
	}
	r.result.Kills++
	if s.Cut {
		if err := r.cut(s.Some); err != nil {
			return err
		}
	}
	r.sink.set(gateOpen)
	return nil
}

// cut is the loss of power, and its return.
func (r *run) cut(some bool) error {
	seed := uint64(0)
	if some {
		seed = r.random.Uint64() | 1
	}
	r.result.Cuts++
	return r.load.loseThePower(func() error { return r.disk.Cut(seed) })
}

// live returns when the daemon is dead or is to be killed: at a random count
// of answers or arrivals, or when there is nothing more to wait for.
func (r *run) live(ctx context.Context, d *daemon, s Step) error {
	answered, _, _ := r.load.state()
	arrived, _ := r.sink.arrivals()
	answers, arrivals := 1<<62, 1<<62
	if s.Failpoint == "" {
		if r.random.IntN(2) == 0 || s.Hold {
			answers = answered + r.random.IntN(s.Messages+1)
		} else {
			arrivals = arrived + r.random.IntN(s.Messages+1)
		}
	}
	delay := time.Duration(r.random.IntN(2000)) * time.Microsecond
	if s.Hold { // it shall have accepted all of them
		answers = answered + s.Messages
	}
	late := time.After(patience)
	for {
		answered, idle, changed := r.load.state()
		arrived, arrival := r.sink.arrivals()
		if answered >= answers || arrived >= arrivals || idle && s.Failpoint == "" && (s.Hold || s.Mute || r.load.delivered(r.sink)) {
			time.Sleep(delay) // only to hit another moment each time
			return nil
		}
		select {
		case <-d.ended:
			return d.check()
		case <-changed:
		case <-arrival:
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("%d messages answered, %d copies arrived, and then nothing\n%s", answered, arrived, d.log)
		}
	}
}

// delivered tells whether all that was answered has arrived. What has is not
// looked at again.
func (l *load) delivered(s *sink) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; l.arrived < len(l.order); l.arrived++ {
		if !s.has(l.order[l.arrived].recipients) {
			return false
		}
	}
	return true
}

// settle lets the daemon finish, and counts.
func (r *run) settle(ctx context.Context) (err error) {
	d, err := r.start("")
	if err != nil {
		return err
	}
	defer d.kill()
	if _, err := d.awaitReady(ctx); err != nil {
		return err
	}
	r.load.end()
	client, err := r.admin()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if _, err := client.Connections.GetConnection(ctx, &postilionv1.GetConnectionRequest{Name: "sink"}); err != nil {
		r.result.problem("the connection is gone: %v", err)
		r.result.Forgotten = true
	}
	stored, err := r.drain(ctx, client)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, d.log)
	}
	c := &checker{result: &r.result, ledger: r.load.ledger, copies: r.sink.all(), stored: stored, client: client}
	if err := c.check(ctx); err != nil {
		return err
	}
	r.result.Replayed = r.load.replayed
	return d.stop()
}
