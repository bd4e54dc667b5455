package server

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/config"
	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/internal/smtpd"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// smtpPort opens the port, for local mail without AUTH as a client if one is
// named.
func smtpPort(local string) func(*config.Config) {
	return func(c *config.Config) { c.SMTPListen, c.SMTPLocalClient = "127.0.0.1:0", local }
}

// shared is a connection to a test server that all clients use.
func (r *rig) shared(s *smtptest.Server) {
	r.t.Helper()
	c := connection("out", s)
	c.Shared = true
	if _, err := r.admin.Configure(r.ctx(), &postilionv1.ConfigureRequest{Connection: c, SetDefault: true}); err != nil {
		r.t.Fatal(err)
	}
}

// talk is a client of the SMTP port.
type talk struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (r *rig) talk() *talk {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr.SMTP)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &talk{r.t, conn, bufio.NewReader(conn)}
	c.want("220 mail.example.com")
	c.do("HELO app.example.com", "250")
	return c
}

// want reads a reply and gives its last line, which begins with start.
func (c *talk) want(start string) string {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%q, %v; want %s", line, err, start)
		}
		if line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, start) {
			c.t.Errorf("%q, not %s", line, start)
		}
		return strings.TrimSuffix(line, "\r\n")
	}
}

func (c *talk) do(line, start string) string {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	return c.want(start)
}

func plainAuth(user, password string) string {
	return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password))
}

// send sends a message in one transaction, and wants a reply to it.
func (c *talk) send(from, to, content, start string) string {
	c.t.Helper()
	c.do("MAIL FROM:<"+from+">", "250")
	c.do("RCPT TO:<"+to+">", "250")
	c.do("DATA", "354")
	return c.do(content+"\r\n.", start)
}

const smtpLetter = "From: Shop <shop@example.com>\r\nSubject: Hello\r\n\r\nA text.\r\n"

