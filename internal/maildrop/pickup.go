package maildrop

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Options of a Pickup. Dir, Submit and Log are required.
type Options struct {
	// Dir is the directory, made by Prepare.
	Dir string
	// Submit accepts one drop of the user uid, durably and once for its key.
	// An error made by Permanent refuses it for good; after any other it is
	// tried again later. It is called from one goroutine.
	Submit func(ctx context.Context, uid uint32, d *Drop) error
	// Refused, if set, is told of a drop that Submit refused for good, before
	// that is moved to "bad": its sender was told that the message was
	// accepted. An error leaves the drop, to be tried again later; so the same
	// may be told twice.
	Refused func(ctx context.Context, uid uint32, d *Drop, err error) error
	Log     *slog.Logger

	// MaxSize of a content, in octets; 50 MiB if 0.
	MaxSize int64
	// TurnFiles and TurnBytes are what one user gets picked up before the
	// others have their turn; 100 files and 64 MiB if 0. What is beyond waits.
	TurnFiles int
	TurnBytes int64
	// Interval between two looks at the directory; 1 s if 0.
	Interval time.Duration
	// MaxBad is how many refused files of one user are kept; 1,000 if 0.
	MaxBad int
}

// The times of a Pickup.
const (
	firstRetry  = time.Second     // after a temporary refusal, then doubled up to
	lastRetry   = 5 * time.Minute // this
	tempLife    = time.Hour       // of a file whose writer must have died
	badLife     = 14 * 24 * time.Hour
	ignoredLife = time.Hour // before what can be neither read nor moved is logged again
)

// permanent marks an error of Submit.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error of Submit as final: the drop is moved to "bad".
func Permanent(err error) error { return permanent{err} }

// Pickup is the daemon's side of the maildrop.
type Pickup struct {
	o    Options
	dir  *os.File // of Dir
	bad  *os.File // of Dir/bad
	kick chan struct{}
	wait map[string]pause // by file name
	dirs int              // directories that were last seen
}

// pause keeps one file from being looked at for a while.
type pause struct {
	until time.Time
	delay time.Duration
}

// New opens the directory. The caller runs Run once and then Close.
func New(o Options) (*Pickup, error) {
	o.MaxSize = orElse(o.MaxSize, 50<<20)
	o.TurnFiles = orElse(o.TurnFiles, 100)
	o.TurnBytes = orElse(o.TurnBytes, 64<<20)
	o.Interval = orElse(o.Interval, time.Second)
	o.MaxBad = orElse(o.MaxBad, 1000)
	dir, err := openDir(o.Dir)
	if err != nil {
		return nil, err
	}
	bad, err := openDir(filepath.Join(o.Dir, badName))
	if err != nil {
		dir.Close()
		return nil, err
	}
	return &Pickup{o: o, dir: dir, bad: bad, kick: make(chan struct{}, 1), wait: make(map[string]pause)}, nil
}

func openDir(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

func orElse[T int | int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Run picks up until the context ends, and gives its error.
func (p *Pickup) Run(ctx context.Context) error {
	ticker := time.NewTicker(p.o.Interval)
	defer ticker.Stop()
	var pruned time.Time
	for ctx.Err() == nil {
		moved, more, err := p.scan(ctx)
		if err != nil {
			p.o.Log.Error("maildrop cannot be read", "dir", p.o.Dir, "error", err)
		}
		if now := time.Now(); moved || now.Sub(pruned) > time.Hour {
			p.prune(now)
			pruned = now
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-p.kick:
		case <-ticker.C:
		}
	}
	return ctx.Err()
}

// Kick has the directory looked at now. It never blocks.
func (p *Pickup) Kick() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// Close releases the directory, after Run has returned.
func (p *Pickup) Close() error {
	return errors.Join(p.dir.Close(), p.bad.Close())
}
