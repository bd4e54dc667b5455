package intake

import (
	"mime"
	"net/url"
	"strings"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
)

// strayed says whether the message comes from somewhere else than where its
// client is: from a copy of the application, with the same credentials.
func (s *Submission) strayed() bool {
	return s.Client.Origin != "" && s.Origin != "" && place(s.Origin) != place(s.Client.Origin)
}

// place is what counts of an origin: a site that changes to https has not
// moved.
func place(origin string) string {
	u, err := url.Parse(strings.TrimSpace(origin))
	if err != nil || u.Host == "" {
		return origin
	}
	return strings.ToLower(u.Host) + strings.TrimRight(u.Path, "/")
}

// guard has a message that is not for everybody go where the client's guard
// wants it, and gives the chain of connections that it takes then.
func (in *Intake) guard(g *registry.Guard, m *outbox.Message, c *mail.Content, chain []registry.Connection) ([]registry.Connection, error) {
	if !g.Active() {
		return chain, nil
	}
	var kept []outbox.Recipient
	var barred []string
	for _, r := range m.Recipients {
		if len(g.Allowed) > 0 && either(g.Allowed, func(pattern string) bool { return matchesAddress(pattern, r.Address) }) {
			kept = append(kept, r)
		} else {
			barred = append(barred, r.Address)
		}
	}
	switch {
	case len(barred) == 0:
	case g.RedirectTo != "":
		m.Recipients = merge(kept, []string{g.RedirectTo})
		line := originalTo(barred)
		for i := range m.Chain {
			m.Chain[i].Overlay = append(line[:len(line):len(line)], m.Chain[i].Overlay...)
		}
	case g.Capture:
		if capture, ok := in.Registry.Capture(); ok {
			chain, m.Chain = []registry.Connection{capture}, nil
			_, err := in.hops(m, c, chain)
			return chain, err
		}
		m.Hold = "the client's guard wants it captured, and there is no connection that does so"
	default:
		m.Hold = "the client's guard holds mail to " + barred[0]
	}
	return chain, nil
}

// originalTo is the header field that names whom a redirected message was for.
func originalTo(addresses []string) []byte {
	words := make([]string, len(addresses))
	for i, a := range addresses {
		words[i] = mime.QEncoding.Encode("utf-8", a)
	}
	return []byte("X-Original-To: " + strings.Join(words, ",\r\n\t") + "\r\n")
}
