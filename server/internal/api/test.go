package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/mail/compose"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/plugin"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/auth"
	"github.com/postilion-mail/postilion/server/internal/convert"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// maxTest is how long a test may take.
const maxTest = 30 * time.Second

// TestConnection implements postilion.v1.MailerService.
func (a *API) TestConnection(ctx context.Context, req *postilionv1.TestConnectionRequest) (*postilionv1.TestConnectionResponse, error) {
	timeout, err := convert.Duration(req.GetTimeout(), "timeout")
	if err != nil {
		return nil, err
	}
	if timeout == 0 || timeout > maxTest {
		timeout = maxTest
	}
	c, secrets, err := a.target(ctx, req)
	if err != nil {
		return nil, err
	}
	check, err := a.checkRequest(req, &c)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if id := auth.From(ctx); !id.Admin() {
		if wait := a.tests.take(id.Client, start); wait > 0 {
			return nil, tooManyTests(wait)
		}
	}
	ctx, end := a.untilStop(ctx)
	defer end()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	instance, err := a.open(ctx, &c, secrets)
	if err != nil {
		return nil, err
	}
	defer instance.Close()
	known := diagnose.ContextOf(c.Settings)
	known.Sender, known.ContentLimit = c.Sender.FromAddress, a.Limits.ContentBytes
	report, err := diagnose.Test(ctx, instance, check, known)
	if context.Cause(ctx) == errStopping {
		return nil, errStopping // says nothing about the connection
	}
	if err != nil {
		return nil, err
	}
	out := &postilionv1.TestConnectionResponse{
		Ok: report.Failed == nil, Stages: convert.Stages(report.Stages), Warnings: append(warnings(&c), report.Warnings...),
	}
	if report.Failed != nil {
		out.Diagnosis = convert.Diagnosis(*report.Diagnosis)
		if !req.GetSkipProposals() {
			out.Proposals = a.propose(ctx, &c, secrets, *report.Failed)
		}
	}
	if out.Ok && req.GetCheckDomain() {
		out.Domain = a.senderDomain(ctx, &c, check.Sender)
	}
	out.Duration = durationpb.New(time.Since(start))
	return out, nil
}

// target gives the connection to test, with its secrets. A draft that has the
// name of a stored connection may use that one's secrets under Configure's
// rule.
func (a *API) target(ctx context.Context, req *postilionv1.TestConnectionRequest) (registry.Connection, registry.Secrets, error) {
	id := auth.From(ctx)
	switch t := req.GetTarget().(type) {
	case *postilionv1.TestConnectionRequest_Name:
		seen, err := a.Registry.Get(id.Client, t.Name)
		if err != nil {
			return registry.Connection{}, nil, err
		}
		c, ok := a.Registry.Connection(seen.ID)
		if !ok || c.Owner != id.Client && !id.Admin() {
			return registry.Connection{}, nil, fault.NotFound("connection", t.Name)
		}
		secrets, err := a.Registry.Secrets(ctx, c.ID)
		return c, secrets, err
	case *postilionv1.TestConnectionRequest_Draft:
		draft, err := convert.Fill(t.Draft)
		if err != nil {
			return registry.Connection{}, nil, err
		}
		wanted, given, err := convert.Connection(draft)
		if err != nil {
			return registry.Connection{}, nil, err
		}
		if wanted.Name == "" {
			wanted.Name = a.unusedName(id.Client)
		}
		if err := intake.CheckPolicy(&wanted.Sender); err != nil {
			return registry.Connection{}, nil, err
		}
		return a.Registry.Draft(registry.Change{Client: id.Client, Admin: id.Admin(), Connection: wanted, Secrets: given})
	}
	return registry.Connection{}, nil, fault.Invalid("name", "is missing", "give the name of a connection, or a draft")
}

// unusedName is for a draft without name, which must not pass for a stored
// connection.
func (a *API) unusedName(client string) string {
	for name, i := "draft", 2; ; i++ {
		if _, err := a.Registry.Get(client, name); err != nil {
			return name
		}
		name = fmt.Sprintf("draft-%d", i)
	}
}

// checkRequest fills in sender and recipient.
func (a *API) checkRequest(req *postilionv1.TestConnectionRequest, c *registry.Connection) (plugin.CheckRequest, error) {
	out := plugin.CheckRequest{Sender: req.GetSender(), Recipient: req.GetRecipient()}
	if out.Sender == "" {
		out.Sender = a.testSender(c)
	}
	if req.GetSendTo() != "" {
		out.Recipient = req.GetSendTo()
	}
	for _, one := range []struct {
		field   string
		address *string
	}{{"sender", &out.Sender}, {"recipient", &out.Recipient}} {
		if *one.address == "" {
			continue
		}
		path, err := mail.ParsePath(*one.address)
		if err != nil {
			field := one.field
			if field == "recipient" && req.GetSendTo() != "" {
				field = "send_to"
			}
			return out, fault.Invalid(field, "is not a mail address: "+reason(err), "correct it")
		}
		*one.address = path.String()
	}
	if req.GetSendTo() != "" {
		var err error
		if out.Message, err = a.testMail(c, out.Sender, out.Recipient); err != nil {
			return out, err
		}
	}
	return out, nil
}

func reason(err error) string {
	if as := (*mail.FieldError)(nil); errors.As(err, &as) {
		return as.Reason
	}
	return err.Error()
}

// testSender is the envelope sender that mail would have: the policy's, or the
// login if it is an address.
func (a *API) testSender(c *registry.Connection) string {
	if c.Sender.EnvelopeFrom != "" {
		return c.Sender.EnvelopeFrom
	}
	if c.Sender.FromAddress != "" {
		return c.Sender.FromAddress
	}
	if user, _ := c.Settings["username"].(string); user != "" {
		if path, err := mail.ParsePath(user); err == nil {
			return path.String()
		}
	}
	return "postilion@" + a.Domain
}

// testMail composes the mail that a test sends.
func (a *API) testMail(c *registry.Connection, sender, recipient string) (*plugin.Delivery, error) {
	id := uuid.Must(uuid.NewV7())
	now := time.Now()
	content, err := compose.Compose(&mail.Message{
		From:    mail.Address{Addr: sender, Name: c.Sender.FromName},
		To:      []mail.Address{{Addr: recipient}},
		Subject: fmt.Sprintf("Test of the connection %q", c.Name),
		Text: fmt.Sprintf("This is a test mail of Postilion.\r\n\r\nIt left %s at %s through the connection %q.\r\nThat you can read it means that the connection works.\r\n",
			a.Domain, now.UTC().Format(time.RFC1123), c.Name),
	}, compose.Options{Now: now, Domain: a.Domain, ID: id.String()})
	if err != nil {
		return nil, err
	}
	overlay, err := (&mail.Policy{}).Apply(content.Identity)
	if err != nil {
		return nil, err
	}
	whole := append(bytes.Clone(overlay.Header), content.Bytes...)
	return &plugin.Delivery{
		ID: id.String(), Attempt: 1,
		Envelope: plugin.Envelope{From: sender, Recipients: []plugin.Recipient{{Address: recipient}}},
		Content:  bytes.NewReader(whole), Size: int64(len(whole)),
		EightBit: content.EightBit || overlay.UTF8, UTF8Headers: content.UTF8Headers || overlay.UTF8,
	}, nil
}
