package plugin

import (
	"errors"
	"os"
	"testing"
)

func TestPluginEndsWithItsHost(t *testing.T) {
	t.Parallel()
	if err := wait(make(chan struct{}), os.Getppid()+1); !errors.Is(err, ErrHostGone) {
		t.Errorf("error %v", err)
	}
	ended := make(chan struct{})
	close(ended)
	if err := wait(ended, os.Getppid()); err != nil {
		t.Errorf("error %v", err)
	}
}

// Instances that are open when the plugin ends are closed, and one that hangs
// does not keep it.
func TestEndClosesInstances(t *testing.T) {
	t.Parallel()
	closed, release := make(chan struct{}, 1), make(chan struct{})
	defer close(release)
	s := newService(&fake{})
	s.instances["one"] = &fake{close: func() error { closed <- struct{}{}; return nil }}
	s.instances["two"] = &fake{close: func() error { <-release; return nil }}
	s.end(1)
	<-closed
}
