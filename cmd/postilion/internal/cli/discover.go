package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

type discovery struct {
	password passwordFlags
	request  *postilionv1.DiscoverSettingsRequest
}

func (a *app) discoverCommand() *cobra.Command {
	d := discovery{request: &postilionv1.DiscoverSettingsRequest{}}
	command := &cobra.Command{
		Use:   "discover ADDRESS",
		Short: "Find out how mail of an address or domain can be sent",
		Long: `Discover finds out how mail of ADDRESS, a mail address or a domain, can be sent:
by the provider it belongs to, by what its domain publishes, and at last by
guessing. It tries what it finds, with a login if a password is given, and
prints the best with the command that configures it. The password goes only over
TLS, to servers that the domain vouches for. It exits with 1 if nothing works.`,
		Example: `  postilion discover you@example.com
  postilion discover you@example.com --password-file -`,
		Args: cobra.ExactArgs(1),
	}
	flags := command.Flags()
	flags.StringVar(&d.request.Username, "username", "", "user `name` of the login; by default what the provider wants, mostly the address")
	flags.BoolVar(&d.request.LookupOnly, "lookup-only", false, "connect to no mail server")
	d.password.register(flags)
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := d.password.check(command.Flags()); err != nil {
			return err
		}
		return a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			return d.run(ctx, a, client, args[0])
		})(command, args)
	}
	return command
}

func (d *discovery) run(ctx context.Context, a *app, client *sdk.Client, address string) error {
	d.request.Address = address
	password, given, err := d.password.read(a, false)
	if err != nil {
		return err
	}
	if given {
		d.request.Password = &password
	}
	d.request.Timeout = durationpb.New(min(a.timeout, maximumTest))
	answer, err := client.Connections.DiscoverSettings(ctx, d.request)
	if err != nil {
		return err
	}
	if a.json {
		err = a.object(answer)
	} else {
		var preset *postilionv1.Provider
		if usable(answer.GetProposals()) {
			preset = providerOf(ctx, client, answer.GetProposals()[0].GetSmtp().GetProvider())
		}
		a.printDiscovery(answer, preset)
	}
	if err == nil && !usable(answer.GetProposals()) {
		return exit{code: exitFailed}
	}
	return err
}

// usable tells whether the best proposal may work.
func usable(proposals []*postilionv1.Proposal) bool {
	return len(proposals) > 0 && proposals[0].GetTrial() != postilionv1.Trial_TRIAL_FAILED
}

// printDiscovery prints the ways and the command for the first, with what its
// provider's preset fills in left out.
func (a *app) printDiscovery(answer *postilionv1.DiscoverSettingsResponse, preset *postilionv1.Provider) {
	proposals := answer.GetProposals()
	for _, p := range proposals {
		a.printProposal(p)
	}
	for _, note := range answer.GetNotes() {
		a.paragraph(a.style.paint(yellow, "!")+" ", "  ", clean(note))
	}
	switch {
	case usable(proposals):
		a.printf("\n  %s\n", configureCommandFor("main", proposals[0].GetSmtp(), preset))
	case len(proposals) > 0 && telling(proposals[0]):
		a.printDiagnosis(proposals[0].GetDiagnosis())
	default:
		a.printf("\n%s\nAsk your provider for host, port and security, and give them to postilion configure.\n", a.style.paint(red, "No server was found"))
	}
}

// telling: that a guess fails is no news, unless it is the login that failed.
func telling(p *postilionv1.Proposal) bool {
	return p.GetConfidence() > postilionv1.Confidence_CONFIDENCE_LOW || p.GetDiagnosis().GetBlame() == postilionv1.Blame_BLAME_AUTH
}

// printProposal prints one way: what it is, how far it was tried, where it was
// found.
func (a *app) printProposal(p *postilionv1.Proposal) {
	mark, color := "–", dim
	switch p.GetTrial() {
	case postilionv1.Trial_TRIAL_LOGIN:
		mark, color = "✓", green
	case postilionv1.Trial_TRIAL_SESSION:
		mark, color = "✓", yellow
	case postilionv1.Trial_TRIAL_FAILED:
		mark, color = "✗", red
	}
	way := strings.TrimPrefix(wayOut(&connection{Transport: &postilionv1.Connection_Smtp{Smtp: p.GetSmtp()}}), "smtp ")
	a.printf("%s %s\n", a.style.paint(color, mark), clean(way))
	a.paragraph("    ", "    ", clean(p.GetDetail()))
	if p.GetConfidence() == postilionv1.Confidence_CONFIDENCE_LOW && p.GetTrial() < postilionv1.Trial_TRIAL_SESSION {
		return // a guess that came to nothing
	}
	a.printf("    %s\n", a.style.paint(dim, fmt.Sprintf("found: %s (confidence %s)", clean(p.GetSourceDetail()), word(p.GetConfidence(), "CONFIDENCE_"))))
}

// configureCommandFor gives the command that configures a connection so. What
// strangers have published may stand in it, so it is quoted for the shell.
func configureCommandFor(name string, s *postilionv1.SmtpSettings, preset *postilionv1.Provider) string {
	words := []string{"postilion configure", name}
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag, quoteForShell(value))
		}
	}
	add("--provider", preset.GetId())
	if s.GetHost() != preset.GetHost() {
		add("--host", s.GetHost())
	}
	if s.GetPort() != preset.GetPort() || s.GetSecurity() != preset.GetSecurity() {
		add("--port", fmt.Sprint(s.GetPort()))
		add("--security", word(s.GetSecurity(), "SECURITY_"))
	}
	if s.GetAuthentication() != preset.GetAuthentication() {
		add("--auth", word(s.GetAuthentication(), "AUTHENTICATION_"))
	}
	add("--username", s.GetUsername())
	if s.GetUsername() != "" {
		add("--password-file", "-")
	}
	return strings.Join(words, " ")
}

// quoteForShell quotes a value that has more than letters, digits and what is
// harmless in every shell.
func quoteForShell(value string) string {
	value = clean(value)
	if strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._+:/-") == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
