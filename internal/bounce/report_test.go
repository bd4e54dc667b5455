package bounce

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
)

// sample is a report of a failure of some addresses.
func sample(addresses ...string) *report {
	n := &outbox.Notice{Type: outbox.NoticeFailed, Sender: "me@example.com", Accepted: start, Subject: "Hello"}
	for _, a := range addresses {
		n.Recipients = append(n.Recipients, outbox.NoticeRecipient{Address: a, State: outbox.Failed, Outcome: refused, Connection: "c", Attempts: 1, Tried: start})
	}
	return &report{notice: n, domain: "host.example.com", from: "host.example.com", now: start, host: func(string) string { return "mx.example.net" }}
}

func TestStatusCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind     outbox.NoticeType
		state    outbox.State
		enhanced string
		blame    plugin.Blame
		want     string
	}{
		{outbox.NoticeFailed, outbox.Failed, "5.7.26", plugin.BlameSender, "5.7.26"},
		{outbox.NoticeFailed, outbox.Failed, "4.2.2", plugin.BlameRecipient, "5.2.2"},
		{outbox.NoticeFailed, outbox.Failed, "2.0.0", plugin.BlameRecipient, "5.1.0"},
		{outbox.NoticeFailed, outbox.Failed, "5.1.1\r\nX: y", plugin.BlameRecipient, "5.1.0"},
		{outbox.NoticeFailed, outbox.Failed, "", plugin.BlameSender, "5.7.1"},
		{outbox.NoticeFailed, outbox.Failed, "", plugin.BlameContent, "5.6.0"},
		{outbox.NoticeFailed, outbox.Failed, "", plugin.BlameAuth, "5.7.0"},
		{outbox.NoticeFailed, outbox.Failed, "", plugin.BlameConnection, "5.3.5"},
		{outbox.NoticeFailed, outbox.Failed, "", plugin.BlameServer, "5.3.0"},
		{outbox.NoticeFailed, outbox.Failed, "", plugin.BlameNone, "5.0.0"},
		{outbox.NoticeFailed, outbox.Expired, "4.3.2", plugin.BlameServer, "4.4.7"},
		{outbox.NoticeDelayed, outbox.Deferred, "5.7.8", plugin.BlameAuth, "4.7.8"},
		{outbox.NoticeDelayed, outbox.Deferred, "", plugin.BlameNetwork, "4.4.0"},
		{outbox.NoticeDelayed, outbox.Queued, "", plugin.BlameLimit, "4.4.5"},
	} {
		r := &report{notice: &outbox.Notice{Type: test.kind}}
		got := r.code(&outbox.NoticeRecipient{State: test.state, Outcome: plugin.Outcome{Enhanced: test.enhanced, Blame: test.blame}})
		if got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestAddressTypes(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"a+b=c@example.net":    "rfc822; a+b=c@example.net",
		`"a b"@example.net`:    `rfc822; "a b"@example.net`,
		"jürgen+x@example.net": `utf-8; j\x{FC}rgen\x{2B}x@example.net`,
		"a\r\nX: y@b":          "rfc822; a X: y@b",
		"not an address":       "rfc822; not an address",
	} {
		if got := typed(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

// Nothing of what comes from outside bends the report, and it is 7-bit.
func TestHostileWords(t *testing.T) {
	t.Parallel()
	r := sample("jörg@example.net", "evil@example.net\r\nAction: delivered")
	n := r.notice
	n.Subject, n.MessageID, n.EnvelopeID = "Grüße\r\nBcc: x@example.org\x1b[31m", "<a\r\nb>", "e\r\nX-Y: z"
	n.Recipients[0].Outcome.Reply = "naïve\r\n\r\nAction: delivered\x00\xff"
	n.Recipients[1].Outcome.Reply = strings.Repeat("endless", 1000)
	r.original = []byte("Subject: naïve\xff\r\n")
	b := r.compose()
	if !isASCII(b) {
		t.Errorf("it is not 7-bit: %q", b)
	}
	d := parse(t, b)
	is(t, d.header, "Bcc", "")
	is(t, d.header, "In-Reply-To", "")
	is(t, d.message, "X-Y", "")
	is(t, d.message, "Original-Envelope-Id", "e X-Y: z")
	if len(d.recipients) != 2 {
		t.Fatalf("%d recipients", len(d.recipients))
	}
	is(t, d.recipients[0], "Final-Recipient", `utf-8; j\x{F6}rg@example.net`)
	is(t, d.recipients[0], "Diagnostic-Code", "smtp; 550 5.1.1 na?ve Action: delivered ?")
	for _, block := range d.recipients {
		if fmt.Sprint(block["Action"]) != "[failed]" {
			t.Errorf("the action is %q", block["Action"])
		}
	}
	has(t, d.text, "<jörg@example.net>", "naïve Action: delivered", "Subject:    Grüße Bcc: x@example.org [31m\r\n")
	if d.original != "Subject: naïve?\r\n" {
		t.Errorf("returned is %q", d.original)
	}
}

// Recipients that fared alike are explained once, and people are not shown a
// thousand of them.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	var addresses []string
	for i := range 1000 {
		addresses = append(addresses, fmt.Sprintf("r%d@example.net", i))
	}
	r := sample(addresses...)
	r.notice.Recipients[500].Outcome.Reply = "moved away"
	d := parse(t, r.compose())
	if len(d.recipients) != 1000 {
		t.Errorf("the status is of %d recipients", len(d.recipients))
	}
	has(t, d.text, "<r0@example.net>\r\n<r1@example.net>\r\n", "<r49@example.net>\r\nand 949 more, which the report lists\r\n", "<r500@example.net>\r\n")
	if strings.Count(d.text, "no such user") != 1 || strings.Contains(d.text, "<r50@") || d.returned != "" {
		t.Errorf("the text is\n%s", d.text)
	}
}

// What is final is never said to be tried again, whatever the diagnosis says
// to those who watch.
func TestNoFalseHope(t *testing.T) {
	t.Parallel()
	for blame := plugin.BlameNone; blame <= plugin.BlameLimit; blame++ {
		for phase := plugin.PhaseNone; phase <= plugin.PhaseQuit; phase++ {
			for _, o := range []plugin.Outcome{
				{Class: plugin.Permanent, Code: 550}, {Class: plugin.Temporary, Code: 451}, {Class: plugin.Unknown, Inferred: true},
			} {
				o.Blame, o.Phase = blame, phase
				r := sample("a@example.net")
				to := &r.notice.Recipients[0]
				if to.Outcome = o; o.Class != plugin.Permanent {
					to.State = outbox.Expired
				}
				text := r.explain(to)
				hasNot(t, text, "tried again", "Wait", "waits")
				has(t, text, "What to do: ")
			}
		}
	}
}

func TestHeaderOfTheOriginal(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("X-Line: "+strings.Repeat("y", 90)+"\n", 1000)
	got := header([]byte("Subject: x\n" + long + "\nbody"))
	if len(got) > maxHeader || len(got) < maxHeader-200 || !bytes.HasSuffix(got, []byte("yy\r\n")) {
		t.Errorf("%d octets, ending in %q", len(got), got[len(got)-10:])
	}
	for in, want := range map[string]string{
		"": "", "\r\nbody": "", "A: b\r\n c\r\n\r\nbody": "A: b\r\n c\r\n", "A: b": "A: b\r\n", "A: b\n\nbody\n": "A: b\r\n",
	} {
		if got := string(header([]byte(in))); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// FuzzReport makes reports of arbitrary words: each can be read again, has its
// recipients, and no field more.
func FuzzReport(f *testing.F) {
	f.Add("a@example.net", "Hello", "no such user", "5.1.1", "id", "Subject: x\r\n", uint8(0), uint8(1), false)
	f.Add("jörg@example.net", "Grüße\r\nX: y", "a\r\nb\x00\xff", "\r\n", "<\r\n>", "Subject: ü\r\n\xff\r\n", uint8(1), uint8(2), true)
	f.Add("\x80\r\n@", strings.Repeat("ü", 2000), strings.Repeat("\u2028", 100), "4.0.0", "", "--b\r\n", uint8(2), uint8(9), true)
	f.Fuzz(func(t *testing.T, address, subject, reply, enhanced, id, original string, kind, blame uint8, expired bool) {
		r := sample(address, "b@example.net")
		n := r.notice
		n.Type, n.Subject, n.MessageID, n.EnvelopeID = outbox.NoticeType(kind%3+1), subject, id, id
		n.Expires, n.Accepted = start.Add(time.Hour), start
		n.Recipients[0].Outcome = plugin.Outcome{Class: plugin.Temporary, Code: int(kind) * 10, Enhanced: enhanced, Reply: reply, Blame: plugin.Blame(blame)}
		if expired {
			n.Recipients[0].State = outbox.Expired
		}
		r.host = func(string) string { return id }
		r.original = header([]byte(original))
		for line := range bytes.Lines(r.original) {
			if len(line) > 900 {
				return // what was accepted has no such lines
			}
		}
		b := r.compose()
		if !isASCII(bytes.ReplaceAll(b, []byte{0x7f}, nil)) {
			t.Errorf("it is not 7-bit: %q", b)
		}
		d := parse(t, b)
		if len(d.recipients) != 2 {
			t.Errorf("%d recipients", len(d.recipients))
		}
		for _, block := range d.recipients {
			for name, values := range block {
				if len(values) != 1 {
					t.Errorf("%s: %q", name, values)
				}
			}
		}
	})
}
