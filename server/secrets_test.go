package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/maildrop"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/secret"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/metrics"
)

// call makes a request of the HTTP face with headers of its own.
func (r *rig) call(path string, body []byte, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.ctx(), http.MethodPost, "http://"+r.addr.HTTP+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res.StatusCode, all}
}

// A compressed body counts as what it becomes.
func TestACompressedBodyIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *config.Config) { c.MaxMessageSize = 64 << 10 })
	pack := func(b []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		if _, err := z.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	header := []string{"Content-Type", "application/json", "Content-Encoding", "gzip", "Authorization", "Bearer " + r.adminToken()}
	bomb := pack([]byte(`{"raw":{"content":"` + strings.Repeat("A", 8<<20) + `"}}`))
	got := r.call("/postilion.v1.MailerService/Send", bomb, header...)
	if got.code() != "resource_exhausted" || !bytes.Contains(got.body, []byte("message_too_large")) {
		t.Errorf("%d octets that become 8 MiB give %d %.300s", len(bomb), got.status, got.body)
	}
	if got := r.call("/postilion.v1.MessageService/ListMessages", pack([]byte("{}")), header...); got.code() != "ok" {
		t.Errorf("a small one gives %s", got.body)
	}
}

// A run at debug level with good and bad fortune: no secret and no text of a
// message is in the log, in the metrics or in an error; and whatever a server
// or a caller says, an entry of the log is one line of printable text.
func TestNoSecretsAndNoControlsInTheLog(t *testing.T) {
	t.Parallel()
	const (
		right, wrong = "canary-right-password", "canary-wrong-password"
		text         = "https://shop.example/reset?token=canary-reset-link"
		madeUp       = "pst_canary-made-up-token-0123456789012345678901234"
		nasty        = "\x1b[2Jcanary\rtime=forged\nlevel=ERROR"
	)
	provider := smtptest.Start(t, smtptest.Account("shop", right), func(c *smtptest.Config) {
		c.Recipient = func(address string) error {
			if strings.HasPrefix(address, "refused") {
				return smtptest.Refuse(550, [3]int{5, 1, 1}, "no \x1b[31msuch\x07 user")
			}
			return nil
		}
	})
	r := newRig(t, func(c *config.Config) { c.MetricsListen = "127.0.0.1:0" })
	var answers strings.Builder
	note := func(_ any, err error) { fmt.Fprintln(&answers, err) }
	password := wrong
	c := connection("provider", provider)
	smtp := c.GetSmtp()
	smtp.Host, smtp.Security, smtp.Authentication = "localhost", postilionv1.Security_SECURITY_STARTTLS, postilionv1.Authentication_AUTHENTICATION_AUTO
	smtp.Username, smtp.Password, smtp.CaCertificates = "shop", &password, []byte(provider.CA().PEM())
	configure(t, r.admin, c)
	token := r.client("site", allScopes...)
	body := func(to string) *postilionv1.SendRequest {
		req := letter(to)
		req.GetMessage().Text = text
		req.GetMessage().Attachments = []*postilionv1.Attachment{{Filename: "a.txt", Content: []byte(text)}}
		return req
	}
	first, err := r.admin.Send(r.ctx(), body("a@example.net"))
	if err != nil {
		t.Fatal(err)
	}
	r.awaitState(first.GetId(), postilionv1.MessageState_MESSAGE_STATE_DEFERRED)
	note(r.admin.TestConnection(r.ctx(), &postilionv1.TestConnectionRequest{Target: &postilionv1.TestConnectionRequest_Name{Name: "provider"}}))
	password = right
	configure(t, r.admin, c)
	r.awaitState(first.GetId(), sent)
	refused, err := r.admin.Send(r.ctx(), body("refused@example.net"))
	if err != nil {
		t.Fatal(err)
	}
	r.awaitState(refused.GetId(), postilionv1.MessageState_MESSAGE_STATE_FAILED)

	moved := connection("provider", provider)
	moved.GetSmtp().Host, moved.GetSmtp().Username = "evil.example", "shop"
	note(r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: moved}))
	for _, change := range []func(*postilionv1.SendRequest){
		func(s *postilionv1.SendRequest) { s.GetMessage().Subject = nasty },
		func(s *postilionv1.SendRequest) { s.GetMessage().To[0].Address = nasty },
		func(s *postilionv1.SendRequest) { s.GetMessage().From.Name = nasty },
		func(s *postilionv1.SendRequest) { s.Connection = nasty },
		func(s *postilionv1.SendRequest) {
			s.GetMessage().Headers = []*postilionv1.Header{{Name: nasty, Value: "x"}}
		},
	} {
		req := body("a@example.net")
		change(req)
		note(r.admin.Send(r.ctx(), req))
		note(r.dial(r.addr.GRPC, token).Send(r.ctx(), req))
	}
	note(r.dial(r.addr.GRPC, madeUp).Send(r.ctx(), body("a@example.net")))
	answers.Write(r.post("MailerService/Send", madeUp, body("a@example.net")).body)
	answers.Write(r.post("MailerService/Send", token, `{"message":{"text":"`+text+`","subjekt":"x"}}`).body)
	note(r.admin.GetMessage(r.ctx(), &postilionv1.GetMessageRequest{Id: nasty}))
	r.drop(&maildrop.Drop{
		Key: maildrop.NewKey(), Created: time.Now(), Recipients: []string{"nobody\x1b"}, Author: "me@example.com", Content: []byte("Subject: x\n\n" + text),
	}, "")
	metricsText := r.get("http://" + r.addr.Metrics + "/metrics")
	r.stop()

	log := r.log.String()
	for name, where := range map[string]string{"log": log, "metrics": metricsText, "answers": answers.String()} {
		if where == "" {
			t.Errorf("the %s are empty", name)
		}
		for _, canary := range []string{right, wrong, "canary-reset-link", madeUp, token, r.adminToken()} {
			if strings.Contains(where, canary) {
				t.Errorf("%q is in the %s", canary, name)
			}
		}
	}
	if !strings.Contains(log, "a call was refused") {
		t.Error("the log is not at debug level")
	}
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "time=2") || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(c rune) bool { return c < ' ' || c == 0x7f }) {
			t.Errorf("the log has the line %q", line)
		}
	}
}

