package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// Bounds of one examination. Who has more tests the others by name.
const (
	mostTested  = 20 // connections
	mostDomains = 10
	testsAtOnce = 4
)

// examineConnections tests the connections and looks at the domains that mail
// through them comes from.
func (a *app) examineConnections(ctx context.Context, client *sdk.Client) []finding {
	answer, err := client.Connections.ListConnections(ctx, &postilionv1.ListConnectionsRequest{})
	if err != nil {
		_, text, _ := a.explain(err)
		return []finding{skipped("tests", "%s", text)}
	}
	var tested []*connection
	for _, c := range answer.GetConnections() {
		// Of those that others share one sees no settings.
		if c.GetTransport() != nil && c.GetCustom().GetTransport() != "capture" {
			tested = append(tested, c)
		}
	}
	var findings []finding
	if len(tested) > mostTested {
		findings = append(findings, skipped("tests", "only the first %d of %d connections are tested; postilion test NAME tests others", mostTested, len(tested)))
		tested = tested[:mostTested]
	}
	domains := a.mailDomains(ctx, client, tested)
	names := slices.Sorted(maps.Keys(domains))
	if len(names) > mostDomains {
		findings = append(findings, skipped("domains", "only the first %d of %d domains are looked at; postilion doctor domain NAME looks at others", mostDomains, len(names)))
		names = names[:mostDomains]
	}
	results := make([][]finding, len(tested)+len(names))
	places := make(chan struct{}, testsAtOnce)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			if i < len(tested) {
				results[i] = a.examineConnection(ctx, client, tested[i].GetName())
			} else {
				name := names[i-len(tested)]
				results[i] = a.examineDomain(ctx, client, name, domains[name])
			}
		})
	}
	all.Wait()
	return append(findings, slices.Concat(results...)...)
}

// examineConnection tests one, without sending mail.
func (a *app) examineConnection(ctx context.Context, client *sdk.Client, name string) []finding {
	check := "test " + name
	answer, err := client.Mailer.TestConnection(ctx, &postilionv1.TestConnectionRequest{
		Target:  &postilionv1.TestConnectionRequest_Name{Name: name},
		Timeout: durationpb.New(min(a.timeout, maximumTest)), SkipProposals: true,
	})
	if err != nil {
		_, text, remedy := a.explain(err)
		return []finding{{Check: check, Status: statusUnknown, Text: text, Remedy: remedy}}
	}
	if !answer.GetOk() {
		d := answer.GetDiagnosis()
		remedy := "see all of it: postilion test " + name
		if len(d.GetRemedies()) > 0 {
			remedy = d.GetRemedies()[0]
		}
		f := failed(check, remedy, "%s (%s)", d.GetTitle(), failedStage(answer.GetStages()))
		f.Code = d.GetCode()
		return []finding{f}
	}
	var findings []finding
	for _, text := range answer.GetWarnings() {
		findings = append(findings, warning(check, "", "%s", text))
	}
	if len(findings) == 0 {
		findings = append(findings, ok(check, "all stages passed in %s", milliseconds(answer.GetDuration())))
	}
	return findings
}

// failedStage says where a test failed, and what was said there.
func failedStage(stages []*postilionv1.TestStage) string {
	for _, stage := range stages {
		if stage.GetStatus() == postilionv1.StageStatus_STAGE_STATUS_FAILED {
			words := stage.GetServer()
			if words == "" {
				words = stage.GetDetail()
			}
			return stage.GetName() + ": " + words
		}
	}
	return "no stage failed"
}

// mailDomains gives the domains that mail through the connections comes from,
// each with the connection. Those of providers' mailboxes are the providers'
// affair.
func (a *app) mailDomains(ctx context.Context, client *sdk.Client, connections []*connection) map[string]string {
	domains := map[string]string{}
	for _, c := range connections {
		addresses := append([]string{c.GetSender().GetFromAddress()}, c.GetSender().GetAllowedFromDomains()...)
		if user := c.GetSmtp().GetUsername(); strings.Contains(user, "@") {
			addresses = append(addresses, user)
		}
		for _, address := range addresses {
			domain := strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
			if _, known := domains[domain]; !known && domain != "" {
				domains[domain] = c.GetName()
			}
		}
	}
	if len(domains) == 0 {
		return nil
	}
	providers, err := client.Connections.ListProviders(ctx, &postilionv1.ListProvidersRequest{})
	if err == nil {
		for _, p := range providers.GetProviders() {
			for _, domain := range p.GetMailDomains() {
				delete(domains, domain)
			}
		}
	}
	return domains
}

// examineDomain tells what is wrong with what a domain publishes; what to
// publish is for doctor domain.
func (a *app) examineDomain(ctx context.Context, client *sdk.Client, domain, connection string) []finding {
	check := "domain " + domain
	answer, err := client.Connections.CheckDomain(ctx, &postilionv1.CheckDomainRequest{Domain: domain, Connection: connection})
	if err != nil {
		_, text, remedy := a.explain(err)
		return []finding{{Check: check, Status: statusUnknown, Text: text, Remedy: remedy}}
	}
	var findings []finding
	for _, c := range answer.GetChecks() {
		switch c.GetStatus() {
		case postilionv1.CheckStatus_CHECK_STATUS_FAILED, postilionv1.CheckStatus_CHECK_STATUS_WARNING, postilionv1.CheckStatus_CHECK_STATUS_UNKNOWN:
			findings = append(findings, finding{Check: check, Code: c.GetCode(), Status: checkStatus(c.GetStatus()), Text: c.GetDetail()})
		}
	}
	if len(findings) == 0 {
		return []finding{ok(check, "SPF, DKIM, DMARC and MX are as they should be")}
	}
	findings[len(findings)-1].Remedy = fmt.Sprintf("what to publish: postilion doctor domain %s --connection %s", domain, connection)
	return findings
}
