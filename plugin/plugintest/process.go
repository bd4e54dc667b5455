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
	return Program(t, self, host.Options{Args: args})
}

// Program runs a program as a plugin, as the daemon does, and gives what it
// serves. The options may leave out what the path says. The process ends with
// the test.
func Program(t *testing.T, path string, o host.Options) plugin.Transport {
	t.Helper()
	o.Dir, o.File = filepath.Split(path)
	o.Name, o.StartTimeout = o.File, Patience
	o.SameUser, o.WritePaths = true, append(o.WritePaths, "/") // the suite is about the transport, not about what confines it
	var err error
	if o.SHA256, err = host.Checksum(o.Dir, o.File); err != nil {
		t.Fatal(err)
	}
	if o.RunDir, err = os.MkdirTemp("", "pt"); err != nil { // t.TempDir's names are too long for sockets
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(o.RunDir) })
	p := host.Supervise(o, host.Policy{})
	t.Cleanup(func() { p.Stop(context.Background()) })
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}
