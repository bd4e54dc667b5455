package cli

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

var gmail = &postilionv1.Provider{
	Id: "gmail", Title: "Gmail", Host: "smtp.gmail.com", Port: 465, Security: postilionv1.Security_SECURITY_IMPLICIT_TLS,
	UsernameHint: "the whole mail address", PasswordHint: "an app password", PasswordLink: "https://example.com/apppasswords",
	OauthNote: "not needed", FromRule: "your own addresses", Link: "https://example.com/", Limits: &postilionv1.Limits{PerDay: 500},
}

func proposal(trial postilionv1.Trial, s *postilionv1.SmtpSettings) *postilionv1.Proposal {
	return &postilionv1.Proposal{
		Smtp: s, Trial: trial, Source: postilionv1.ProposalSource_PROPOSAL_SOURCE_SRV, SourceDetail: "SRV _submission._tcp.example.org",
		Confidence: postilionv1.Confidence_CONFIDENCE_HIGH, Detail: "what was found",
	}
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	found := &postilionv1.DiscoverSettingsResponse{
		Proposals: []*postilionv1.Proposal{
			proposal(postilionv1.Trial_TRIAL_LOGIN, &postilionv1.SmtpSettings{Host: "smtp.example.org", Port: 587, Security: postilionv1.Security_SECURITY_STARTTLS, Username: "jane@example.org"}),
			proposal(postilionv1.Trial_TRIAL_FAILED, &postilionv1.SmtpSettings{Host: "mail.example.org", Port: 465, Security: postilionv1.Security_SECURITY_IMPLICIT_TLS}),
		},
		Notes: []string{"a note\x1b[2J"},
	}
	d := start(t, map[string]any{"DiscoverSettings": found})
	result := invocation{stdin: "hunter2\n"}.run(t, "--data-dir", d.data, "discover", "jane@example.org", "--username", "jd", "--password-file", "-", "--lookup-only")
	result.want(t, 0, "✓ smtp.example.org:587 starttls as jane@example.org", "✗ mail.example.org:465", "SRV _submission._tcp.example.org (confidence high)", "what was found", "! a note",
		"postilion configure main --host smtp.example.org --port 587 --security starttls --username jane@example.org --password-file -")
	if strings.ContainsAny(result.out, "\x1b") || strings.Contains(result.out, "hunter2") {
		t.Errorf("%q", result.out)
	}
	password := "hunter2"
	want := &postilionv1.DiscoverSettingsRequest{Address: "jane@example.org", Username: "jd", Password: &password, LookupOnly: true, Timeout: durationpb.New(maximumTest)}
	if diff := cmp.Diff(want, d.last(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	d.run(t, "discover", "jane@example.org", "--json").want(t, 0, `"sourceDetail":"SRV _submission._tcp.example.org"`)
	d.run(t, "discover", "jane@example.org", "--password", "hunter2").want(t, exitUsage, "--password-file")
	d.run(t, "discover").want(t, exitUsage, "arg")
}

func TestDiscoverFindsNothing(t *testing.T) {
	t.Parallel()
	failed := proposal(postilionv1.Trial_TRIAL_FAILED, &postilionv1.SmtpSettings{Host: "mail.example.org", Port: 465})
	failed.Diagnosis = &postilionv1.Diagnosis{Title: "The login was refused", Remedies: []string{"Check the user name."}}
	guess := proto.CloneOf(failed)
	guess.Confidence = postilionv1.Confidence_CONFIDENCE_LOW
	login := proto.CloneOf(guess)
	login.Diagnosis.Blame = postilionv1.Blame_BLAME_AUTH
	for name, test := range map[string]struct {
		answer *postilionv1.DiscoverSettingsResponse
		text   string
	}{
		"guesses":       {&postilionv1.DiscoverSettingsResponse{Proposals: []*postilionv1.Proposal{guess}}, "Ask your provider"},
		"a login":       {&postilionv1.DiscoverSettingsResponse{Proposals: []*postilionv1.Proposal{login}}, "1. Check the user name."},
		"nothing":       {&postilionv1.DiscoverSettingsResponse{}, "Ask your provider"},
		"nothing works": {&postilionv1.DiscoverSettingsResponse{Proposals: []*postilionv1.Proposal{failed}}, "1. Check the user name."},
	} {
		d := start(t, map[string]any{"DiscoverSettings": test.answer})
		result := d.run(t, "discover", "example.org")
		if result.want(t, exitFailed, test.text); strings.Contains(result.out, "postilion configure main") {
			t.Errorf("%s: a command that does not work: %s", name, result.out)
		}
	}
}

// What the preset has need not be given, and nothing that a stranger has
// published is run by a shell.
func TestConfigureCommandFor(t *testing.T) {
	t.Parallel()
	preset := &postilionv1.SmtpSettings{Provider: "gmail", Host: gmail.GetHost(), Port: 465, Security: gmail.GetSecurity(), Username: "jane@gmail.com"}
	if got := configureCommandFor("main", preset, gmail); got != "postilion configure main --provider gmail --username jane@gmail.com --password-file -" {
		t.Error(got)
	}
	other := &postilionv1.SmtpSettings{Provider: "gmail", Host: gmail.GetHost(), Port: 587, Security: postilionv1.Security_SECURITY_STARTTLS, Authentication: postilionv1.Authentication_AUTHENTICATION_PLAIN}
	if got := configureCommandFor("main", other, gmail); got != "postilion configure main --provider gmail --port 587 --security starttls --auth plain" {
		t.Error(got)
	}
	for _, hostile := range []string{"$(touch x)", "a'; touch x; '", "`touch x`", "a b", "a\nb", "--help", "\\", "a;b", "~", "*", "#", "a\x1b[2J"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quoteForShell(hostile)).Output()
		if err != nil || string(out) != clean(hostile) {
			t.Errorf("%q became %q, %v", hostile, out, err)
		}
	}
}

// Who leaves the password out is told what it is and where to get it.
func TestConfigureExplainsThePassword(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{
		"GetConnection": notFound, "ListProviders": &postilionv1.ListProvidersResponse{Providers: []*postilionv1.Provider{gmail}},
		"Configure": refusal(codes.InvalidArgument, "connection.smtp.password: is needed with a user name", &postilionv1.ErrorDetail{Fields: []string{"connection.smtp.password"}}),
	})
	d.run(t, "configure", "main", "--provider", "GMail", "--username", "jane@gmail.com").
		want(t, exitData, "Gmail, smtp.gmail.com:465 implicit-tls, at most 500 a day", "an app password", "https://example.com/apppasswords", "is needed with a user name")
	if out := d.run(t, "configure", "main", "--host", "h", "--username", "u"); strings.Contains(out.err, "Gmail") {
		t.Error(out.err)
	}
	d.run(t, "providers", "gmail").want(t, 0, "https://example.com/apppasswords", "not needed", "your own addresses")
}
