package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

func (a *app) providersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "providers [WORD]",
		Short: "List the mail providers that are known",
		Long: `Providers lists the mail providers for postilion configure --provider: those
whose id, name, host or mail domains have WORD in them. If that is one, it tells
what to give as user name and password.`,
		Example: "  postilion providers gmail",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Connections.ListProviders(ctx, &postilionv1.ListProvidersRequest{})
			if err != nil {
				return err
			}
			return a.printProviders(answer.GetProviders(), strings.ToLower(strings.Join(args, "")))
		}),
	}
}

func (a *app) printProviders(all []*postilionv1.Provider, word string) error {
	found := slices.DeleteFunc(slices.Clone(all), func(p *postilionv1.Provider) bool { return !has(p, word) })
	// A whole id means that one, though others have it in theirs.
	if i := slices.IndexFunc(found, func(p *postilionv1.Provider) bool { return p.GetId() == word }); i >= 0 {
		found = found[i : i+1]
	}
	if len(found) == 0 {
		return exit{exitFailed, fmt.Errorf("no provider has %q in it; give --host, --port and --security to postilion configure instead", word)}
	}
	if a.json {
		for _, p := range found {
			if err := a.object(p); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 1 {
		a.describeProvider(found[0])
		return nil
	}
	result := table{head: []string{"ID", "PROVIDER", "SERVER", "LIMITS"}, shrink: []int{1, 2, 3}}
	for _, p := range found {
		result.add(p.GetId(), p.GetTitle(), serverOf(p), limitsText(p.GetLimits()))
	}
	result.print(a.Out, a.style)
	return nil
}

func has(p *postilionv1.Provider, word string) bool {
	for _, text := range append([]string{p.GetId(), p.GetTitle(), p.GetHost()}, p.GetMailDomains()...) {
		if strings.Contains(strings.ToLower(text), word) {
			return true
		}
	}
	return false
}

func serverOf(p *postilionv1.Provider) string {
	return fmt.Sprintf("%s:%d %s", p.GetHost(), p.GetPort(), word(p.GetSecurity(), "SECURITY_"))
}

// providerOf gives the preset of an id; nil if there is none, or no answer, for
// which it is not worth failing.
func providerOf(ctx context.Context, client *sdk.Client, id string) *postilionv1.Provider {
	if id == "" {
		return nil
	}
	answer, err := client.Connections.ListProviders(ctx, &postilionv1.ListProvidersRequest{})
	if err != nil {
		return nil
	}
	for _, p := range answer.GetProviders() {
		if strings.EqualFold(p.GetId(), id) {
			return p
		}
	}
	return nil
}

// explainPassword says what a provider's password is and where to get it, for
// whom it is asked for or missing.
func (a *app) explainPassword(p *postilionv1.Provider) {
	if p == nil {
		return
	}
	server := p.GetTitle() + ", " + serverOf(p)
	if limits := limitsText(p.GetLimits()); limits != "" {
		server += ", at most " + limits
	}
	aside := *a
	aside.Out = a.Err
	aside.paragraph("", "  ", clean(server))
	aside.facts("  ", append(loginFacts(p), [2]string{"more", p.GetLink()}))
}

// loginFacts are what one has to know to log in at a provider.
func loginFacts(p *postilionv1.Provider) [][2]string {
	return [][2]string{
		{"user name", p.GetUsernameHint()},
		{"password", p.GetPasswordHint()},
		{"get it at", p.GetPasswordLink()},
		{"OAuth", p.GetOauthNote()},
		{"From", p.GetFromRule()},
	}
}

// facts prints names and what is known, without those of which nothing is.
func (a *app) facts(indent string, facts [][2]string) {
	for _, fact := range facts {
		if fact[1] != "" {
			head := fmt.Sprintf("%s%-9s ", indent, fact[0])
			a.paragraph(head, strings.Repeat(" ", len(head)), clean(fact[1]))
		}
	}
}

func (a *app) describeProvider(p *postilionv1.Provider) {
	login := ""
	if p.GetAuthentication() != 0 {
		login = word(p.GetAuthentication(), "AUTHENTICATION_")
	}
	a.facts("", [][2]string{{"provider", p.GetTitle()}, {"server", serverOf(p)}, {"login", login}})
	a.facts("", loginFacts(p))
	a.facts("", [][2]string{{"limits", limitsText(p.GetLimits())}, {"more", p.GetLink()}, {"sources", strings.Join(p.GetSources(), " ")}})
	a.printf("\n  postilion configure main --provider %s --username USER\n", clean(p.GetId()))
}

// limitsText words limits as in "500 a day, 100 a message".
func limitsText(l *postilionv1.Limits) string {
	var parts []string
	for _, one := range []struct {
		n    uint32
		each string
	}{
		{l.GetPerSecond(), "a second"}, {l.GetPerMinute(), "a minute"}, {l.GetPerHour(), "an hour"}, {l.GetPerDay(), "a day"},
		{l.GetRecipientsPerMessage(), "a message"},
	} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", one.n, one.each))
		}
	}
	return strings.Join(parts, ", ")
}
