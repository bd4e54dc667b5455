package domaincheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/internal/guard"
)

const (
	maxPolicy     = 64 << 10 // octets of a policy file, RFC 8461 section 3.3
	policyLimit   = 10 * time.Second
	maxPolicyAge  = 31557600 // seconds, RFC 8461 section 3.2
	usefulAge     = 86400
	maxPolicyMX   = 50
	policyPath    = "/.well-known/mta-sts.txt"
	stsRemedy     = "See RFC 8461 section 3 for the form of record and file."
	versionSTS    = "STSv1"
	versionReport = "TLSRPTv1"
)

// mtaSTS looks at MTA-STS (RFC 8461): whether mail to the domain is kept from
// being sent unencrypted, and whether its policy shuts out its own servers.
func (k *check) mtaSTS(ctx context.Context) {
	name := "_mta-sts." + k.Domain
	texts, err := k.dns.txt(ctx, name)
	if err != nil {
		k.unknown("mta-sts", name, err)
		return
	}
	records := versioned(texts, versionSTS)
	f := Finding{Name: "mta-sts", Record: name, Found: records}
	switch len(records) {
	case 0:
		f.Code, f.Status = "mta-sts.missing", Notice
		f.Detail = "There is no MTA-STS policy: mail to the domain can be read by whoever can make senders leave TLS out. It has no part in sending."
		k.add(f)
	case 1:
		list, err := parseTags(records[0])
		id := list.get("id")
		if err != nil || id == "" || len(id) > 32 || strings.Trim(strings.ToLower(id), "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			f.Code, f.Status, f.Publish = "mta-sts.syntax", Failed, "v=STSv1; id="+k.now().UTC().Format("20060102150405")
			f.Detail = "The MTA-STS record is wrong: id= has to be of 1 to 32 letters and digits."
			f.Remedies = []string{"Replace it by the one below, and change id at each change of the policy."}
			k.add(f)
			return
		}
		k.policyFile(ctx, f)
	default:
		f.Code, f.Status, f.Publish = "mta-sts.multiple", Failed, records[0]
		f.Detail = "There are several MTA-STS records, so senders take none (RFC 8461 section 3.1)."
		f.Remedies = []string{"Delete all but one."}
		k.add(f)
	}
}

// policyFile gets the policy and looks at it.
func (k *check) policyFile(ctx context.Context, f Finding) {
	address := "https://mta-sts." + k.Domain + policyPath
	text, err := k.fetch(ctx, address)
	if err != nil {
		f.Code, f.Status = "mta-sts.policy_unreachable", Failed
		f.Detail = fmt.Sprintf("The policy file %s cannot be had: %v.", address, err)
		f.Remedies = []string{"Serve it over HTTPS with a certificate for mta-sts." + k.Domain + ", without redirects.", "Or remove the record."}
		var late interface{ Timeout() bool }
		var refused *guard.RefusedError
		var lookup *net.DNSError
		var dial *net.OpError
		switch {
		case errors.As(err, &late) && late.Timeout(), ctx.Err() != nil:
			f.Code, f.Status, f.Detail = "mta-sts.unknown", Unknown, "The policy file "+address+" did not come in time."
		case errors.As(err, &refused):
			f.Code, f.Status, f.Detail = "mta-sts.unknown", Unknown, "The policy file "+address+" stands where this daemon may not look: "+refused.Reason+"."
		case errors.As(err, &lookup) && !lookup.IsNotFound, errors.As(err, &dial) && dial.Op == "dial": // it may be our network
			f.Code, f.Status, f.Detail = "mta-sts.unknown", Unknown, fmt.Sprintf("Whether there is a policy file %s could not be found out: %s.", address, strings.ReplaceAll(err.Error(), "\n", ", "))
		}
		k.add(f)
		return
	}
	policy, err := parsePolicy(text)
	if err != nil {
		f.Code, f.Status = "mta-sts.policy_syntax", Failed
		f.Detail = fmt.Sprintf("The policy file %s is wrong: %v.", address, err)
		f.Remedies = []string{stsRemedy}
		k.add(f)
		return
	}
	hosts, err := k.exchangers(ctx)
	if err != nil {
		return // the section mx tells
	}
	for _, host := range hosts {
		if policy.mode == "none" || host == "" || policy.allows(host) {
			continue
		}
		f.Code, f.Status = "mta-sts.mx_not_listed", Warning
		f.Detail = fmt.Sprintf("The policy does not list the mail exchanger %s.", host)
		if policy.mode == "enforce" {
			f.Status = Failed
			f.Detail += " Its mode is enforce: mail to the domain, answers and bounces too, is not delivered there."
		}
		f.Remedies = []string{"Add a line mx: " + host + " to " + address + ", and change id= in the record."}
		k.add(f)
		return
	}
	f.Code, f.Status = "mta-sts.ok", OK
	f.Detail = "The mode is " + policy.mode + "."
	switch {
	case policy.mode != "enforce":
		f.Code, f.Status = "mta-sts."+policy.mode, Notice
		f.Detail = "The mode is " + policy.mode + ", which protects nothing yet."
	case policy.age < usefulAge:
		f.Code, f.Status = "mta-sts.short_age", Warning
		f.Detail = fmt.Sprintf("max_age is %d s; a policy that is forgotten within a day protects little.", policy.age)
		f.Remedies = []string{"Set max_age to some weeks, such as 1209600."}
	}
	k.add(f)
}

