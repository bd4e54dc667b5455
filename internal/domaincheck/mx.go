package domaincheck

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// maxExchangers bounds how many mail exchangers are looked at.
const maxExchangers = 10

// exchangers gives the hosts of the MX records of the domain, without final
// dots; "" is that of a null MX (RFC 7505).
func (k *check) exchangers(ctx context.Context) ([]string, error) {
	found, err := k.dns.LookupMX(ctx, k.Domain)
	if len(found) == 0 {
		return nil, known(err)
	}
	var hosts []string
	for _, mx := range found {
		hosts = append(hosts, strings.ToLower(strings.TrimSuffix(mx.Host, ".")))
	}
	return hosts, nil
}

// mx looks whether mail to the domain arrives: bounces and answers to what it
// sends. Many receivers take no mail of a domain that cannot be answered.
func (k *check) mx(ctx context.Context) {
	hosts, err := k.exchangers(ctx)
	base := Finding{Name: "mx", Record: k.Domain, Found: append([]string(nil), hosts...)}
	switch {
	case err != nil:
		k.unknown("mx", k.Domain, err)
		return
	case len(hosts) == 0:
		k.noMX(ctx)
		return
	case len(hosts) == 1 && hosts[0] == "":
		base.Code, base.Status, base.Found = "mx.null", Failed, []string{"0 ."}
		base.Detail = k.Domain + " says that it takes no mail (null MX), and receivers refuse mail from addresses that cannot be answered (RFC 7505 section 4.2)."
		base.Remedies = []string{"Send from a domain that takes mail, or replace the null MX by a mail server's name."}
		k.add(base)
		return
	}
	well := true
	for i, host := range hosts {
		if i == maxExchangers {
			break
		}
		well = k.exchanger(ctx, base, host) && well
	}
	if well {
		base.Code, base.Status = "mx.ok", OK
		base.Detail = fmt.Sprintf("Mail to %s goes to %s.", k.Domain, strings.Join(hosts[:min(3, len(hosts))], ", "))
		k.add(base)
	}
}

// exchanger looks at one host; false if it is reported.
func (k *check) exchanger(ctx context.Context, f Finding, host string) bool {
	f.Found = []string{host}
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		f.Code, f.Status = "mx.not_a_name", Failed
		f.Detail = fmt.Sprintf("The MX record leads to %q, and it has to be the name of a host (RFC 5321 section 5.1).", host)
		f.Remedies = []string{"Give the server a name with an address record, and put that into the MX record."}
		k.add(f)
		return false
	}
	addresses, err := k.dns.addresses(ctx, host)
	switch {
	case err != nil:
		k.unknown("mx", host, err)
		return false
	case len(addresses) == 0:
		f.Code, f.Status = "mx.host_missing", Failed
		f.Detail = "The MX record leads to " + host + ", which has no address: mail to it, bounces too, is lost."
		f.Remedies = []string{"Correct the name, or publish an address record for it."}
	case k.dns.alias(ctx, host) != "":
		f.Code, f.Status = "mx.alias", Warning
		f.Detail = "The MX record leads to " + host + ", which is an alias (CNAME); some senders do not follow that (RFC 2181 section 10.3)."
		f.Remedies = []string{"Put the name that it stands for into the MX record."}
	default:
		return true
	}
	k.add(f)
	return false
}

func (k *check) noMX(ctx context.Context) {
	addresses, err := k.dns.addresses(ctx, k.Domain)
	f := Finding{
		Name: "mx", Code: "mx.missing", Status: Failed, Record: k.Domain,
		Detail:   k.Domain + " has neither an MX record nor an address, so answers and bounces cannot arrive, and many receivers refuse its mail.",
		Remedies: []string{"Look whether the domain is spelt as it was registered.", "Publish an MX record with the name of the server that takes its mail."},
	}
	switch {
	case err != nil:
		k.unknown("mx", k.Domain, err)
		return
	case len(addresses) > 0:
		f.Code, f.Status = "mx.implicit", Notice
		f.Detail = k.Domain + " has no MX record; mail to it goes to its own address (RFC 5321 section 5.1), which is often a web server."
		f.Remedies = f.Remedies[1:]
	}
	k.add(f)
}
