package sendmail

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/maildrop"
)

// submit hands a message over. It returns nil only if the message is on stable
// storage, with the daemon or in the maildrop, and says where.
func (a *agent) submit(d *maildrop.Drop) (string, error) {
	id, err := a.send(d)
	if r := (*rejection)(nil); d.Author != "" && errors.As(err, &r) && r.reason == mail.CodeSenderRequired {
		d.Content, d.Author = d.WithAuthor(), ""
		id, err = a.send(d)
	}
	if err == nil {
		return "accepted as " + id, nil
	}
	if final := refusal(err); final != nil {
		return "", final
	}
	// Not there, not able now, or the answer was lost: the key makes it safe
	// to leave the message in the maildrop as well.
	if e := maildrop.Write(a.config.maildrop, d, a.config.token); e != nil {
		text := fmt.Sprintf("not accepted: the daemon cannot take it (%v), and neither can the maildrop (%v)", err, e)
		return "", &failure{exit: unstored(e), text: text, later: true}
	}
	return "left in the maildrop, since the daemon cannot take it now: " + err.Error(), nil
}

// unstored is the exit code for a maildrop that could not be written: a
// missing or closed one is a matter of the installation.
func unstored(err error) int {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return exitConfig
	}
	return exitUnavailable
}

// refusal gives the error with which the command ends if the daemon does not
// want the message, and nil if it may want it later.
func refusal(err error) error {
	r := (*rejection)(nil)
	if !errors.As(err, &r) {
		return nil
	}
	exit := exitSoftware
	switch r.code {
	case "invalid_argument", "out_of_range":
		exit = exitData
	case "resource_exhausted":
		if !strings.HasSuffix(r.reason, mail.CodeTooLarge) {
			return nil
		}
		exit = exitData
	case "unauthenticated", "permission_denied":
		exit = exitPermission
	case "failed_precondition":
		exit = exitUnavailable
	case "not_found":
		exit = exitConfig
	case "already_exists":
	default:
		return nil
	}
	switch r.reason {
	case mail.CodeSenderNotAllowed, mail.CodeSignedContent:
		exit = exitUnavailable
	}
	return failf(exit, "%s", r.message)
}

// The request of MailerService.Send, but for the content.
type envelope struct {
	From       *string     `json:"from,omitempty"`
	Recipients []recipient `json:"recipients"`
	EnvelopeID string      `json:"envelopeId,omitempty"`
	Return     string      `json:"return,omitempty"`
}

type recipient struct {
	Address string   `json:"address"`
	Notify  []string `json:"notify,omitempty"`
}

// send calls the daemon and gives the message's id.
func (a *agent) send(d *maildrop.Drop) (string, error) {
	e := envelope{From: d.From, EnvelopeID: d.EnvelopeID}
	switch d.Return {
	case "FULL":
		e.Return = "DSN_RETURN_FULL"
	case "HDRS":
		e.Return = "DSN_RETURN_HEADERS"
	}
	var notify []string
	for word := range strings.SplitSeq(d.Notify, ",") {
		if word != "" {
			notify = append(notify, "DSN_NOTIFY_"+word)
		}
	}
	for _, address := range d.Recipients {
		e.Recipients = append(e.Recipients, recipient{address, notify})
	}
	env, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	head := `{"idempotencyKey":"` + d.Key + `"`
	if d.NotifySender {
		head += `,"notifySender":true`
	}
	head += `,"raw":{"envelope":` + string(env) + `,"content":"`
	const tail = `"}}`

	size := len(head) + base64.StdEncoding.EncodedLen(len(d.Content)) + len(tail)
	var answer struct{ ID string }
	err = a.client().post("MailerService/Send", int64(size), func(w io.Writer) error {
		io.WriteString(w, head) // w keeps its error until it is flushed
		content := base64.NewEncoder(base64.StdEncoding, w)
		if _, err := content.Write(d.Content); err != nil {
			return err
		}
		content.Close()
		_, err := io.WriteString(w, tail)
		return err
	}, &answer)
	if err == nil && answer.ID == "" {
		err = errors.New("the daemon's answer has no id")
	}
	return answer.ID, err
}

func (a *agent) client() *client {
	return &client{socket: a.config.socket, token: a.config.token, timeout: a.config.timeout}
}
