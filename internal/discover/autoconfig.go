package discover

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/provider"
)

const (
	// maxFile is the most that is read of a configuration file. Real ones have
	// 1 to 4 KiB.
	maxFile      = 64 << 10
	maxRedirects = 3
	// maxServers is how many servers of a file are looked at.
	maxServers = 4
)

// place is where a domain's configuration file may stand.
type place struct {
	url    string
	secure bool
}

// places are those of https://www.ietf.org/archive/id/draft-ietf-mailmaint-autoconfig-00.html
// section 4.1; the one by HTTP is that of the older
// https://wiki.mozilla.org/Thunderbird:Autoconfiguration.
func places(domain, address string) []place {
	query := ""
	if address != "" {
		query = "?" + url.Values{"emailaddress": {address}}.Encode()
	}
	return []place{
		{"https://autoconfig." + domain + "/mail/config-v1.1.xml" + query, true},
		{"https://" + domain + "/.well-known/autoconfig/mail/config-v1.1.xml", true},
		// In the clear, so without the address.
		{"http://autoconfig." + domain + "/mail/config-v1.1.xml", false},
	}
}

// files reads the domain's configuration file. The places are asked at once;
// the first in order that has one counts.
func (f *Finder) files(ctx context.Context, out *Findings, domain string) answer {
	all := places(domain, out.Address)
	type file struct {
		content []byte
		err     error
	}
	files := make([]file, len(all))
	var fetches sync.WaitGroup
	for i, p := range all {
		fetches.Go(func() { files[i].content, files[i].err = f.fetch(ctx, p.url) })
	}
	fetches.Wait()
	var a answer
	for i, p := range all {
		shown, _, _ := strings.Cut(p.url, "?")
		if err := files[i].err; err != nil {
			if bad := badFile(""); errors.As(err, &bad) {
				a.note("%s is of no use: %v.", shown, bad)
			}
			continue // most domains have none
		}
		servers, notes, err := parseFile(files[i].content, out)
		if err != nil {
			a.note("%s is of no use: %v.", shown, err)
			continue
		}
		for _, note := range notes {
			a.note("%s %s.", shown, note)
		}
		for _, s := range servers {
			s.Detail = shown
			// By HTTPS the domain itself says so. What a hoster's file says
			// hangs on the MX record, and that is DNS's word alone.
			own := p.secure && domain == out.Domain
			s.Vouched = own || vouched(s.Host, out.Domain)
			if s.Confidence = Medium; own {
				s.Confidence = High
			}
			a.found = append(a.found, s)
		}
		return a
	}
	return a
}

// badFile is why a file that is there cannot be used.
type badFile string

func (e badFile) Error() string { return string(e) }

// fetch gets a file of at most maxFile octets. It follows a few redirects, but
// not out of HTTPS.
func (f *Finder) fetch(ctx context.Context, address string) ([]byte, error) {
	client := f.Web
	for range 1 + maxRedirects {
		answer, err := get(ctx, client, address)
		if err != nil {
			return nil, err
		}
		next, err := redirect(answer)
		if err == nil && next == "" {
			var content []byte
			content, err = read(answer)
			_ = answer.Body.Close()
			return content, err
		}
		_ = answer.Body.Close()
		if err != nil {
			return nil, err
		}
		client, address = f.Elsewhere, next
	}
	return nil, badFile("it is behind too many redirects")
}

func get(ctx context.Context, client *http.Client, address string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/xml, text/xml")
	return client.Do(request)
}

// redirect gives where an answer leads; empty if it is no redirect.
func redirect(answer *http.Response) (string, error) {
	if answer.StatusCode/100 != 3 {
		return "", nil
	}
	next, err := answer.Location()
	switch {
	case err != nil:
		return "", err
	case next.Scheme != "https" && (next.Scheme != "http" || answer.Request.URL.Scheme == "https"):
		return "", badFile("it leads to an address that is not of HTTPS")
	case next.User != nil, next.Port() != "" && next.Port() != "80" && next.Port() != "443":
		return "", badFile("it leads to a port or an account that is not for the public")
	}
	return next.String(), nil
}

