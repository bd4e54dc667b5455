package fault

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// descriptors counts what the daemon has open.
func (d *daemon) descriptors() int {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", d.PID()))
	if err != nil {
		d.T.Fatal(err)
	}
	return len(names)
}

// T5: a daemon that has no descriptors left accepts again when it has, mail
// that was dropped meanwhile included.
func TestNoDescriptors(t *testing.T) {
	t.Parallel()
	provider := smtptest.Start(t, plain)
	d := start(t, "--smtp-listen", "127.0.0.1:0")
	d.deliverTo(provider)
	ids := map[string]string{"before": d.send(letter("before", 0, "a@example.net"))}
	d.awaitState(ids["before"], sent)

	most := uint64(d.descriptors() + 12)
	var was unix.Rlimit
	if err := unix.Prlimit(d.PID(), unix.RLIMIT_NOFILE, nil, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(d.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: was.Max}, nil); err != nil {
		t.Fatal(err)
	}
	var hogs []net.Conn
	for _, to := range []struct{ network, address string }{
		{"unix", d.Socket()}, {"unix", d.HTTPSocket()}, {"tcp", d.GRPC}, {"tcp", d.HTTP}, {"tcp", d.SMTP}, {"unix", d.AdminSocket()},
	} {
		for range 6 {
			conn, err := net.Dial(to.network, to.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			hogs = append(hogs, conn)
		}
	}
	daemontest.Await(t, "no descriptor is left", func() bool { return d.descriptors() >= int(most) })
	drop := exec.Command(filepath.Join(programs, "postilion-sendmail"), "-f", "shop@example.com", "a@example.net")
	drop.Env = daemontest.Environment("POSTILION_SOCKET="+d.Path("nowhere.sock"), "POSTILION_MAILDROP_DIR="+d.Path("maildrop"))
	drop.Stdin = strings.NewReader("Subject: dropped\n\nText.\n")
	if said, err := drop.CombinedOutput(); err != nil {
		t.Fatalf("sendmail: %v\n%s", err, said)
	}
	for _, conn := range hogs {
		_ = conn.Close()
	}
	for _, target := range []string{"unix://" + d.Socket(), d.GRPC, "unix://" + d.AdminSocket()} {
		d.use(target)
		if answer, err := d.Check(d.ctx(), &grpc_health_v1.HealthCheckRequest{}); err != nil || answer.GetStatus() != serving {
			t.Errorf("%s answers %v, %v", target, answer, err)
		}
	}
	if status := d.healthz(); status != 200 {
		t.Errorf("/healthz gives %d", status)
	}
	conn, err := net.Dial("tcp", d.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(daemontest.Patience))
	greeting := make([]byte, 4)
	if _, err := conn.Read(greeting); err != nil || string(greeting) != "220 " {
		t.Errorf("the SMTP port says %q, %v", greeting, err)
	}
	_ = conn.Close()
	ids["after"] = d.send(letter("after", 0, "a@example.net"))
	d.awaitState(ids["after"], sent)
	provider.Messages(3) // the dropped one too
	d.once(provider, ids)
}

// T38: who asks twice wants it at once, and who kills asks nobody. Neither
// loses mail.
func TestStopIsCutShort(t *testing.T) {
	t.Parallel()
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(second.String(), func(t *testing.T) {
			t.Parallel()
			arrived, proceed := make(chan struct{}, 100), make(chan struct{})
			provider := smtptest.Start(t, plain, func(c *smtptest.Config) {
				c.Content = func(smtptest.Message) error {
					arrived <- struct{}{}
					<-proceed
					return nil
				}
			})
			d := start(t)
			d.deliverTo(provider)
			ids := make(map[string]string)
			for i := range 10 {
				key := fmt.Sprint("before ", i)
				ids[key] = d.send(letter(key, i*40_000, "a@example.net"))
			}
			<-arrived
			d.Signal(syscall.SIGTERM)
			d.awaitHealth(notServing)
			ids["while it stops"] = d.send(letter("while it stops", 0, "a@example.net"))
			d.Signal(second)
			err := d.Wait()
			exit := (*exec.ExitError)(nil)
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != second {
				t.Errorf("the daemon ended with %v", err)
			}
			close(proceed)
			d.Start()
			for _, id := range ids {
				d.awaitState(id, sent)
			}
			d.once(provider, ids)
		})
	}
}

// T166: systemd is told when the daemon serves, that it lives, and that it
// stops (sd_notify(3)).
func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	d := prepare(t)
	address := &net.UnixAddr{Name: d.Path("notify"), Net: "unixgram"}
	socket, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	said := make(chan string, 1000)
	served := make(chan error, 1)
	go func() {
		for buffer := make([]byte, 4096); ; {
			n, err := socket.Read(buffer)
			if err != nil {
				return // closed
			}
			if string(buffer[:n]) == "READY=1" { // from now on it must answer
				_, err := d.Check(d.ctx(), &grpc_health_v1.HealthCheckRequest{})
				for _, path := range []string{d.Socket(), d.HTTPSocket()} {
					conn, dialled := net.Dial("unix", path)
					if err = errors.Join(err, dialled); dialled == nil {
						_ = conn.Close()
					}
				}
				served <- err
			}
			said <- string(buffer[:n])
		}
	}()
	d.Env = []string{"NOTIFY_SOCKET=" + address.Name, "WATCHDOG_USEC=60000"}
	d.Start()
	if err := <-served; err != nil {
		t.Errorf("it is told to be ready, and: %v", err)
	}
	counts := make(map[string]int)
	for counts["WATCHDOG=1"] < 5 {
		counts[<-said]++
	}
	d.Stop()
	for counts["STOPPING=1"] == 0 {
		counts[<-said]++
	}
	if counts["READY=1"] != 1 {
		t.Errorf("READY=1 came %d times", counts["READY=1"])
	}
}

// T163: proxies of the environment are for browsers; mail does not go there.
func TestProxiesAreIgnored(t *testing.T) {
	t.Parallel()
	proxy := smtptest.StartScripted(t, smtptest.Script{})
	provider := smtptest.Start(t, plain)
	d := prepare(t)
	for _, name := range []string{"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"} {
		for _, name := range []string{name, strings.ToLower(name)} {
			d.Env = append(d.Env, name+"=socks5://"+proxy.Address())
		}
	}
	d.Env = append(d.Env, "NO_PROXY=", "no_proxy=")
	d.Start()
	d.deliverTo(provider)
	d.awaitState(d.send(letter("direct", 0, "a@example.net")), sent)
	// Loopback is excepted from proxies everywhere; this one is not.
	answer, err := d.TestConnection(d.ctx(), &postilionv1.TestConnectionRequest{
		Target: &postilionv1.TestConnectionRequest_Draft{Draft: &postilionv1.Connection{Transport: &postilionv1.Connection_Smtp{
			Smtp: &postilionv1.SmtpSettings{Host: "192.0.2.1", Port: 587},
		}}},
		Timeout: durationpb.New(time.Second),
	})
	if err != nil || answer.GetOk() {
		t.Errorf("a server that does not exist gives %v, %v", answer, err)
	}
	if n := proxy.Connections(); n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}
