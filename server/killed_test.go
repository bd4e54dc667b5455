package server

import (
	"flag"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin/host"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

var kills = flag.Int("kills", 8, "how often TestAPluginThatIsKilled kills its plugin")

// load sends through a connection, a few at a time, until it is told to stop,
// and waits for each first outcome.
type load struct {
	r          *rig
	connection string
	stopping   atomic.Bool
	senders    sync.WaitGroup

	mu    sync.Mutex
	ids   []string
	times []time.Duration // to the first outcome
}

func (r *rig) load(connection string, senders int) *load {
	l := &load{r: r, connection: connection}
	for range senders {
		l.senders.Go(func() {
			for !l.stopping.Load() {
				l.send()
			}
		})
	}
	return l
}

func (l *load) send() {
	req := letter("a@example.net")
	req.Connection, req.Wait = l.connection, durationpb.New(10*time.Second)
	began := time.Now()
	res, err := l.r.admin.Send(l.r.ctx(), req)
	took := time.Since(began)
	if err != nil {
		l.r.t.Error(err)
		l.stopping.Store(true)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids, l.times = append(l.ids, res.GetId()), append(l.times, took)
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ids)
}

// take gives the times since it was called last, sorted.
func (l *load) take() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := l.times
	l.times = nil
	slices.Sort(times)
	return times
}

func (l *load) stop() {
	l.stopping.Store(true)
	l.senders.Wait()
}

func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*p/100)].Round(10 * time.Microsecond)
}

// Whatever moment a plugin's process is killed at: nothing is lost, what comes
// twice is marked, and other connections do not notice.
func TestAPluginThatIsKilled(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	r := preparedRig(t)
	r.plugins = func(o *plugins.Options) {
		o.StartTimeout = patience
		o.Policy = host.Policy{First: time.Millisecond, Longest: 10 * time.Millisecond, Limit: 1 << 20}
	}
	r.start()
	server := smtptest.Start(t, plain)
	configure(t, r.admin, connection("smtp", server))
	r.addRecorder("recorder", j)
	box := recorded("box", "recorder", j)
	box.Retry = &postilionv1.RetryPolicy{Schedule: []*durationpb.Duration{durationpb.New(time.Second)}}
	configure(t, r.admin, box)

	beside, under := r.load("smtp", 2), r.load("box", 6)
	await(t, "both have sent", func() bool { return beside.count() > 20 && under.count() > 20 })
	calm := beside.take()
	pid := int32(0)
	for range *kills {
		var p *postilionv1.Plugin
		await(t, "there is another process, and it delivers", func() bool {
			p = r.pluginNamed("recorder")
			return p.GetState() == ready && p.GetPid() != pid
		})
		pid = p.GetPid()
		before := len(j.delivered())
		await(t, "it delivers", func() bool { return len(j.delivered()) > before+5 || t.Failed() })
		if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	under.stop()
	storm := beside.take()
	beside.stop()

	a := r.account(under.ids, j)
	p := r.awaitPlugin("recorder", ready)
	if int(p.GetCrashes()) != *kills || int(p.GetStarts()) < *kills+1 {
		t.Errorf("after %d kills it has crashed %d times and was started %d times", *kills, p.GetCrashes(), p.GetStarts())
	}
	for _, id := range beside.ids {
		r.awaitState(id, sent)
	}
	if server.Count() != len(beside.ids) {
		t.Errorf("the other connection's server got %d of %d messages", server.Count(), len(beside.ids))
	}
	t.Logf("killed %d times: %d messages, of which %d delivered, %d open as UNKNOWN or held after crashes, %d twice and marked, 0 lost",
		*kills, len(under.ids), a.delivered, a.open, a.twice)
	t.Logf("beside it to the first outcome: calm p50 %v p99 %v (%d), killing p50 %v p99 %v (%d)",
		percentile(calm, 50), percentile(calm, 99), len(calm), percentile(storm, 50), percentile(storm, 99), len(storm))
}

// account is what became of messages.
type account struct{ delivered, open, twice int }

// account looks at each message until its fate is clear, and fails for one
// that is lost, or came twice without a mark.
func (r *rig) account(ids []string, j journal) (a account) {
	r.t.Helper()
	messages := make(map[string]*postilionv1.StoredMessage)
	for _, id := range ids {
		await(r.t, "what became of "+id+" is clear", func() bool {
			got, err := r.admin.GetMessage(r.ctx(), &postilionv1.GetMessageRequest{Id: id, View: postilionv1.MessageView_MESSAGE_VIEW_FULL})
			if err != nil {
				r.t.Fatal(err)
			}
			m := got.GetMessage()
			messages[id] = m
			to := m.GetRecipients()[0]
			switch to.GetState() {
			case sent, postilionv1.MessageState_MESSAGE_STATE_HELD:
				return true
			case postilionv1.MessageState_MESSAGE_STATE_DEFERRED:
				return to.GetOutcome().GetClass() == postilionv1.OutcomeClass_OUTCOME_CLASS_UNKNOWN
			}
			return false
		})
	}
	times := make(map[string]int)
	for _, id := range j.delivered() {
		times[id]++
	}
	for id, m := range messages {
		to := m.GetRecipients()[0]
		if to.GetState() == sent {
			a.delivered++
		} else {
			a.open++
		}
		switch n := times[id]; {
		case n == 0 && to.GetState() == sent:
			r.t.Errorf("%s is lost: %v", id, m)
		case n > 1 && !to.GetPossibleDuplicate():
			r.t.Errorf("%s came %d times without a mark: %v", id, n, m)
		case n > 1:
			a.twice++
		}
	}
	return a
}
