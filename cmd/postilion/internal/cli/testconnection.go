package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// maximumTest is the longest test the daemon makes.
const maximumTest = 30 * time.Second

// draftName stands for a connection that does not exist yet.
const draftName = "draft"

type test struct {
	settings settingFlags
	password passwordFlags
	request  *postilionv1.TestConnectionRequest
}

func (a *app) testCommand() *cobra.Command {
	t := test{request: &postilionv1.TestConnectionRequest{}}
	command := &cobra.Command{
		Use:   "test [NAME]",
		Short: "Go through the stages of a delivery and show what the server says",
		Long: `Test goes through the stages of a delivery over the connection NAME, shows what
the server said at each, and for a failure the cause and what to do. It exits
with 1 when a stage failed. With settings, as configure takes them, those are
tested without being saved; the name draft, or none, stands for a connection
that does not exist yet.`,
		Example: `  postilion test main --send-to you@example.com
  postilion test draft --host smtp.example.com --username you --password-file -`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := command.Flags()
	t.settings.register(flags)
	t.password.register(flags)
	flags.StringVar(&t.request.SendTo, "send-to", "", "send a test mail to this `address` at the end")
	flags.StringVar(&t.request.Sender, "sender", "", "envelope sender of the test, an `address`")
	flags.StringVar(&t.request.Recipient, "recipient", "", "`address` that the server is asked about")
	flags.BoolVar(&t.request.CheckDomain, "check-domain", false, "look at what the sender's domain publishes, too, when the test passes")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := t.password.check(command.Flags()); err != nil {
			return err
		}
		return a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			return t.run(ctx, a, client, strings.Join(args, ""))
		})(command, args)
	}
	return command
}

func (t *test) run(ctx context.Context, a *app, client *sdk.Client, name string) error {
	request := t.request
	draft := &connection{}
	paths, err := t.settings.apply(draft)
	if err != nil {
		return err
	}
	if name == draftName && len(paths) > 0 {
		name = ""
	}
	draft.Name = name
	switch {
	case len(paths) > 0:
		t.settings.fitCustom(ctx, client, draft, draft.GetCustom().GetTransport())
		if _, err := t.password.apply(a, draft, name == "" && hasLogin(draft)); err != nil {
			return err
		}
		request.Target = &postilionv1.TestConnectionRequest_Draft{Draft: draft}
	case name != "":
		request.Target = &postilionv1.TestConnectionRequest_Name{Name: name}
	default:
		return usage("name a connection, or give the settings to test; see postilion test --help")
	}
	request.Timeout = durationpb.New(min(a.timeout, maximumTest))
	answer, err := client.Mailer.TestConnection(ctx, request)
	if err != nil {
		return err
	}
	if a.json {
		err = a.object(answer)
	} else {
		a.printTest(answer)
	}
	if err == nil && !answer.GetOk() {
		return exit{code: exitFailed}
	}
	return err
}

// printTest prints the stages and, for a failure, the cause and what to do, so
// that it fits a terminal of 80 columns and 24 lines.
func (a *app) printTest(answer *postilionv1.TestConnectionResponse) {
	widest := len("starttls")
	for _, stage := range answer.GetStages() {
		widest = max(widest, len(clean(stage.GetName())))
	}
	failed, skipped := false, []string(nil)
	for _, stage := range answer.GetStages() {
		switch status := stage.GetStatus(); {
		case status == postilionv1.StageStatus_STAGE_STATUS_FAILED:
			a.printStage(stage, widest)
			failed = true
		case !answer.GetOk() && status == postilionv1.StageStatus_STAGE_STATUS_SKIPPED:
			skipped = append(skipped, clean(stage.GetName()))
		case !failed:
			a.printStage(stage, widest)
		}
	}
	if len(skipped) > 0 {
		a.printf("%s %s\n", a.style.paint(dim, "–"), a.style.paint(dim, cut("not tried: "+strings.Join(skipped, ", "), a.columns()-2)))
	}
	if answer.GetOk() {
		for _, warning := range answer.GetWarnings() {
			a.paragraph(a.style.paint(yellow, "!")+" ", "  ", clean(warning))
		}
		a.printf("%s in %s\n", a.style.paint(green, "All stages passed"), milliseconds(answer.GetDuration()))
		if answer.GetDomain() == nil {
			a.printf("%s\n", a.style.paint(dim, "Whether receivers trust the mail is up to the sender's domain: see --check-domain"))
			return
		}
		a.printf("\n")
		a.printDomain(answer.GetDomain())
		return
	}
	a.printDiagnosis(answer.GetDiagnosis())
	for _, p := range answer.GetProposals() {
		a.printf("  %s %s\n", a.style.paint(green, "✓"), workingSettings(p))
		break // the safest one
	}
}

