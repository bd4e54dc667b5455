package kill

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/postilion-mail/postilion/internal/failpoint"
	"github.com/postilion-mail/postilion/test/kill/powerfs"
)

func TestMain(m *testing.M) {
	powerfs.Child()
	os.Exit(m.Run())
}

// folder is a temporary one with a short name, for sockets.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestPromise is the short version of what the command faults does at length.
func TestPromise(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("cutting the power takes root, to mount: run the tests as root")
	}
	programs := folder(t)
	if err := Build(t.Context(), programs); err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, o Options) *Result {
		t.Helper()
		o.Programs, o.Folder = programs, folder(t)
		result, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s cuts=%d replayed=%d", result, result.Cuts, result.Replayed)
		return result
	}
	kept := func(t *testing.T, r *Result) {
		t.Helper()
		if err := r.Err(); err != nil {
			t.Error(err)
		}
	}
	random := rand.New(rand.NewPCG(1, 1))
	points, moments := Failpoints(random), Moments(random, 10)
	cuts := append(Cuts([]Step{
		{Messages: Batch, Drops: drops, Failpoint: failpoint.DropFound, N: 1},
		{Messages: Batch, Failpoint: failpoint.AcceptDone, N: 5},
		{Messages: Batch},
		{Messages: Batch, Failpoint: failpoint.RecordDone, N: 3},
	}), Held(2*Batch))

	t.Run("kills at failpoints", func(t *testing.T) {
		t.Parallel()
		r := run(t, Options{Seed: 1, Steps: points})
		kept(t, r)
		for _, name := range failpoint.Names() {
			if r.Fired[name] == 0 {
				t.Errorf("no kill at %s", name)
			}
		}
		if r.Marked == 0 || r.Replayed == 0 {
			t.Error("neither a duplicate nor a replay: the kills hit nothing")
		}
	})
	t.Run("kills at random", func(t *testing.T) {
		t.Parallel()
		kept(t, run(t, Options{Seed: 2, Steps: moments}))
	})
	t.Run("power cuts", func(t *testing.T) {
		t.Parallel()
		r := run(t, Options{Seed: 3, Steps: cuts, Power: true})
		kept(t, r)
		if r.Cuts != len(cuts)+1 { // one of them early
			t.Errorf("%d cuts of %d", r.Cuts, len(cuts)+1)
		}
	})
	// All that the daemon makes at its first start lasts, too.
	t.Run("power cut in the first life", func(t *testing.T) {
		t.Parallel()
		kept(t, run(t, Options{Seed: 5, Steps: []Step{Held(Batch)}, Power: true, Bare: true}))
	})
	// With the same cuts and a disk that does not sync, mail must be lost;
	// otherwise the tests above prove nothing.
	t.Run("control", func(t *testing.T) {
		t.Parallel()
		r := run(t, Options{Seed: 4, Steps: []Step{Held(2 * Batch)}, Power: true, Lie: true})
		if r.Forgotten || r.Lost < r.Accepted || r.Accepted < Batch { // what was synced before must be there
			t.Errorf("fsync did nothing, and yet: %s", r)
		}
	})
}
