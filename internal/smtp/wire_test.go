package smtp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/plugin"
)

// What goes over the wire for two messages on one session.
func TestWire(t *testing.T) {
	t.Parallel()
	const envelope = "MAIL FROM:<from@a.example>%s\r\nRCPT TO:<a@b.example>\r\n"
	mail := func(parameters string) string { return fmt.Sprintf(envelope, parameters) }
	size := fmt.Sprintf(" SIZE=%d", len(shortContent))
	bdat := fmt.Sprintf("BDAT %d LAST\r\n%s", len(shortContent), shortContent)
	data := "DATA\r\n" + strings.Replace(shortContent, "\r\n.dot", "\r\n..dot", 1) + ".\r\n"
	for name, test := range map[string]struct {
		capabilities []string
		want         string
	}{
		"chunking": {everything(), mail(size) + "BDAT 0\r\n" + bdat + mail(size) + bdat},
		"data":     {[]string{"PIPELINING"}, mail("") + data + mail("") + data},
		"stepwise": {nil, mail("") + data + mail("") + data},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := smtptest.StartScripted(t, smtptest.Script{Capabilities: test.capabilities})
			i := plainly(server).open(t)
			for range 2 {
				send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
			}
			if err := i.Close(); err != nil {
				t.Error(err)
			}
			if got, want := server.Received(), "EHLO client.example\r\n"+test.want+"QUIT\r\n"; got != want {
				t.Errorf("wire\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// A warm session with CHUNKING needs one round trip for a message: the server
// answers nothing before it has all of it.
func TestOneRoundTrip(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{Capabilities: everything(), Rules: []smtptest.Rule{
		{On: "MAIL FROM:<second", Do: smtptest.Accept()},
		{On: "RCPT TO:<second", Do: smtptest.Accept()},
		{On: "CONTENT", Nth: 2, Do: smtptest.Reply("250 2.1.0 ok", "250 2.1.5 ok", "250 2.0.0 taken")},
	}})
	i := plainly(server).open(t)
	send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
	d := delivery(shortContent, "second@b.example")
	d.Envelope.From = "second@a.example"
	send(t, i, d).expect(t, "accepted")
}

func TestParameters(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Account("user", testPassword))
	i := against(server).open(t)
	d := delivery("Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\n", "a@b.example", "jos\xc3\xa9@b\xc3\xbccher.example", "c@xn--bcher-kva.example")
	d.UTF8Headers = true
	d.Envelope.EnvelopeID, d.Envelope.Return = "a+b=c d", "HDRS"
	d.Envelope.Recipients[0].Notify = "SUCCESS,FAILURE"
	d.Envelope.Recipients[1].Notify = "NEVER"
	d.Envelope.Recipients[2].Notify = "ALWAYS" // not in RFC 3461
	send(t, i, d).expect(t, "accepted accepted accepted")
	m := server.Messages(1)[0]
	if !m.UTF8 || m.Body != "8BITMIME" || m.Size != d.Size || m.EnvelopeID != "a+b=c d" || m.Return != "HDRS" {
		t.Errorf("message %+v", m)
	}
	if got, want := fmt.Sprint(m.To, m.Notify), "[a@b.example jos\xc3\xa9@xn--bcher-kva.example c@xn--bcher-kva.example] [[SUCCESS FAILURE] [NEVER] []]"; got != want {
		t.Errorf("recipients %s, want %s", got, want)
	}

	plain := delivery(shortContent, "a@b\xc3\xbccher.example") // the domain alone needs no SMTPUTF8
	send(t, i, plain).expect(t, "accepted")
	if m := server.Messages(2)[1]; m.UTF8 || m.Body != "" || m.To[0] != "a@xn--bcher-kva.example" {
		t.Errorf("message %+v", m)
	}
}

// T51: a message over the server's SIZE is refused here.
func TestSizeLimit(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{Capabilities: []string{"SIZE 1000"}})
	i := plainly(server).open(t)
	r := send(t, i, delivery(bigContent(2000), "a@b.example"))
	r.expect(t, "permanent/content")
	if o := r.outcomes[0]; !o.Inferred || !strings.Contains(o.Reply, "2000") || !strings.Contains(o.Reply, "1000") {
		t.Errorf("outcome %+v", o)
	}
	send(t, i, delivery(bigContent(1000), "a@b.example")).expect(t, "accepted")
	if wire := server.Received(); strings.Count(wire, "MAIL") != 1 {
		t.Errorf("wire %q", wire)
	}
}

// T52, T96: a server that takes less than the message needs.
func TestSevenBitServer(t *testing.T) {
	t.Parallel()
	const eightBit = "Subject: x\r\n\r\n\xc3\xbc\r\n"
	convert := func(content []byte) ([]byte, error) {
		return []byte(strings.ReplaceAll(string(content), "\xc3\xbc", "=C3=BC")), nil
	}
	for name, test := range map[string]struct {
		capabilities []string
		sevenBit     SevenBit
		change       func(*plugin.Delivery)
		want         string
		content      string
	}{
		"converted":            {nil, convert, nil, "accepted", "Subject: x\r\n\r\n=C3=BC\r\n"},
		"8BITMIME":             {[]string{"8BITMIME"}, convert, nil, "accepted", eightBit},
		"no converter":         {nil, nil, nil, "permanent/content", ""},
		"converter fails":      {nil, func([]byte) ([]byte, error) { return nil, errors.New("no") }, nil, "permanent/content", ""},
		"signed":               {nil, convert, func(d *plugin.Delivery) { d.Signed = true }, "permanent/content", ""},
		"header":               {[]string{"8BITMIME"}, convert, func(d *plugin.Delivery) { d.UTF8Headers = true }, "accepted", "Subject: x\r\n\r\n=C3=BC\r\n"},
		"header and SMTPUTF8":  {[]string{"8BITMIME", "SMTPUTF8"}, convert, func(d *plugin.Delivery) { d.UTF8Headers = true }, "accepted", eightBit},
		"sender needs UTF-8":   {[]string{"8BITMIME"}, convert, func(d *plugin.Delivery) { d.Envelope.From = "\xc3\xbc@a.example" }, "permanent/sender", ""},
		"one needs UTF-8":      {[]string{"8BITMIME"}, convert, func(d *plugin.Delivery) { addRecipient(d, "\xc3\xbc@a.example") }, "accepted permanent/recipient", eightBit},
		"none else but UTF-8":  {[]string{"8BITMIME"}, convert, func(d *plugin.Delivery) { d.Envelope.Recipients[0].Address = "\xc3\xbc@a.example" }, "permanent/recipient", ""},
		"IDN needs nothing":    {[]string{"8BITMIME"}, convert, func(d *plugin.Delivery) { d.Envelope.Recipients[0].Address = "a@b\xc3\xbccher.example" }, "accepted", eightBit},
		"malformed IDN":        {[]string{"8BITMIME"}, convert, func(d *plugin.Delivery) { addRecipient(d, "a@b\u0378c.example") }, "accepted permanent/recipient", eightBit},
		"command in recipient": {[]string{"8BITMIME"}, convert, func(d *plugin.Delivery) { addRecipient(d, "a@b>\r\nRSET\r\n<.example") }, "accepted permanent/recipient", eightBit},
		"command in sender":    {[]string{"8BITMIME"}, convert, func(d *plugin.Delivery) { d.Envelope.From = "a\r\nRSET@b.example" }, "permanent/sender", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := smtptest.StartScripted(t, smtptest.Script{Capabilities: test.capabilities})
			s := plainly(server)
			s.options.SevenBit = test.sevenBit
			d := delivery(eightBit, "a@b.example")
			if test.change != nil {
				test.change(d)
			}
			send(t, s.open(t), d).expect(t, test.want)
			if got := strings.Join(server.Contents(), "|"); got != test.content {
				t.Errorf("content %q, want %q", got, test.content)
			}
			if wire := server.Received(); strings.Contains(wire, "RSET") {
				t.Errorf("wire %q", wire)
			}
		})
	}
}