func TestSMTPPort(t *testing.T) {
	t.Parallel()
	sink := smtptest.Start(t, plain)
	r := newRig(t, smtpPort(""))
	r.shared(sink)
	token, other := r.client("shop", postilionv1.Scope_SCOPE_SEND), r.client("other", postilionv1.Scope_SCOPE_READ)

	c := r.talk()
	c.do("MAIL FROM:<shop@example.com>", "530 5.7.0")
	for about, login := range map[string]string{
		"no token":           plainAuth("shop", ""),
		"wrong token":        plainAuth("shop", token[:len(token)-1]+"!"),
		"another's name":     plainAuth("other", token),
		"admin's name":       plainAuth("admin", token),
		"without scope send": plainAuth("other", other),
		"unknown client":     plainAuth("nobody", token),
	} {
		t.Log(about)
		c.do(login, "535 5.7.8")
	}
	c.do(plainAuth("shop", token), "235")
	c.do("MAIL FROM:<bounce@example.com> RET=HDRS ENVID=order-1", "250")
	c.do("RCPT TO:<jane@example.net> NOTIFY=FAILURE", "250")
	c.do("RCPT TO:<John@Example.Net>", "250")
	c.do("DATA", "354")
	reply := c.do(smtpLetter+".", "250 2.0.0 Accepted as ")
	id := reply[strings.LastIndexByte(reply, ' ')+1:]
	m := r.awaitState(id, postilionv1.MessageState_MESSAGE_STATE_SENT)
	if m.GetClient() != "shop" || m.GetSource() != "smtp" {
		t.Errorf("client %q, source %q", m.GetClient(), m.GetSource())
	}
	got := sink.Messages(1)[0]
	if got.From != "bounce@example.com" || strings.Join(got.To, " ") != "jane@example.net John@example.net" ||
		got.EnvelopeID != "order-1" || got.Return != "HDRS" || fmt.Sprint(got.Notify) != "[[FAILURE] []]" {
		t.Errorf("%+v", got)
	}
	contains(t, string(got.Content), "Received: from app.example.com (client shop)\r\n\tby mail.example.com (Postilion) with SMTP;\r\n\t")
	contains(t, string(got.Content), "\r\nSubject: Hello\r\n")

	// A token that is revoked while the session goes on is of no use any more.
	list, err := r.admin.ListClients(r.ctx(), &postilionv1.ListClientsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range list.GetClients() {
		if client.GetName() != "shop" {
			continue
		}
		if _, err := r.admin.RevokeToken(r.ctx(), &postilionv1.RevokeTokenRequest{Client: "shop", TokenId: client.GetTokens()[0].GetId()}); err != nil {
			t.Fatal(err)
		}
	}
	c.send("shop@example.com", "jane@example.net", smtpLetter, "535 5.7.8")
	c.do("QUIT", "221")
	if strings.Contains(r.log.String(), token) {
		t.Error("the token is in the log")
	}
	if n := sink.Count(); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestSMTPLocalClient(t *testing.T) {
	t.Parallel()
	sink := smtptest.Start(t, plain)
	r := newRig(t, smtpPort("local"))
	r.shared(sink)
	c := r.talk()
	c.send("shop@example.com", "jane@example.net", smtpLetter, "250 2.0.0")

	// Without From the sender is the author, also of a message from a folder.
	reply := c.send("shop@example.com", "jane@example.net", "From shop Thu Nov 26 12:00:00 2026\r\nSubject: no author\r\n\r\nx", "250 2.0.0")
	r.awaitState(reply[strings.LastIndexByte(reply, ' ')+1:], postilionv1.MessageState_MESSAGE_STATE_SENT)
	both := sink.Messages(2)
	content := string(both[0].Content) + string(both[1].Content)
	contains(t, content, "From: shop@example.com\r\n")
	contains(t, content, "(client local)")
	c.send("", "jane@example.net", "Subject: no author\r\n\r\nx", "550 5.6.0")
	c.send("shop@example.com", "jane@example.net", "From: shop@example.com\r\nX-Long: "+strings.Repeat("x", 200<<10)+"\r\n\r\nx", "552 5.3.4")
}

func TestSMTPLocalClientIsChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.client("reader", postilionv1.Scope_SCOPE_READ)
	r.stop()
	for name, want := range map[string]string{
		"nobody": "there is no client \"nobody\"",
		"admin":  "administrator",
		"reader": "lacks the scope send",
		"local":  "local_users",
	} {
		cfg := r.cfg
		smtpPort(name)(&cfg)
		cfg.LocalUsers = config.LocalUsersDeny
		err := Run(t.Context(), &cfg, Options{Ready: func(Addresses) { t.Errorf("%s: ready", name) }})
		if err == nil || !strings.Contains(err.Error(), "smtp_local_client: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Exactly the limit is accepted, though a Received field comes on top.
func TestSMTPSize(t *testing.T) {
	t.Parallel()
	sink := smtptest.Start(t, plain)
	const limit = 64 << 10
	r := newRig(t, smtpPort("local"), func(c *config.Config) { c.MaxMessageSize = limit })
	r.shared(sink)
	head := "From: shop@example.com\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n\r\n"
	body := strings.Repeat(strings.Repeat("x", 62)+"\r\n", limit/64)
	c := r.talk()
	for extra, start := range []string{"250", "552 5.3.4", "250"} {
		if extra == 2 {
			extra = 0 // all is well again
		}
		text := head + body[:limit-len(head)-2+extra]
		text = strings.TrimRight(text, "\r\n")
		text += strings.Repeat("x", limit-2+extra-len(text))
		c.send("shop@example.com", "jane@example.net", text, start)
	}
	sink.Messages(2)
}

// T87 from one end to the other: whatever a client takes for the end of a
// content, one message goes out, and nothing in it ends anything.
func TestSMTPSmuggling(t *testing.T) {
	t.Parallel()
	sink := smtptest.Start(t, plain)
	r := newRig(t, smtpPort("local"))
	r.shared(sink)
	endings := []string{
		"\n.\n", "\n.\r\n", "\r.\r", "\r.\n", "\r.\r\n", "\n.\r", "\r\n.\n", "\r\n.\r", "\r\n\x00.\r\n", "\r\n.\x00\r\n",
		"\r\n.\r\r\n", "\r\r\n.\r\r\n", "\r\n.\r\x00\n",
	}
	for _, end := range endings {
		c := r.talk()
		c.send("shop@example.com", "jane@example.net", smtpLetter+end+"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nevil", "250 2.0.0")
		c.do("QUIT", "221")
	}
	for _, m := range sink.Messages(len(endings)) {
		if m.From != "shop@example.com" || len(m.To) != 1 || !strings.Contains(string(m.Content), "evil@example.com") {
			t.Errorf("%+v", m)
		}
		plain := strings.ReplaceAll(string(m.Content), "\r\n", "")
		if strings.ContainsAny(plain, "\r\n\x00") {
			t.Errorf("%q", m.Content)
		}
	}
	if n := sink.Count(); n != len(endings) {
		t.Errorf("%d messages", n)
	}
}

// A daemon that stops lets transactions end, and nothing is lost.
func TestSMTPStop(t *testing.T) {
	t.Parallel()
	sink := smtptest.Start(t, plain)
	r := newRig(t, smtpPort("local"))
	r.shared(sink)
	idle, busy := r.talk(), r.talk()
	busy.do("MAIL FROM:<shop@example.com>", "250")
	busy.do("RCPT TO:<jane@example.net>", "250")
	busy.do("DATA", "354")
	stopped := make(chan bool)
	go func() { r.stop(); close(stopped) }()
	idle.want("421 4.3.2")
	busy.do(smtpLetter+".", "250 2.0.0")
	busy.want("421 4.3.2")
	<-stopped
	r.start()
	sink.Messages(1)
}

func TestSMTPReplies(t *testing.T) {
	t.Parallel()
	d := &daemon{log: slog.New(slog.DiscardHandler)}
	for want, err := range map[string]error{
		"550 5.6.0 the message is bad":    &mail.FieldError{Field: "raw.content", Reason: "is bad"},
		"550 5.6.0 message.from: is bad":  &mail.FieldError{Field: "message.from", Reason: "is bad"},
		"550 5.7.1 no":                    &mail.FieldError{Field: "message.from", Reason: "no", Code: mail.CodeSenderNotAllowed},
		"550 5.7.1 signed":                &mail.FieldError{Field: "raw.content", Reason: "signed", Code: mail.CodeSignedContent},
		"552 5.3.4 the message is large":  &mail.FieldError{Field: "raw.content", Reason: "is large", Code: mail.CodeTooLarge},
		"554 5.5.3 many":                  &mail.FieldError{Field: "message.to", Reason: "many", Code: mail.CodeTooLarge},
		"553 5.1.3 a recipient is bad":    &mail.FieldError{Field: "raw.envelope.recipients[3].address", Reason: "is bad"},
		"553 5.1.7 the sender is bad":     &mail.FieldError{Field: "raw.envelope.from", Reason: "is bad"},
		"552 5.3.4 the message is too la": fmt.Errorf("%w: x", intake.ErrTooLarge),
		"452 4.3.1 too many octets":       intake.ErrBusy,
		"452 4.3.1 the outbox is full":    fmt.Errorf("%w: x", outbox.ErrFull),
		"451 4.3.0 the message could not": fmt.Errorf("%w: /path", outbox.ErrUnavailable),
		"451 4.3.5 none; make one":        &registry.Error{Code: registry.NotFound, Text: "none", Remedy: "make one"},
		"550 5.7.1 denied":                &registry.Error{Code: registry.Denied, Text: "denied"},
	} {
		var reply *smtpd.Reply
		if !errors.As(d.smtpReply(err), &reply) || !strings.HasPrefix(reply.Error(), want) || strings.Contains(reply.Error(), "/path") {
			t.Errorf("%v: %v, not %s", err, reply, want)
		}
	}
	strange := errors.New("strange")
	if err := d.smtpReply(strange); err != strange {
		t.Error(err)
	}
}
