package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/postilion-mail/postilion/internal/smtpd"
	"github.com/postilion-mail/postilion/plugin/host"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/face"
)

// httpSocket is the name of the socket for JSON in the run directory.
const httpSocket = "postilion-http.sock"

// endpoint is a listener with the face that serves on it.
type endpoint struct {
	name     string // as systemd's FileDescriptorName
	listener *face.Listener
	http     *face.HTTP
	smtp     *smtpd.Server // neither: gRPC
}

// maxOverhead is what a request may have beside the content of its message:
// addresses, texts that become the content, attachments' names.
const maxOverhead = 4 << 20

// listen makes the faces and their listeners. Those that systemd hands over
// (sd_listen_fds(3)) are used instead of our own.
func (d *daemon) listen() error {
	options := face.Options{
		Gate:       &auth.Gate{Directory: d.registry, AdminUIDs: []int{0, os.Geteuid()}},
		MaxMessage: int(d.cfg.MaxMessageSize) + maxOverhead,
		Observe:    face.Observer{Log: d.log, Called: d.metrics.Called, Panicked: d.metrics.Panicked},
	}
	d.grpc = face.NewGRPC(options)
	d.api.RegisterGRPC(d.grpc)
	d.health = health.NewServer()
	grpc_health_v1.RegisterHealthServer(d.grpc, d.health)
	if d.options.Shutdown != nil {
		registerController(d.grpc, d.options.Shutdown)
		d.health.SetServingStatus("plugin", grpc_health_v1.HealthCheckResponse_SERVING)
	}

	mux := http.NewServeMux()
	d.api.Handle(mux, options.HandlerOptions(true), options.HandlerOptions(false))
	mux.HandleFunc("GET /healthz", d.healthz)
	d.http = face.NewHTTP(options.Bound(mux), d.log)

	given, err := activation.ListenersWithNames()
	if err != nil {
		return fmt.Errorf("sockets of systemd: %w", err)
	}
	given = byKind(given)
	for _, open := range []func(map[string][]net.Listener) error{d.listenSockets, d.listenTCP, d.listenMetrics} {
		if err := open(given); err != nil {
			return err
		}
	}
	for name, listeners := range given {
		if len(listeners) > 0 {
			return fmt.Errorf("systemd hands over a socket named %q; the names are grpc, http, grpc-tcp, http-tcp, smtp and metrics", name)
		}
	}
	return nil
}

// byKind names TCP listeners that came under the name of a Unix socket as such:
// all sockets of one systemd unit have one name (systemd.socket(5),
// FileDescriptorName).
func byKind(given map[string][]net.Listener) map[string][]net.Listener {
	out := make(map[string][]net.Listener, len(given))
	for name, listeners := range given {
		for _, l := range listeners {
			as := name
			if _, tcp := l.Addr().(*net.TCPAddr); tcp && (name == "grpc" || name == "http") {
				as += "-tcp"
			}
			out[as] = append(out[as], l)
		}
	}
	return out
}

// checkReach holds a listener that was handed over to the rule that package
// config has for addresses: beyond loopback only with TLS.
func checkReach(name string, l net.Listener, certificate *tls.Certificate) error {
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || certificate != nil {
		return nil
	}
	return fmt.Errorf("%s: %s can be reached from other machines, which needs TLS: set tls_cert_file and tls_key_file, or listen on 127.0.0.1", name, tcp)
}

// take gives a listener that was handed over, or makes one.
func take(given map[string][]net.Listener, name string, listen func() (net.Listener, error)) (net.Listener, error) {
	if listeners := given[name]; len(listeners) > 0 {
		given[name] = listeners[1:]
		return listeners[0], nil
	}
	return listen()
}

func (d *daemon) listenSockets(given map[string][]net.Listener) error {
	if err := makeRunDir(d.cfg.RunDir); err != nil {
		return fmt.Errorf("run_dir: %w", err)
	}
	d.warnOfWriters("run_dir", d.cfg.RunDir)
	d.warnOfWriters("data_dir", d.cfg.DataDir)
	mode, gid := fs.FileMode(0o666), -1
	if name := d.cfg.SocketGroup; name != "" {
		var err error
		if gid, err = groupID(name); err != nil {
			return fmt.Errorf("socket_group: %w", err)
		}
		mode = 0o660
	}
	for _, s := range []struct {
		name, path string
		door       auth.Door
		mode       fs.FileMode
		gid        int
		http       *face.HTTP
		address    *string
	}{
		{"admin", filepath.Join(d.cfg.DataDir, "admin.sock"), auth.DoorAdmin, 0o600, -1, nil, &d.addresses.AdminSocket},
		{"grpc", filepath.Join(d.cfg.RunDir, "postilion.sock"), auth.DoorPublic, mode, gid, nil, &d.addresses.GRPCSocket},
		{"http", filepath.Join(d.cfg.RunDir, httpSocket), auth.DoorPublic, mode, gid, d.http, &d.addresses.HTTPSocket},
	} {
		l, err := take(given, s.name, func() (net.Listener, error) { return face.ListenUnix(s.path, s.mode, s.gid) })
		if err != nil {
			return err
		}
		*s.address = l.Addr().String()
		listener := &face.Listener{Listener: l, Kind: s.door}
		if s.door == auth.DoorAdmin { // plugins may run as the daemon's user, to whom it is open
			listener.Shuns = host.Confined
		}
		d.endpoints = append(d.endpoints, endpoint{name: s.name, listener: listener, http: s.http})
	}
	return nil
}

