package face

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postilion-mail/postilion/server/internal/auth"
)

// What stands at a socket's path is replaced only if it is a socket on which
// nobody listens any more.
func TestOnlyStaleSocketsAreReplaced(t *testing.T) {
	t.Parallel()
	at := func() string { return filepath.Join(t.TempDir(), "s") }

	file := at()
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := ListenUnix(file, 0o600, -1); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a regular file gives %v, %v", l, err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file is now %q, %v", b, err)
	}

	link, target := at(), at()
	stale(t, target)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if l, err := ListenUnix(link, 0o600, -1); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a symbolic link gives %v, %v", l, err)
	}
	if _, err := os.Lstat(target); err != nil {
		t.Errorf("the link's target: %v", err)
	}

	other := at()
	first, err := ListenUnix(other, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := ListenUnix(other, 0o600, -1); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("another daemon's socket gives %v, %v", l, err)
	}
	if conn, err := net.Dial("unix", other); err != nil {
		t.Errorf("the other daemon is not reached any more: %v", err)
	} else {
		_ = conn.Close()
	}
	_ = first.Close()
	if _, err := os.Lstat(other); !os.IsNotExist(err) {
		t.Errorf("after its close the socket is there: %v", err)
	}

	old := at()
	stale(t, old)
	l, err := ListenUnix(old, 0o660, -1)
	if err != nil {
		t.Fatalf("a stale socket gives %v", err)
	}
	defer l.Close()
	if info, err := os.Lstat(old); err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("the new socket: %v, %v", info, err)
	}
	if names, _ := os.ReadDir(filepath.Dir(old)); len(names) != 1 {
		t.Errorf("beside the socket stands %v", names)
	}
}

// stale leaves a socket of a daemon that was killed.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
}

// A second close must not take away what another daemon has put there since.
func TestCloseLeavesTheNextSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	first, err := ListenUnix(path, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	second, err := ListenUnix(path, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_ = first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestAPeerHasSoManyConnections(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	raw, err := ListenUnix(path, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	l := &Listener{Listener: raw, Kind: auth.DoorPublic}
	defer l.Close()
	accepted := make(chan net.Conn, 2)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	me := os.Getuid()
	for range maxPerPeer - 1 {
		if !l.enter(strconv.Itoa(me)) {
			t.Fatal("refused below the cap")
		}
	}
	dial := func() net.Conn {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		return conn
	}
	dial()
	last := <-accepted
	if _, err := dial().Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection above the cap gives %v", err)
	}
	_ = last.Close()
	_ = last.Close() // which counts once
	dial()
	<-accepted
	if n := l.open[strconv.Itoa(me)]; n != maxPerPeer {
		t.Errorf("%d connections are counted", n)
	}
}

// Who sends nothing, or headers without end, is closed by the server.
func TestHeadersHaveToComeInTime(t *testing.T) {
	t.Parallel()
	h := NewHTTP(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if h.server.ReadHeaderTimeout != 10*time.Second {
		t.Errorf("headers have %v", h.server.ReadHeaderTimeout)
	}
	h.server.ReadHeaderTimeout = 50 * time.Millisecond // the same, sooner
	path := filepath.Join(t.TempDir(), "s")
	l, err := ListenUnix(path, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = ServeHTTP(h, &Listener{Listener: l, Kind: auth.DoorPublic}) }()
	defer h.Shutdown(context.Background())
	for _, said := range []string{"", "POST / HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP/2.0\r\n"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("after %q the connection is not closed: %v", said, err)
		}
	}
}

// A process that is shunned is not even listened to.
func TestShunnedProcessesAreNotListenedTo(t *testing.T) {
	t.Parallel()
	for _, shunned := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "s")
		inner, err := ListenUnix(path, 0o600, -1)
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan int, 1)
		l := &Listener{Listener: inner, Kind: auth.DoorAdmin, Shuns: func(pid int) bool { asked <- pid; return shunned }}
		t.Cleanup(func() { _ = l.Close() })
		accepted := make(chan net.Conn, 1)
		go func() {
			if conn, err := l.Accept(); err == nil {
				accepted <- conn
			}
			close(accepted)
		}()
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if pid := <-asked; pid != os.Getpid() {
			t.Errorf("asked about the process %d", pid)
		}
		if shunned {
			if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Errorf("read %d octets, error %v", n, err)
			}
		} else if c := <-accepted; c == nil {
			t.Error("the connection was not accepted")
		} else {
			_ = c.Close()
		}
		_ = conn.Close()
	}
}

// Processes of other users are not shunned, whatever can be found out about
// them: root's are hidden from a daemon whose unit has ProtectProc=invisible.
func TestOthersAreNotShunned(t *testing.T) {
	t.Parallel()
	own := uint32(os.Geteuid())
	for _, c := range []struct {
		uid  uint32
		want bool
	}{{own, true}, {own + 1, false}} {
		l := &Listener{Shuns: func(int) bool { return true }}
		if got := l.shuns(&unix.Ucred{Pid: 1, Uid: c.uid}); got != c.want {
			t.Errorf("a process of the user %d is shunned by one of %d: %v", c.uid, own, got)
		}
	}
}
