package server

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// isolated has a connection run in a process of its own.
func isolated(c *postilionv1.Connection) *postilionv1.Connection {
	c.Isolation = postilionv1.Isolation_ISOLATION_PROCESS
	return c
}

// process gives the last process of a connection, whose name in the log this
// is.
func (r *rig) process(name string) int {
	r.t.Helper()
	pid := 0
	await(r.t, "there is a process of "+name, func() bool {
		all := regexp.MustCompile(`msg="a plugin is ready" plugin=`+name+` pid=(\d+)`).FindAllStringSubmatch(r.log.String(), -1)
		if len(all) == 0 {
			return false
		}
		pid, _ = strconv.Atoi(all[len(all)-1][1])
		return true
	})
	return pid
}

// Built-in transports deliver from a process of their own as they do from the
// daemon's, and the process ends with the connection.
func TestIsolation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	server := smtptest.Start(t, smtptest.Account("shop", "s3cret-password"))
	c := isolated(connection("provider", server))
	smtp := c.GetSmtp()
	smtp.Security, smtp.Authentication = postilionv1.Security_SECURITY_STARTTLS, postilionv1.Authentication_AUTHENTICATION_AUTO
	smtp.Host, smtp.Username, smtp.Password = "localhost", "shop", proto.String("s3cret-password")
	smtp.CaCertificates = []byte(server.CA().PEM())
	configure(t, r.admin, c)
	configure(t, r.admin, isolated(&postilionv1.Connection{Name: "kept", Transport: captureSettings()}))
	r.awaitState(r.sendThrough("provider"), sent)
	r.awaitState(r.sendThrough("kept"), sent)

	pid := r.process("admin/provider")
	for _, file := range []string{"cmdline", "environ"} {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "s3cret-password") || strings.Contains(string(content), "localhost") {
			t.Errorf("the settings are in %s", file)
		}
	}
	test, err := r.admin.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Name{Name: "provider"}})
	if err != nil || !test.GetOk() {
		t.Errorf("the test gives %v, %v", test, err)
	}
	if _, err := r.admin.DeleteConnection(r.ctx(), &postilionv1.DeleteConnectionRequest{Name: "provider"}); err != nil {
		t.Fatal(err)
	}
	await(t, "the process has ended", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}

// A daemon that has no directory for processes works without them.
func TestNoPlaceForProcesses(t *testing.T) {
	t.Parallel()
	r := preparedRig(t)
	sum := sha256.Sum256([]byte(r.cfg.DataDir))
	last := filepath.Join(os.TempDir(), fmt.Sprintf("postilion-%d-%x", os.Geteuid(), sum[:4]))
	t.Cleanup(func() { _ = os.Remove(last) })
	for _, dir := range []string{filepath.Join(r.cfg.RunDir, "plugins"), filepath.Join(r.cfg.DataDir, "plugins-run"), last} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(dir), 0o700), os.WriteFile(dir, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	contains(t, r.log.String(), "is no directory")
	configure(t, r.admin, &postilionv1.Connection{Name: "here", Transport: captureSettings()})
	configure(t, r.admin, isolated(&postilionv1.Connection{Name: "there", Transport: captureSettings()}))
	r.awaitState(r.sendThrough("here"), sent)
	m := r.awaitState(r.sendThrough("there"), postilionv1.MessageState_MESSAGE_STATE_DEFERRED)
	contains(t, m.String(), "set run_dir")
}

// The guard holds in a process of its own, for deliveries and for tests.
func TestTheGuardOfAnIsolatedConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	server := smtptest.Start(t, plain)
	site := r.dial(r.addr.GRPC, r.client("site", allScopes...))
	inside := isolated(connection("inside", server))
	configure(t, site, inside)
	req := letter("a@example.net")
	req.Connection = "inside"
	res, err := site.Send(r.ctx(), req)
	if err != nil {
		t.Fatal(err)
	}
	m := r.awaitState(res.GetId(), postilionv1.MessageState_MESSAGE_STATE_DEFERRED)
	contains(t, m.String(), "may not be reached")
	test, err := site.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Name{Name: "inside"}})
	if err != nil || test.GetOk() || !strings.Contains(test.String(), "may not be reached") {
		t.Errorf("the test gives %v, %v", test, err)
	}
	if server.Count() != 0 {
		t.Error("the server got mail")
	}
	if r.process("site/inside") == os.Getpid() {
		t.Error("it was no process of its own")
	}
}

// The end of a connection's process counts as what it may have done: before
// the point of no return nothing, after it anything.
func TestTheEndOfAnIsolatedConnection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at    string
		class postilionv1.OutcomeClass
	}{
		{"MAIL", postilionv1.OutcomeClass_OUTCOME_CLASS_TEMPORARY},
		{"CONTENT", postilionv1.OutcomeClass_OUTCOME_CLASS_UNKNOWN},
	} {
		t.Run(c.at, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			reached := make(chan struct{}, 1)
			server := smtptest.StartScripted(t, smtptest.Script{Rules: []smtptest.Rule{{
				On: c.at, Connection: 1, Do: func(p *smtptest.Peer) bool {
					reached <- struct{}{}
					return smtptest.Silence()(p)
				},
			}}})
			configure(t, r.admin, isolated(&postilionv1.Connection{Name: "box", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
				Host: "127.0.0.1", Port: uint32(server.Port()), Security: postilionv1.Security_SECURITY_NONE,
			}}}))
			id := r.sendThrough("box")
			<-reached
			pid := r.process("admin/box")
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			m := r.awaitState(id, postilionv1.MessageState_MESSAGE_STATE_DEFERRED)
			if got := m.GetAttempts()[0].GetOutcome(); got.GetClass() != c.class {
				t.Errorf("it counts as %v", got)
			}
			// The next one finds another process.
			r.awaitState(r.sendThrough("box"), sent)
			if r.process("admin/box") == pid {
				t.Error("it was sent by a process that has ended")
			}
		})
	}
}
