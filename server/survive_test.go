package server

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postilion-mail/postilion/server/internal/metrics"
)

// A part that panics is run again after a rest, until it ends or is told to.
func TestAPartSurvivesItsPanics(t *testing.T) {
	t.Parallel()
	d := &daemon{metrics: metrics.New("test"), log: slog.New(slog.DiscardHandler)}
	synctest.Test(t, func(t *testing.T) {
		start, runs := time.Now(), 0
		d.survive(t.Context(), func() {
			if runs++; runs < 3 {
				panic("a bad record")
			}
		})
		if took := time.Since(start); runs != 3 || took != 2*afterPanic {
			t.Errorf("it ran %d times in %v", runs, took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		d.survive(ctx, func() { cancel(); panic("at the end") })
	})
}
