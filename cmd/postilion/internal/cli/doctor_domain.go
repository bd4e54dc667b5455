package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

func (a *app) doctorDomain() *cobra.Command {
	request := &postilionv1.CheckDomainRequest{}
	strict := false
	command := &cobra.Command{
		Use:   "domain DOMAIN",
		Short: "Look at what a domain publishes about its mail, and say what to publish",
		Long: `Domain looks at the SPF, DKIM, DMARC, MX, MTA-STS, TLS-RPT and BIMI records of
the domain that mail comes from, as receivers do, with regard to the connection
that the mail goes through. It shows each check in a line, then what to publish.
It exits with 1 if a check failed.`,
		Example: `  postilion doctor domain example.org --connection main
  postilion doctor domain news@example.org --selector s1 --selector s2`,
		Args: cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			request.Domain = args[0]
			answer, err := client.Connections.CheckDomain(ctx, request)
			if err != nil {
				return err
			}
			if a.json {
				err = a.object(answer)
			} else {
				a.printDomain(answer)
			}
			if err == nil && !wellEnough(answer, strict) {
				return exit{code: exitFailed}
			}
			return err
		}),
	}
	flags := command.Flags()
	flags.StringVar(&request.Connection, "connection", "", "connection that the mail goes through, by its `name`; the default one if not given")
	flags.StringVar(&request.Provider, "provider", "", "`provider` that sends the mail, in the place of the connection's")
	flags.StringArrayVar(&request.DkimSelectors, "selector", nil, "DKIM `selector` that has to have a key; may be repeated")
	flags.BoolVar(&strict, "strict", false, "exit with 1 for warnings, too")
	return command
}

func wellEnough(answer *postilionv1.CheckDomainResponse, strict bool) bool {
	for _, check := range answer.GetChecks() {
		if strict && check.GetStatus() == postilionv1.CheckStatus_CHECK_STATUS_WARNING {
			return false
		}
	}
	return answer.GetOk()
}

// printDomain shows each check in a line, and then, the worst first, what to
// do about those that are not well.
func (a *app) printDomain(answer *postilionv1.CheckDomainResponse) {
	const widest = len("mta-sts")
	a.printf("%s\n", clean(answer.GetDomain()))
	for _, check := range answer.GetChecks() {
		mark, color := statusMark(checkStatus(check.GetStatus()))
		a.printf("%s %-*s  %s\n", a.style.paint(color, mark), widest, clean(check.GetName()), clean(check.GetDetail()))
	}
	for _, status := range []postilionv1.CheckStatus{
		postilionv1.CheckStatus_CHECK_STATUS_FAILED, postilionv1.CheckStatus_CHECK_STATUS_WARNING,
		postilionv1.CheckStatus_CHECK_STATUS_UNKNOWN, postilionv1.CheckStatus_CHECK_STATUS_NOTICE,
	} {
		for _, check := range answer.GetChecks() {
			if check.GetStatus() == status && (check.GetPublish() != "" || len(check.GetRemedies()) > 0) {
				a.printCure(check)
			}
		}
	}
}

func (a *app) printCure(check *postilionv1.DomainCheck) {
	mark, color := statusMark(checkStatus(check.GetStatus()))
	a.printf("\n%s %s\n", a.style.paint(color, mark), clean(check.GetCode()))
	for i, remedy := range check.GetRemedies() {
		a.printf("  %d. %s\n", i+1, clean(remedy))
	}
	for _, found := range check.GetFound() {
		a.printf("  %s\n", a.style.paint(dim, "now      "+clean(check.GetRecordName())+"  "+clean(found)))
	}
	if check.GetPublish() != "" {
		a.printf("  publish  %s  TXT  %s\n", clean(check.GetRecordName()), clean(check.GetPublish()))
	}
}

// checkStatus gives the daemon's word for a status in our form.
func checkStatus(status postilionv1.CheckStatus) string {
	return strings.ToLower(strings.TrimPrefix(status.String(), "CHECK_STATUS_"))
}