// warnOfWriters tells of a directory in which other users could put theirs in
// the place of our files. It is not refused: volumes of containers often are
// so, and nobody else is in there.
func (d *daemon) warnOfWriters(setting, dir string) {
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		d.log.Warn("other users can replace files in "+setting+"; take the right to write from them: chmod go-w", "dir", dir, "mode", info.Mode().String())
	}
}

// makeRunDir makes the directory of the public sockets, which everybody may go
// through and nobody else may list. One that is there stays as it is.
func makeRunDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	return os.Chmod(dir, 0o711) // whatever the umask is
}

// certificate loads that of the TCP listeners; nil if there is none.
func (d *daemon) certificate() (*tls.Certificate, error) {
	if d.cfg.TLSCertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(d.cfg.TLSCertFile, d.cfg.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls_cert_file: %w", err)
	}
	d.served = pair.Leaf
	return &pair, nil
}

func (d *daemon) listenTCP(given map[string][]net.Listener) error {
	certificate, err := d.certificate()
	if err != nil {
		return err
	}
	for _, s := range []struct {
		name, listen string
		protocols    []string
		http         *face.HTTP
		address      *string
	}{
		{"grpc-tcp", d.cfg.GRPCListen, []string{"h2"}, nil, &d.addresses.GRPC},
		{"http-tcp", d.cfg.HTTPListen, []string{"h2", "http/1.1"}, d.http, &d.addresses.HTTP},
	} {
		if s.listen == "" && len(given[s.name]) == 0 {
			continue
		}
		l, err := take(given, s.name, func() (net.Listener, error) { return net.Listen("tcp", s.listen) })
		if err != nil {
			return err
		}
		if err := checkReach(s.name, l, certificate); err != nil {
			return err
		}
		*s.address = l.Addr().String()
		wrapped := &face.Listener{Listener: l, Kind: auth.DoorTCP}
		if certificate != nil {
			wrapped.TLS = face.ServerTLS(*certificate, s.protocols...)
		}
		d.endpoints = append(d.endpoints, endpoint{name: s.name, listener: wrapped, http: s.http})
	}
	return d.listenSMTP(given, certificate)
}

func (d *daemon) listenMetrics(given map[string][]net.Listener) error {
	if d.cfg.MetricsListen == "" && len(given["metrics"]) == 0 {
		return nil
	}
	certificate, err := d.certificate()
	if err != nil {
		return err
	}
	l, err := take(given, "metrics", func() (net.Listener, error) { return net.Listen("tcp", d.cfg.MetricsListen) })
	if err != nil {
		return err
	}
	if err := checkReach("metrics", l, certificate); err != nil {
		return err
	}
	wrapped := &face.Listener{Listener: l, Kind: auth.DoorTCP}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		wrapped.TLS = face.ServerTLS(*certificate, "h2", "http/1.1")
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", d.metrics.Handler())
	mux.HandleFunc("GET /healthz", d.healthz)
	d.admin = face.NewHTTP(mux, d.log)
	d.addresses.Metrics = l.Addr().String()
	d.endpoints = append(d.endpoints, endpoint{name: "metrics", listener: wrapped, http: d.admin})
	return nil
}

// healthz is the readiness of the gRPC health service, for those who ask by
// HTTP.
func (d *daemon) healthz(w http.ResponseWriter, r *http.Request) {
	answer, err := d.health.Check(r.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		http.Error(w, "not serving", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

func groupID(name string) (int, error) {
	if gid, err := strconv.Atoi(name); err == nil && gid >= 0 {
		return gid, nil
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		return -1, errors.New("there is no group " + strconv.Quote(name) + "; name one of /etc/group")
	}
	return strconv.Atoi(group.Gid)
}
