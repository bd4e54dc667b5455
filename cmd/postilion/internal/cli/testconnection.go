package cli

import (
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
tested without being saved.`,
		Example: `  postilion test main --send-to you@example.com
  postilion test --host smtp.example.com --username you --password-file -`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := command.Flags()
	t.settings.register(flags)
	t.password.register(flags)
	flags.StringVar(&t.request.SendTo, "send-to", "", "send a test mail to this `address` at the end")
	flags.StringVar(&t.request.Sender, "sender", "", "envelope sender of the test, an `address`")
	flags.StringVar(&t.request.Recipient, "recipient", "", "`address` that the server is asked about")
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
	draft := &connection{Name: name}
	paths, err := t.settings.apply(draft)
	if err != nil {
		return err
	}
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

func (a *app) printTest(answer *postilionv1.TestConnectionResponse) {
	widest := 0
	for _, stage := range answer.GetStages() {
		widest = max(widest, len(stage.GetName()))
	}
	for _, stage := range answer.GetStages() {
		a.printStage(stage, widest)
	}
	for _, warning := range answer.GetWarnings() {
		a.printf("%s %s\n", a.style.paint(yellow, "!"), clean(warning))
	}
	if answer.GetOk() {
		a.printf("%s in %s\n", a.style.paint(green, "All stages passed"), milliseconds(answer.GetDuration()))
		return
	}
	a.printDiagnosis(answer.GetDiagnosis())
}

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
	room := 0
	if a.style.width > 0 {
		room = max(20, a.style.width-len([]rune(head))-4)
	}
	a.printf("%s\n", strings.TrimRight(fmt.Sprintf("%s %s  %s", a.style.paint(color, mark), head, cut(clean(found(stage)), room)), " "))
	indent := strings.Repeat(" ", widest+13)
	for line := range strings.Lines(stage.GetServer()) {
		a.printf("%s%s\n", indent, a.style.paint(dim, cut("< "+strings.TrimSpace(clean(line)), room)))
	}
}

// found is what a stage brought to light: its detail, else those facts that
// people look for.
func found(stage *postilionv1.TestStage) string {
	if stage.GetDetail() != "" {
		return stage.GetDetail()
	}
	var parts []string
	for _, fact := range []struct{ name, format string }{
		{"addresses", "%s"}, {"remote_address", "%s"}, {"mechanism", "%s"}, {"tls_version", "%s"},
		{"certificate_names", "certificate of %s"}, {"certificate_expires_days", "%s days left"},
	} {
		if value := stage.GetFacts()[fact.name]; value != "" {
			parts = append(parts, fmt.Sprintf(fact.format, value))
		}
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
		a.printf("%s\n", clean(diagnosis.GetExplanation()))
	}
	for i, remedy := range diagnosis.GetRemedies() {
		a.printf("  %d. %s\n", i+1, clean(remedy))
	}
	if diagnosis.GetLink() != "" {
		a.printf("  more: %s\n", clean(diagnosis.GetLink()))
	}
}

func milliseconds(duration *durationpb.Duration) string {
	d := duration.AsDuration()
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
