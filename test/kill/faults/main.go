// Command faults kills the daemon N times under load, at random moments and at
// named failpoints, with and without a cut of the power, and accounts for every
// message. It exits with 1 if one was lost or came twice without a mark, and if
// its control, whose disk does not sync, loses nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/postilion-mail/postilion/test/kill"
	"github.com/postilion-mail/postilion/test/kill/powerfs"
)

func main() {
	powerfs.Child()
	n := flag.Int("n", 100, "number of kills")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of all that is random")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := faults(ctx, *n, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// minimum is how many messages are sent at least.
const minimum = 10_000

// faults runs the control and then, a third of the kills each, the failpoints,
// random moments, and power cuts at both.
func faults(ctx context.Context, n int, seed uint64) error {
	if os.Geteuid() != 0 {
		return errors.New("cutting the power takes root, to mount")
	}
	folder, err := os.MkdirTemp("", "pk")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	fmt.Printf("seed %d\n", seed)
	if err := kill.Build(ctx, folder); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 0))
	control, err := run(ctx, folder, "control", kill.Options{
		Seed: seed, Power: true, Lie: true, Steps: []kill.Step{kill.Held(200)},
	})
	if err != nil {
		return err
	}
	var total kill.Result
	for _, part := range parts(random, max(n, 3)) {
		part.options.Seed = random.Uint64()
		result, err := run(ctx, folder, part.name, part.options)
		if err != nil {
			return err
		}
		total.Add(result)
	}
	for _, problem := range total.Problems {
		fmt.Println(problem)
	}
	fmt.Printf("control without fsync: %s\n", control)
	fmt.Println(&total)
	if control.Lost == 0 {
		return errors.New("the control lost nothing, so that this proves nothing")
	}
	return total.Err()
}

type part struct {
	name    string
	options kill.Options
}

func parts(random *rand.Rand, n int) []part {
	third := n / 3
	points := kill.Repeat(third, func() []kill.Step { return kill.Failpoints(random) })
	moments := kill.Moments(random, third)
	cuts := kill.Repeat(n-2*third, func() []kill.Step {
		return append(kill.Cuts(append(kill.Failpoints(random), kill.Moments(random, 10)...)), kill.Held(50))
	})
	more := max(0, (minimum-n*kill.Batch+n-1)/n)
	for _, steps := range [][]kill.Step{points, moments, cuts} {
		for i := range steps {
			steps[i].Messages += more
		}
	}
	return []part{
		{"failpoints", kill.Options{Steps: points}},
		{"random moments", kill.Options{Steps: moments}},
		{"power cuts", kill.Options{Steps: cuts, Power: true}},
	}
}

func run(ctx context.Context, folder, name string, o kill.Options) (*kill.Result, error) {
	o.Programs, o.Folder = folder, filepath.Join(folder, "run")
	if err := os.Mkdir(o.Folder, 0o711); err != nil {
		return nil, err
	}
	defer os.RemoveAll(o.Folder)
	began := time.Now()
	o.Progress = func(step, answered int) {
		if step%50 == 0 {
			fmt.Printf("%s: %d of %d kills, %d messages accepted, %d s\n", name, step, len(o.Steps), answered, int(time.Since(began).Seconds()))
		}
	}
	result, err := kill.Run(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf("%s: %s cuts=%d replayed=%d, %d s\n", name, result, result.Cuts, result.Replayed, int(time.Since(began).Seconds()))
	return result, nil
}
