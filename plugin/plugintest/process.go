package plugintest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/postilion-mail/postilion/plugin"
	"github.com/postilion-mail/postilion/plugin/host"
)

// Main is for TestMain. It makes the test binary a plugin when Process has
// started it, and runs the tests otherwise. It does not return.
func Main(m *testing.M, transport func() plugin.Transport) {
	cookie := plugin.Handshake()
	if os.Getenv(cookie.MagicCookieKey) != cookie.MagicCookieValue {
		os.Exit(m.Run())
	}
	if err := plugin.Serve(transport()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Process runs the test binary once more as a plugin, with some arguments, and
// gives what it serves. TestMain must call Main. The process ends with the
// test.
func Process(t *testing.T, args ...string) plugin.Transport {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, file := filepath.Split(self)
	sum, err := host.Checksum(dir, file)
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("", "pt") // t.TempDir's names are too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	p := host.Supervise(host.Options{
		Name: file, Dir: dir, File: file, SHA256: sum, Args: args, RunDir: run, StartTimeout: Patience,
	}, host.Policy{})
	t.Cleanup(func() { p.Stop(context.Background()) })
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}