func addRecipient(d *plugin.Delivery, address string) {
	d.Envelope.Recipients = append(d.Envelope.Recipients, plugin.Recipient{Address: address})
}

// What a server announces and does not have is found out once.
func TestFallbacks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule smtptest.Rule
		lost string // what must be said once only
	}{
		"empty BDAT refused": {smtptest.Rule{On: "BDAT 0", Do: smtptest.Reply("551 5.7.1 Null BDAT request")}, "BDAT 0\r\n"},
		"BDAT unknown":       {smtptest.Rule{On: "BDAT", Do: smtptest.Reply("502 5.5.1 what?")}, "BDAT"},
		"SMTPUTF8 refused":   {smtptest.Rule{On: "MAIL FROM:<from@a.example> SIZE=25 BODY=8BITMIME SMTPUTF8", Do: smtptest.Reply("502 5.3.3 Command not implemented")}, "SMTPUTF8"},
		"8BITMIME refused":   {smtptest.Rule{On: "MAIL FROM:<from@a.example> SIZE=25 BODY=8BITMIME", Do: smtptest.Reply("501 syntax")}, "BODY"},
		"parameters refused": {smtptest.Rule{On: "MAIL FROM:<from@a.example> ", Do: smtptest.Reply("555 5.5.4 parameters")}, "BODY"},
	} {
		for _, pipelining := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, pipelining %v", name, pipelining), func(t *testing.T) {
				t.Parallel()
				capabilities := everything()
				if !pipelining {
					capabilities = without(capabilities, "PIPELINING")
				}
				server := smtptest.StartScripted(t, smtptest.Script{Capabilities: capabilities, Rules: []smtptest.Rule{test.rule}})
				s := plainly(server)
				s.options.SevenBit = func(content []byte) ([]byte, error) {
					return []byte(strings.ReplaceAll(string(content), "\xc3\xbc", "ue")), nil
				}
				i := s.open(t)
				for range 3 {
					d := delivery("Subject: \xc3\xbc\r\n\r\n12345678\r\n", "a@b.example")
					d.UTF8Headers = test.lost == "SMTPUTF8"
					r := send(t, i, d)
					r.expect(t, "accepted")
					if r.commits != 1 {
						t.Errorf("%d commits", r.commits)
					}
				}
				if n := strings.Count(server.Received(), test.lost); n != 1 {
					t.Errorf("%s was said %d times:\n%s", test.lost, n, server.Received())
				}
				if n := len(server.Contents()); n != 3 || server.Connections() != 1 {
					t.Errorf("%d messages over %d connections", n, server.Connections())
				}
			})
		}
	}
}

