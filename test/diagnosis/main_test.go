// Package diagnosis has connection tests look at real third-party servers that
// are broken on purpose, through the whole daemon, and holds what it says to
// what is wrong.
package diagnosis

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// fault is a way in which a server is broken.
type fault struct {
	name string
	smtp *postilionv1.SmtpSettings // beside what server fills in
	// sender and recipient of the test; the login and nobody@example.net by
	// default. sendTo has a mail sent.
	sender, recipient, sendTo string
	// stage is the one that is to fail; none if the test is to pass.
	stage string
	code  string // of the diagnosis, or a part of a warning if the test passes
	word  string // that a remedy, or the explanation, must have
}

// bench is a daemon and what was found out with it.
type bench struct {
	client *sdk.Client
	ca     *smtptest.CA
	mu     sync.Mutex
	rows   []string
	right  map[string]int // by server
}

// TestRealServers is the table of all.
func TestRealServers(t *testing.T) {
	programs := folder(t)
	if err := daemontest.Build(programs); err != nil {
		t.Fatal(err)
	}
	daemon := daemontest.New(t, programs, folder(t))
	daemon.Start()
	client, err := sdk.Dial(daemon.AdminSocket(), sdk.WithToken(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	ca, err := smtptest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{client: client, ca: ca, right: map[string]int{}}
	t.Run("servers", func(t *testing.T) {
		t.Run("postfix", func(t *testing.T) { t.Parallel(); b.postfix(t) })
		t.Run("exim", func(t *testing.T) { t.Parallel(); b.exim(t) })
		t.Run("opensmtpd", func(t *testing.T) { t.Parallel(); b.opensmtpd(t) })
		t.Run("dovecot", func(t *testing.T) { t.Parallel(); b.dovecot(t) })
		t.Run("no mail servers", func(t *testing.T) { t.Parallel(); b.others(t) })
	})
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, row := range b.rows {
		fmt.Fprintln(w, row)
	}
	_ = w.Flush()
	t.Logf("server, what is wrong, stage, diagnosis\n%s", &table)
	total := 0
	for _, n := range b.right {
		total += n
	}
	fmt.Printf("%d failures of real servers explained rightly: %v\n", total, b.right)
}

// try has the daemon test each of the faults, several at a time.
func (b *bench) try(t *testing.T, server string, base *postilionv1.SmtpSettings, faults []fault) {
	t.Run("faults", func(t *testing.T) {
		for _, f := range faults {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				b.one(t, server, base, &f)
			})
		}
	})
}

func (b *bench) one(t *testing.T, server string, base *postilionv1.SmtpSettings, f *fault) {
	settings := proto.CloneOf(base)
	if f.smtp != nil {
		proto.Merge(settings, f.smtp)
		if f.smtp.GetUsername() == "-" {
			settings.Username, settings.Password = "", nil
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*daemontest.Patience)
	defer cancel()
	request := &postilionv1.TestConnectionRequest{
		Target: &postilionv1.TestConnectionRequest_Draft{Draft: &postilionv1.Connection{
			Name: "draft", Transport: &postilionv1.Connection_Smtp{Smtp: settings},
		}},
		Sender: or(f.sender, base.GetUsername()), Recipient: or(f.recipient, "jane@example.net"), SendTo: f.sendTo,
		SkipProposals: true,
	}
	answer, err := b.client.Mailer.TestConnection(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	stage := "(passed)"
	for _, s := range answer.GetStages() {
		if s.GetStatus() == postilionv1.StageStatus_STAGE_STATUS_FAILED {
			stage = s.GetName()
			break
		}
	}
	d := answer.GetDiagnosis()
	b.mu.Lock()
	b.rows = append(b.rows, strings.Join([]string{server, f.name, stage, or(d.GetCode(), strings.Join(answer.GetWarnings(), "; "))}, "\t"))
	b.mu.Unlock()
	advice := d.GetTitle() + " " + d.GetExplanation() + " " + strings.Join(d.GetRemedies(), " ")
	ok := true
	if f.stage == "" {
		if stage != "(passed)" || f.code != "" && !strings.Contains(strings.Join(answer.GetWarnings(), "\n"), f.code) {
			ok = false
		}
	} else if stage != f.stage || d.GetCode() != f.code || !strings.Contains(strings.ToLower(advice), strings.ToLower(f.word)) {
		ok = false
	}
	if !ok {
		t.Errorf("want %s %s with %q, got %s %s: %s\n%v", f.stage, f.code, f.word, stage, d.GetCode(), advice, answer)
		return
	}
	b.mu.Lock()
	b.right[server]++
	b.mu.Unlock()
}

// issue writes a certificate with its key into a folder, and gives its path.
func (b *bench) issue(t *testing.T, dir, name string, is smtptest.Issue) string {
	t.Helper()
	certificate, err := b.ca.Issue(is)
	if err != nil {
		t.Fatal(err)
	}
	chain, key, err := smtptest.CertificatePEM(certificate)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name+".pem")
	write(t, path, key+chain, 0o644)
	return path
}

func folder(t testing.TB) string {
	t.Helper()
	dir, err := daemontest.Folder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
