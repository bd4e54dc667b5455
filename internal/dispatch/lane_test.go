package dispatch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
)

func TestSentByHandAndByClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.connect("a", accept)
		early := r.store.accept(job("a")) // before Run: it waits in the store
		r.start()
		synctest.Wait()
		late := r.store.accept(job("a"))
		later := job("a")
		later.Due = time.Now().Add(time.Hour)
		planned := r.store.accept(later)
		synctest.Wait()
		if got := r.store.end(early); len(got) != 1 || got[0].Next != outbox.Sent {
			t.Errorf("the message from before the start: %v", got)
		}
		if got := r.store.end(late); len(got) != 1 || got[0].Next != outbox.Sent {
			t.Errorf("the message handed over: %v", got)
		}
		time.Sleep(time.Hour - time.Nanosecond)
		if got := r.store.end(planned); len(got) != 0 {
			t.Errorf("the message for later went out too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := r.store.end(planned); len(got) != 1 || got[0].Next != outbox.Sent {
			t.Errorf("the message for later: %v", got)
		}
		r.stop()
	})
}