// A sender that the server finds malformed says nothing about parameters.
func TestSenderIsNoParameter(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{
		Capabilities: everything(),
		Rules:        []smtptest.Rule{{On: "MAIL", Do: smtptest.Reply("501 5.1.7 bad sender address syntax")}},
	})
	i := plainly(server).open(t)
	send(t, i, delivery(shortContent, "a@b.example")).expect(t, "permanent/sender")
	if n := strings.Count(server.Received(), "MAIL"); n != 1 || i.learned.lacks.Load() != 0 {
		t.Errorf("%d MAIL, learned %b", n, i.learned.lacks.Load())
	}
}

// A server that forgets BDAT between two messages must not take the content for
// commands more than once, and the message still arrives.
func TestChunkingVanishes(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{
		Capabilities: everything(),
		Rules:        []smtptest.Rule{{On: "BDAT", Nth: 3, Do: smtptest.Reply("500 5.5.2 unknown command")}},
	})
	i := plainly(server).open(t)
	for range 3 {
		send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
	}
	if n := len(server.Contents()); n != 3 || server.Connections() != 2 || !strings.Contains(server.Received(), "DATA\r\n") {
		t.Errorf("%d messages over %d connections", n, server.Connections())
	}
}

// A refused BDAT leaves the transaction in doubt, so RSET comes before the next.
func TestResetAfterRefusedChunk(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{
		Capabilities: everything(),
		Rules:        []smtptest.Rule{{On: "CONTENT", Nth: 1, Do: smtptest.Reply("550 5.7.1 spam")}},
	})
	i := plainly(server).open(t)
	send(t, i, delivery(shortContent, "a@b.example")).expect(t, "permanent/content")
	send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
	if wire := server.Received(); strings.Count(wire, "RSET\r\nMAIL") != 1 || server.Connections() != 1 {
		t.Errorf("wire %q over %d connections", wire, server.Connections())
	}
}

// A message of which the server refuses an early chunk is never sent to its end.
func TestEarlyChunkRefused(t *testing.T) {
	t.Parallel()
	for _, chunks := range []int{2, 4} {
		for _, capabilities := range [][]string{everything(), without(everything(), "PIPELINING")} {
			server := smtptest.StartScripted(t, smtptest.Script{
				Capabilities: capabilities,
				Rules:        []smtptest.Rule{{On: "BDAT 1048576", Nth: 1, Do: smtptest.Reply("552 5.3.4 too big")}},
			})
			i := plainly(server).open(t)
			r := send(t, i, delivery(bigContent(chunks*chunkSize-9), "a@b.example"))
			r.expect(t, "permanent/content")
			if r.commits != 0 || strings.Contains(server.Received(), "LAST") {
				t.Errorf("%d chunks: %d commits", chunks, r.commits)
			}
			send(t, i, delivery(shortContent, "a@b.example")).expect(t, "accepted")
			if n := server.Connections(); n != 1 {
				t.Errorf("%d connections", n)
			}
		}
	}
}

// T53: lines of any length pass as they are; RFC 5321's 998 octets are the
// composer's business.
func TestLongLines(t *testing.T) {
	t.Parallel()
	server := smtptest.StartScripted(t, smtptest.Script{})
	i := plainly(server).open(t)
	content := "Subject: x\r\n\r\n" + strings.Repeat("y", 1_000_000) + "\r\n"
	send(t, i, delivery(content, "a@b.example")).expect(t, "accepted")
	checkContent(t, server.Contents()[0], content)
}

func TestSmuggling(t *testing.T) {
	t.Parallel()
	// Content is canonical by contract. If it were not, no line that might be
	// taken for the end of the message may go out by DATA as it is.
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\n.\r", "\r.\n", "\r\n.\r\r\n", "\r\r\n.\r\r\n"} {
		server := smtptest.StartScripted(t, smtptest.Script{})
		i := plainly(server).open(t)
		send(t, i, delivery("Subject: x\r\n\r\na"+end+"MAIL FROM:<evil@a.example>\r\n", "a@b.example")).expect(t, "accepted")
		if wire := server.Received(); strings.Contains(wire, "a"+end) {
			t.Errorf("the sequence %q went out as it is", end)
		}
	}
}