func (r *rig) get(url string) string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.ctx(), http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// Whatever the umask is, nobody else reads what the daemon writes, and
// everybody reaches its public sockets. The umask is the process's, so the
// daemon runs in one of its own.
func TestModesOfFiles(t *testing.T) {
	t.Parallel()
	const variable = "POSTILION_TEST_UMASK"
	if octal := os.Getenv(variable); octal != "" {
		var mask int
		if _, err := fmt.Sscanf(octal, "%o", &mask); err != nil {
			t.Fatal(err)
		}
		syscall.Umask(mask)
		checkModes(t)
		return
	}
	for _, mask := range []string{"000", "077"} {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestModesOfFiles$", "-test.v")
		command.Env = append(os.Environ(), variable+"="+mask)
		if out, err := command.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestModesOfFiles")) {
			t.Errorf("umask %s: %v\n%s", mask, err, out)
		}
	}
}

func checkModes(t *testing.T) {
	r := newRig(t)
	big := letter("a@example.net")
	big.KeepContent = true
	big.GetMessage().Text = strings.Repeat("a line of text\n", 20000) // beside the database
	res, err := r.admin.Send(r.ctx(), big)                            // captured
	if err != nil {
		t.Fatal(err)
	}
	r.awaitState(res.GetId(), sent)
	maildropMode := fs.ModeDir | fs.ModeSticky | fs.ModeSetgid | 0o733
	known := map[string]fs.FileMode{
		r.cfg.DataDir: fs.ModeDir | 0o700, r.cfg.MaildropDir: maildropMode, r.addr.AdminSocket: fs.ModeSocket | 0o600,
	}
	seen := 0
	err = filepath.WalkDir(r.cfg.DataDir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		seen++
		want, ok := known[path]
		if got := info.Mode(); ok && got != want || !ok && got.Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, got)
		}
		return nil
	})
	if err != nil || seen < 8 {
		t.Errorf("%d files, %v", seen, err)
	}
	for path, want := range map[string]fs.FileMode{
		r.cfg.RunDir: fs.ModeDir | 0o711, r.addr.GRPCSocket: fs.ModeSocket | 0o666, r.addr.HTTPSocket: fs.ModeSocket | 0o666,
	} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// A drop on which the program fails is put aside for good, and is counted.
func TestADropThatPanicsIsPutAside(t *testing.T) {
	t.Parallel()
	db, err := database.Open(t.Context(), database.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	box, err := secret.Load(secret.Source{DataDir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	clients, err := registry.Open(t.Context(), registry.Options{Database: db, Box: box})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{registry: clients, metrics: metrics.New("test"), log: slog.New(slog.DiscardHandler)} // without an intake
	dir := filepath.Join(t.TempDir(), "m")
	if err := maildrop.Prepare(dir); err != nil {
		t.Fatal(err)
	}
	drop := &maildrop.Drop{Key: maildrop.NewKey(), Created: time.Now(), Recipients: []string{"a@b.example"}, Content: []byte("x")}
	if err := maildrop.Write(dir, drop, ""); err != nil {
		t.Fatal(err)
	}
	pickup, err := maildrop.New(maildrop.Options{
		Dir: dir, Submit: d.submit, Refused: func(context.Context, uint32, *maildrop.Drop, error) error { return nil },
		Log: slog.New(slog.DiscardHandler), MaxSize: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pickup.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- pickup.Run(ctx) }()
	await(t, "the drop is put aside", func() bool {
		names, err := filepath.Glob(filepath.Join(dir, "bad", drop.Key+"*"))
		return err == nil && len(names) > 0
	})
	cancel()
	<-ran
}

// A first start that fails for its key leaves nothing behind that would keep
// the next one from making a key.
func TestAFirstStartWithoutKey(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	cfg := config.Default()
	cfg.DataDir, cfg.RunDir, cfg.MaildropDir = filepath.Join(dir, "d"), filepath.Join(dir, "r"), filepath.Join(dir, "m")
	cfg.GRPCListen, cfg.HTTPListen, cfg.KeyFile = "127.0.0.1:0", "", filepath.Join(dir, "none")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := Run(ctx, &cfg, Options{Ready: func(Addresses) { cancel() }}); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("without its key the daemon ends with %v", err)
	}
	cfg.KeyFile = ""
	if err := Run(ctx, &cfg, Options{Ready: func(Addresses) { cancel() }}); err != nil || ctx.Err() == nil {
		t.Errorf("afterwards: %v", err)
	}
}