// workingSettings tells what to change so that it works.
func workingSettings(p *postilionv1.Proposal) string {
	s := p.GetSmtp()
	text := fmt.Sprintf("This works: --port %d --security %s", s.GetPort(), strings.TrimPrefix(word(s.GetSecurity(), "SECURITY_"), "implicit-"))
	if auth := s.GetAuthentication(); auth > postilionv1.Authentication_AUTHENTICATION_AUTO {
		text += " --auth " + word(auth, "AUTHENTICATION_")
	}
	if p.GetTrial() == postilionv1.Trial_TRIAL_LOGIN {
		return text + " (the login was accepted)"
	}
	return text + " (without a login)"
}

// printStage prints a stage on one line: what was found, or else what the
// server said. Of a stage that failed the server's words have lines of their
// own.
func (a *app) printStage(stage *postilionv1.TestStage, widest int) {
	mark, color := "?", ""
	took := milliseconds(stage.GetDuration())
	switch stage.GetStatus() {
	case postilionv1.StageStatus_STAGE_STATUS_PASSED:
		mark, color = "✓", green
	case postilionv1.StageStatus_STAGE_STATUS_WARNING:
		mark, color = "!", yellow
	case postilionv1.StageStatus_STAGE_STATUS_FAILED:
		mark, color = "✗", red
	case postilionv1.StageStatus_STAGE_STATUS_SKIPPED:
		mark, color, took = "–", dim, ""
	}
	head := fmt.Sprintf("%-*s %8s", widest, clean(stage.GetName()), took)
	said, found := clean(stage.GetServer()), clean(found(stage))
	if stage.GetStatus() != postilionv1.StageStatus_STAGE_STATUS_FAILED {
		line := cut(cmp.Or(found, said), a.columns()-len([]rune(head))-4)
		a.printf("%s\n", strings.TrimRight(fmt.Sprintf("%s %s  %s", a.style.paint(color, mark), head, line), " "))
		return
	}
	a.paragraph(fmt.Sprintf("%s %s  ", a.style.paint(color, mark), head), strings.Repeat(" ", widest+13), cut(found, 2*a.columns()))
	if said != "" {
		a.paragraph("    < ", "      ", cut(said, 3*(a.columns()-6)))
	}
	for _, fact := range []string{"address_1", "address_2", "address_3", "address_4", "address_5"} {
		if line := stage.GetFacts()[fact]; line != "" {
			a.printf("    %s\n", cut(clean(line), a.columns()-4))
		}
	}
}

// found is what a stage brought to light: its detail, else those facts that
// people look for.
func found(stage *postilionv1.TestStage) string {
	if stage.GetDetail() != "" {
		return stage.GetDetail()
	}
	facts := stage.GetFacts()
	var parts []string
	for _, fact := range []struct{ name, format string }{
		{"cname", "alias of %s:"}, {"addresses", "%s"}, {"remote_address", "%s"}, {"mechanism", "%s"}, {"tls_version", "%s"},
		{"certificate_names", "certificate of %s"}, {"certificate_expires_days", "%s days left"}, {"queue_id", "queued as %s"},
	} {
		if value := facts[fact.name]; value != "" {
			parts = append(parts, fmt.Sprintf(fact.format, value))
		}
	}
	if extensions := facts["extensions"]; extensions != "" && facts["tls_version"] == "" {
		parts = append(parts, extensions)
	}
	return strings.Join(parts, ", ")
}

func (a *app) printDiagnosis(diagnosis *postilionv1.Diagnosis) {
	if diagnosis == nil {
		a.printf("\n%s\n", a.style.paint(red, "The test failed"))
		return
	}
	a.printf("\n%s\n", a.style.paint(red, clean(diagnosis.GetTitle())))
	if diagnosis.GetExplanation() != "" {
		a.paragraph("", "", clean(diagnosis.GetExplanation()))
	}
	for i, remedy := range diagnosis.GetRemedies() {
		a.paragraph(fmt.Sprintf("  %d. ", i+1), "     ", clean(remedy))
	}
	if diagnosis.GetLink() != "" {
		a.printf("  more: %s\n", clean(diagnosis.GetLink()))
	}
}

// columns is how wide text for reading is.
func (a *app) columns() int {
	if a.style.width > 0 {
		return a.style.width
	}
	return 80
}

// paragraph prints a text in lines: the first after head, the others after
// indent. Head counts as wide as indent, since it may be coloured.
func (a *app) paragraph(head, indent, text string) {
	line, room := head, a.columns()-len(indent)
	if head == "" {
		room = a.columns()
	}
	used := 0
	for _, w := range strings.Fields(text) {
		if used > 0 && used+1+columns(w) > room {
			a.printf("%s\n", strings.TrimRight(line, " "))
			line, used = indent, 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+w, used+columns(w)
	}
	a.printf("%s\n", strings.TrimRight(line, " "))
}

func milliseconds(duration *durationpb.Duration) string {
	d := duration.AsDuration()
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
