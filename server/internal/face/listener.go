// Package face makes the two faces of the daemon, gRPC and HTTP with JSON,
// and the listeners that they stand on. A face finds out who calls before it
// reads what they send.
package face

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/postilion-mail/postilion/server/internal/auth"
)

// Listener accepts connections and knows who is at the other end. It closes at
// once what one Unix user, or one IP address, has open beyond maxPerPeer: who
// runs wild shall not use up the daemon's descriptors.
type Listener struct {
	net.Listener
	Kind auth.Door
	TLS  *tls.Config // for DoorTCP, nil for none
	// Shuns tells of a process of our own user at the other end of a Unix socket
	// whether its connection is closed at once; nil for none. It is not asked
	// about others, whom the socket's mode keeps out, or who are root: what
	// /proc says of theirs may be hidden from us (proc(5), hidepid).
	Shuns func(pid int) bool

	mu   sync.Mutex
	open map[string]int // connections by peer
}

// maxPerPeer is more than the processes of a large PHP pool, all of which come
// from one user or address.
const maxPerPeer = 1000

// Conn is a connection with its peer.
type Conn struct {
	net.Conn
	Peer  auth.Peer
	tls   *tls.Config
	close func() // counts it off, once
}

// Close closes the connection.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.close()
	return err
}

// Accept waits for the next connection. The peer of a Unix socket is told by
// the kernel (SO_PEERCRED, unix(7)).
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer := auth.Peer{Door: l.Kind, UID: -1, Addr: conn.RemoteAddr().String()}
		who, _, _ := net.SplitHostPort(peer.Addr)
		if u, ok := conn.(*net.UnixConn); ok {
			credentials, err := credentialsOf(u)
			if err != nil || l.shuns(credentials) {
				_ = conn.Close()
				continue
			}
			peer.UID = int(credentials.Uid)
			who = strconv.Itoa(peer.UID)
		}
		if !l.enter(who) {
			_ = conn.Close()
			continue
		}
		return &Conn{Conn: conn, Peer: peer, tls: l.TLS, close: sync.OnceFunc(func() { l.leave(who) })}, nil
	}
}

func (l *Listener) shuns(peer *unix.Ucred) bool {
	return l.Shuns != nil && int(peer.Uid) == os.Geteuid() && l.Shuns(int(peer.Pid))
}

func (l *Listener) enter(who string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = make(map[string]int)
	}
	if l.open[who] >= maxPerPeer {
		return false
	}
	l.open[who]++
	return true
}

func (l *Listener) leave(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[who]--; l.open[who] == 0 {
		delete(l.open, who)
	}
}

func credentialsOf(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var credentials *unix.Ucred
	var credentialsErr error
	if err := raw.Control(func(fd uintptr) {
		credentials, credentialsErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return credentials, credentialsErr
}

// ListenUnix makes a socket with a mode, and a group if gid is not negative.
// A socket that nobody listens on any more is replaced; anything else at the
// path is left alone and reported.
func ListenUnix(path string, mode fs.FileMode, gid int) (net.Listener, error) {
	if len(path) > 107 { // sun_path of unix(7), with its final zero
		return nil, fmt.Errorf("socket path %s is longer than 107 octets; choose a shorter --run-dir or --data-dir", path)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// Made under another name and renamed, the socket never stands there with
	// the mode that the umask happens to give it.
	making := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%d", os.Getpid()))
	if len(making) > len(path) {
		making = path
	}
	_ = os.Remove(making)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: making, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	fail := func(err error) (net.Listener, error) {
		_ = l.Close()
		_ = os.Remove(making)
		return nil, err
	}
	if gid >= 0 {
		if err := os.Chown(making, -1, gid); err != nil {
			return fail(err)
		}
	}
	if err := os.Chmod(making, mode); err != nil {
		return fail(err)
	}
	if making != path {
		if err := os.Rename(making, path); err != nil {
			return fail(err)
		}
	}
	return &unixListener{UnixListener: l, path: path}, nil
}

// unixListener removes its socket when it is closed: before that, since after
// it another daemon may have put its own there.
type unixListener struct {
	*net.UnixListener
	path   string
	remove sync.Once
}

// Addr is the path, not the name that the socket was made under.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

func (l *unixListener) Close() error {
	l.remove.Do(func() { _ = os.Remove(l.path) })
	return l.UnixListener.Close()
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and is not a socket; move it away or choose another directory", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("another program listens on %s; stop it or choose another directory", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.Remove(path)
}
