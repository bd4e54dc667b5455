package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/postilion-mail/postilion/internal/failpoint"
	"github.com/postilion-mail/postilion/internal/intake"
	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/maildrop"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/api"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// domain is this host's name for Message-IDs and for names without a domain:
// the configured one, or the machine's if it can stand in an address.
func domain(configured string) string {
	name := configured
	if name == "" {
		name, _ = os.Hostname()
	}
	if ascii, err := mail.ParseDomain(name); err == nil {
		return ascii
	}
	return "localhost.localdomain"
}

func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// writeToken replaces the file at once, so that nobody reads half a token.
func writeToken(path, token string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(token + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("admin.token: %w", err)
	}
	return os.Rename(f.Name(), path)
}

// openMaildrop opens the way in that works while the daemon is down.
func (d *daemon) openMaildrop() error {
	if err := maildrop.Prepare(d.cfg.MaildropDir); err != nil {
		return fmt.Errorf("maildrop_dir: %w", err)
	}
	var err error
	d.pickup, err = maildrop.New(maildrop.Options{
		Dir: d.cfg.MaildropDir, Submit: d.submit, Refused: d.refusedDrop, Log: d.log,
		MaxSize: d.cfg.MaxMessageSize/3*4 + maxOverhead, // a request holds the content in base64
	})
	return err
}

// submit accepts a message of the maildrop as its owner's. What would be an
// error that the caller has to mend is final here, since there is no caller
// any more; all else is tried again. A drop that makes the program panic is
// put aside, lest it end the daemon again after each start.
func (d *daemon) submit(ctx context.Context, uid uint32, drop *maildrop.Drop) (err error) {
	if d.panics(ctx, func() { err = d.submitDrop(ctx, uid, drop) }) {
		return maildrop.Permanent(errors.New("the daemon failed on this message; its log tells more"))
	}
	return err
}

func (d *daemon) submitDrop(ctx context.Context, uid uint32, drop *maildrop.Drop) error {
	failpoint.Hit(failpoint.DropFound)
	client, err := d.dropClient(uid, drop)
	if err != nil {
		return maildrop.Permanent(err)
	}
	s, err := dropSubmission(drop)
	if err != nil {
		return maildrop.Permanent(err)
	}
	s.Client, s.Source, s.Written = client, "maildrop", drop.Created
	_, err = d.intake.Accept(ctx, s, nil)
	if as := (*mail.FieldError)(nil); errors.As(err, &as) && as.Code == mail.CodeSenderRequired && drop.Author != "" {
		s.Raw = drop.WithAuthor() // as the command does when the daemon answers so
		_, err = d.intake.Accept(ctx, s, nil)
	}
	switch status.Code(fault.From(err)) {
	case codes.OK:
		failpoint.Hit(failpoint.DropAccepted)
		return nil
	case codes.AlreadyExists:
		if drop.Request { // under a key that the application chose
			return maildrop.Permanent(err)
		}
		// The key is random, so this message was accepted under it, if in
		// another form.
		return nil
	case codes.InvalidArgument, codes.NotFound, codes.PermissionDenied, codes.FailedPrecondition:
		return maildrop.Permanent(err)
	}
	if errors.Is(err, intake.ErrTooLarge) {
		return maildrop.Permanent(err)
	}
	return err
}

// dropSubmission reads what a drop asks for.
func dropSubmission(drop *maildrop.Drop) (*intake.Submission, error) {
	if drop.Request {
		var req postilionv1.SendRequest
		if err := protojson.Unmarshal(drop.Content, &req); err != nil {
			return nil, fmt.Errorf("its content is no SendRequest in JSON: %w", err)
		}
		if req.IdempotencyKey == "" {
			req.IdempotencyKey = drop.Key
		}
		return api.Submission(&req, outbox.PriorityNormal)
	}
	s := &intake.Submission{
		Raw: drop.Content, Key: drop.Key, Priority: outbox.PriorityNormal,
		EnvelopeID: drop.EnvelopeID, Return: drop.Return, Notify: drop.NotifySender,
	}
	if drop.From != nil {
		s.From, s.FromGiven = *drop.From, true
	}
	for _, address := range drop.Recipients {
		s.Recipients = append(s.Recipients, outbox.Recipient{Address: address, Notify: drop.Notify})
	}
	return s, nil
}

// dropClient is the client of a drop: the one whose token it proves to know,
// else that of its owner.
func (d *daemon) dropClient(uid uint32, drop *maildrop.Drop) (*registry.Client, error) {
	client, ok := d.registry.ByUID(uid)
	if drop.HasProof() {
		client, ok = d.registry.Proven(drop.Proven)
	}
	if !ok || !client.Scopes.Has(registry.ScopeSend) {
		return nil, fmt.Errorf("no client that may send is bound to the Unix user %d or to its token", uid)
	}
	return client, nil
}
