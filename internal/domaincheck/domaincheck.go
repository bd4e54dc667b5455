// Package domaincheck looks at what a domain publishes about its mail, as a
// receiver does, and tells what is wrong with it and what to publish instead:
// SPF, DKIM, DMARC, MX, MTA-STS, TLS-RPT and BIMI.
//
// Records are written by strangers: whatever they hold, a check makes a bounded
// number of lookups, and what it shows of them is bounded and printable. What
// could not be looked up is unknown, never a fault of the domain.
package domaincheck

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Status is how something looks that was examined. The numbers are those of
// the API's CheckStatus.
type Status int

// The statuses.
const (
	OK      Status = 1 // as it should be
	Notice  Status = 2 // not needed, or worth knowing
	Warning Status = 3 // works, but should be mended
	Failed  Status = 4 // mail suffers from it
	Unknown Status = 5 // it could not be found out
)

// Finding is one thing that was looked at.
type Finding struct {
	Name   string // "spf", "dkim", "dmarc", "mx", "mta-sts", "tls-rpt" or "bimi"
	Code   string // stable, such as "spf.provider_missing"
	Status Status
	Detail string // a sentence
	// Record is the name where the record stands or should stand.
	Record   string
	Found    []string // what stands there, made printable
	Publish  string   // what should stand there; empty for no change
	Remedies []string // in their order
}

// names is the order of the findings.
var names = []string{"spf", "dkim", "dmarc", "mx", "mta-sts", "tls-rpt", "bimi"}

// Request says what to look at.
type Request struct {
	// Domain of the addresses in From, in ASCII, without a final dot.
	Domain string
	// Envelope is the domain of the envelope sender, which SPF is about; empty
	// if it is Domain.
	Envelope string
	// OwnEnvelope says that the sender may put an envelope sender of its own in
	// the place of the domain's, which nobody can see from here.
	OwnEnvelope bool
	// Sender is the name of who sends the mail, for people; empty if that is
	// not known.
	Sender string
	// Includes are the domains whose SPF records stand for the sender. One of
	// them is enough.
	Includes []string
	// Host is the server that mail is given to. Its addresses stand for the
	// sender if there are no Includes.
	Host string
	// Selectors are those that have to have a DKIM key; Known are those that
	// the sender usually has, one of which is enough.
	Selectors, Known []string
}

// Checker makes checks. It is safe for concurrent use.
type Checker struct {
	Resolver Resolver
	// Client fetches policy files. Its transport decides what may be reached.
	Client *http.Client
	// Now is the time, for the ids of policies. Defaults to time.Now.
	Now func() time.Time
}

// Check looks at a domain. It ends soon after ctx; what was not looked at then
// is Unknown.
func (c *Checker) Check(ctx context.Context, r Request) []Finding {
	k := &check{Request: r, dns: &lookups{resolver: c.Resolver, left: maxLookups}, client: c.Client, now: c.Now}
	if k.now == nil {
		k.now = time.Now
	}
	k.Envelope = cmp.Or(k.Envelope, k.Domain)
	var all sync.WaitGroup
	for _, section := range []func(context.Context){k.spf, k.dkim, k.dmarc, k.mx, k.mtaSTS, k.tlsReports, k.bimi} {
		all.Go(func() { section(ctx) })
	}
	all.Wait()
	k.align()
	slices.SortStableFunc(k.findings, func(a, b Finding) int {
		return slices.Index(names, a.Name) - slices.Index(names, b.Name)
	})
	return k.findings
}

// check is one check under way.
type check struct {
	Request
	dns    *lookups
	client *http.Client
	now    func() time.Time

	mu       sync.Mutex
	findings []Finding

	// What DMARC's alignment needs of the other sections.
	spfPasses, dkimFound answer
	signer               string // the domain that has the keys
	policy               *dmarcPolicy
}

// answer is one to a question that may stay open.
type answer int

const (
	open answer = iota
	no
	yes
)

// add keeps a finding. Found and detail are made printable here, and nowhere
// else.
func (k *check) add(f Finding) {
	f.Found = shown(f.Found[:min(len(f.Found), maxFound)])
	f.Remedies = shown(f.Remedies)
	f.Detail = printable(f.Detail, maxShown)
	f.Publish = printable(f.Publish, 4*maxShown)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.findings = append(k.findings, f)
}

func shown(texts []string) []string {
	var out []string
	for _, text := range texts {
		out = append(out, printable(text, maxShown))
	}
	return out
}

// unknown is the finding for a lookup that failed.
func unknown(name, record string, err error) *Finding {
	return &Finding{
		Name: name, Code: name + ".unknown", Status: Unknown, Record: record,
		Detail: "The name system gave no answer about " + record + ": " + err.Error() + ".",
		Remedies: []string{"Try again later.",
			"If it stays so, look whether the name servers of the domain answer."},
	}
}

func (k *check) unknown(name, record string, err error) { k.add(*unknown(name, record, err)) }