// read takes the file out of an answer.
func read(answer *http.Response) ([]byte, error) {
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %d", answer.StatusCode)
	}
	// A site that answers every path with a page of its own has no such file.
	if strings.Contains(answer.Header.Get("Content-Type"), "html") {
		return nil, errors.New("it is a web page")
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = badFile(fmt.Sprintf("it has more than %d KiB", maxFile>>10))
	}
	return content, err
}

// clientConfig is the part of a configuration file that is about sending.
type clientConfig struct {
	XMLName  xml.Name `xml:"clientConfig"`
	Provider struct {
		Servers []outgoingServer `xml:"outgoingServer"`
	} `xml:"emailProvider"`
}

type outgoingServer struct {
	Type           string   `xml:"type,attr"`
	Hostname       string   `xml:"hostname"`
	Port           uint16   `xml:"port"`
	SocketType     string   `xml:"socketType"`
	Username       string   `xml:"username"`
	Authentication []string `xml:"authentication"`
}

// parseFile gives the servers of a file, best first as it has them. Entities
// of the file's own are errors, so none can grow.
func parseFile(content []byte, out *Findings) (found []Found, notes []string, err error) {
	var file clientConfig
	if err := xml.Unmarshal(content, &file); err != nil {
		return nil, nil, errors.New("it is no configuration file of version 1.1")
	}
	for _, s := range file.Provider.Servers[:min(len(file.Provider.Servers), maxServers)] {
		one, note := s.found(out)
		if note != "" {
			notes = append(notes, note)
			continue
		}
		found = append(found, one)
	}
	if len(found) == 0 && len(notes) == 0 {
		return nil, nil, errors.New("it names no server for sending")
	}
	return found, notes, nil
}

// found makes a way of a server, or says why it is none.
func (s *outgoingServer) found(out *Findings) (f Found, note string) {
	if !strings.EqualFold(s.Type, "smtp") {
		return f, "names a server of a type other than smtp, which is left out"
	}
	host, err := mail.ParseDomain(strings.ToLower(fill(strings.TrimSpace(s.Hostname), out)))
	if err != nil || s.Port == 0 {
		return f, "names a server whose host or port is none"
	}
	f = Found{Host: host, Port: s.Port, Username: out.Address, Source: FromAutoconfig}
	switch strings.ToUpper(strings.TrimSpace(s.SocketType)) {
	case "SSL", "TLS":
		f.Security = implicitTLS
	case "STARTTLS":
		f.Security = startTLS
	default:
		return f, fmt.Sprintf("names %s without encryption, which is not proposed", host)
	}
	if name := strings.TrimSpace(s.Username); name != "" {
		if f.Username = fill(name, out); strings.ContainsFunc(f.Username, control) || len(f.Username) > 254 {
			return f, "names a user name that is none"
		}
	}
	f.Auth = authentication(s.Authentication)
	if f.Auth == "none" {
		f.Username = ""
	}
	if p, ok := provider.ByHost(host); ok {
		f.Provider = p.ID
	}
	return f, ""
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// authentication gives the transport's setting for the methods of a server,
// which stand in the order of its preference.
func authentication(methods []string) string {
	oauth, none := false, false
	for _, m := range methods {
		switch strings.ToLower(strings.TrimSpace(m)) {
		case "password-cleartext", "password-encrypted", "plain", "secure":
			return "" // which of them, the server says
		case "oauth2":
			oauth = true
		case "none", "client-ip-address":
			none = true
		}
	}
	switch {
	case oauth:
		return "xoauth2"
	case none:
		return "none"
	}
	return ""
}

// fill puts the address into the placeholders. Asked about a domain alone,
// those that need the local part stay empty.
func fill(text string, out *Findings) string {
	if out.Address == "" && (strings.Contains(text, "%EMAILADDRESS%") || strings.Contains(text, "%EMAILLOCALPART%")) {
		return ""
	}
	local, _, _ := strings.Cut(out.Address, "@"+out.Domain)
	return strings.NewReplacer("%EMAILADDRESS%", out.Address, "%EMAILLOCALPART%", local, "%EMAILDOMAIN%", out.Domain).Replace(text)
}