// fetch gets a file, without following redirects (RFC 8461 section 3.3).
func (k *check) fetch(ctx context.Context, address string) (string, error) {
	if k.client == nil {
		return "", errors.New("no files are fetched here")
	}
	ctx, cancel := context.WithTimeout(ctx, policyLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	client := *k.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(request)
	if err != nil {
		return "", cause(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answers %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxPolicy+1))
	if err == nil && len(body) > maxPolicy {
		err = errors.New("it is larger than 64 KiB")
	}
	return string(body), err
}

// cause leaves out of an error what is not for everyone: the address of our
// name server.
func cause(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &net.DNSError{Err: dns.Err, Name: dns.Name, IsTimeout: dns.IsTimeout, IsTemporary: dns.IsTemporary, IsNotFound: dns.IsNotFound}
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// stsPolicy is a policy file.
type stsPolicy struct {
	mode string
	mx   []string
	age  int
}

// parsePolicy reads a policy file (RFC 8461 section 3.2).
func parsePolicy(text string) (*stsPolicy, error) {
	p := &stsPolicy{age: -1}
	version := ""
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		key, value, found := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !found {
			return nil, fmt.Errorf("%q is no key: value", printable(line, 60))
		}
		switch strings.TrimSpace(key) {
		case "version":
			version = value
		case "mode":
			p.mode = value
		case "mx":
			if len(p.mx) < maxPolicyMX {
				p.mx = append(p.mx, strings.ToLower(value))
			}
		case "max_age":
			age, err := strconv.Atoi(value)
			if err != nil || age < 0 || age > maxPolicyAge {
				return nil, fmt.Errorf("max_age is not 0 to %d", maxPolicyAge)
			}
			p.age = age
		}
	}
	switch {
	case version != versionSTS:
		return nil, errors.New("version is not STSv1")
	case !slices.Contains([]string{"enforce", "testing", "none"}, p.mode):
		return nil, errors.New("mode is neither enforce nor testing nor none")
	case p.age < 0:
		return nil, errors.New("max_age is missing")
	case len(p.mx) == 0 && p.mode != "none":
		return nil, errors.New("it lists no mx")
	}
	return p, nil
}

// allows says whether a host is listed; "*." stands for one label.
func (p *stsPolicy) allows(host string) bool {
	return slices.ContainsFunc(p.mx, func(pattern string) bool {
		if rest, wild := strings.CutPrefix(pattern, "*."); wild {
			_, parent, _ := strings.Cut(host, ".")
			return parent == rest
		}
		return pattern == host
	})
}

// tlsReports looks at TLS-RPT (RFC 8460).
func (k *check) tlsReports(ctx context.Context) {
	name := "_smtp._tls." + k.Domain
	texts, err := k.dns.txt(ctx, name)
	if err != nil {
		k.unknown("tls-rpt", name, err)
		return
	}
	records := versioned(texts, versionReport)
	f := Finding{Name: "tls-rpt", Code: "tls-rpt.ok", Status: OK, Record: name, Found: records, Detail: "Reports about TLS go to the address in the record."}
	if len(records) == 1 {
		list, err := parseTags(records[0])
		targets := strings.ToLower(list.get("rua"))
		if err != nil || !strings.HasPrefix(targets, "mailto:") && !strings.HasPrefix(targets, "https:") {
			f.Code, f.Status, f.Detail = "tls-rpt.syntax", Warning, "The record has no rua= with a mailto: or https: address, so no reports arrive."
		}
	} else if len(records) > 1 {
		f.Code, f.Status, f.Detail = "tls-rpt.multiple", Warning, "There are several records, so none is taken (RFC 8460 section 3)."
	} else {
		f.Code, f.Status, f.Detail = "tls-rpt.missing", Notice, "Nobody reports when mail to the domain cannot be encrypted. It has no part in sending."
	}
	if f.Status == Warning {
		f.Publish = "v=TLSRPTv1; rua=mailto:postmaster@" + k.Domain
		f.Remedies = []string{"Replace it by the one below."}
	}
	k.add(f)
}

// bimi looks whether a logo is published (draft-brand-indicators-for-message-identification).
func (k *check) bimi(ctx context.Context) {
	name := "default._bimi." + k.Domain
	texts, err := k.dns.txt(ctx, name)
	if err != nil {
		k.unknown("bimi", name, err)
		return
	}
	records := versioned(texts, "BIMI1")
	f := Finding{Name: "bimi", Code: "bimi.missing", Status: Notice, Record: name, Found: records, Detail: "No logo is published, which nobody needs."}
	if len(records) > 0 {
		f.Code, f.Status, f.Detail = "bimi.ok", OK, "A logo is published. Receivers show it only with a DMARC policy of quarantine or reject."
		list, err := parseTags(records[0])
		if location := list.get("l"); err != nil || location != "" && !strings.HasPrefix(strings.ToLower(location), "https://") {
			f.Code, f.Status, f.Detail = "bimi.syntax", Warning, "The record is wrong: l= has to be an https: address of an SVG."
		}
	}
	k.add(f)
}
