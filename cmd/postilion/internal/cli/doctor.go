package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	Code   string `json:"code,omitempty"` // stable, of what the daemon looked at
	Status string `json:"status"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// The results of a check.
const (
	statusOK      = "ok"
	statusNotice  = "notice"
	statusWarning = "warning"
	statusFailed  = "failed"
	statusUnknown = "unknown"
	statusSkipped = "skipped"
)

func ok(check, format string, arguments ...any) finding {
	return finding{Check: check, Status: statusOK, Text: fmt.Sprintf(format, arguments...)}
}

func skipped(check, format string, arguments ...any) finding {
	return finding{Check: check, Status: statusSkipped, Text: fmt.Sprintf(format, arguments...)}
}

func warning(check, remedy, format string, arguments ...any) finding {
	return finding{Check: check, Status: statusWarning, Text: fmt.Sprintf(format, arguments...), Remedy: remedy}
}

func failed(check, remedy, format string, arguments ...any) finding {
	return finding{Check: check, Status: statusFailed, Text: fmt.Sprintf(format, arguments...), Remedy: remedy}
}

// examination says how far doctor goes.
type examination struct {
	local  bool // no server is connected to, no domain is looked up
	strict bool
}

func (a *app) doctorCommand() *cobra.Command {
	e := &examination{}
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what keeps mail from going out",
		Long: `Doctor looks at the whole installation and says what to do about what is wrong:
the daemon, its store, disk, clock, queue, connections, plugins, certificates and
sockets; a test of each connection, up to the recipient, without sending mail;
the domains that mail comes from; and on this machine files, maildrop and PHP.
It exits with 1 if something is wrong. An administrator is shown all of it,
others what their client may see.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			bad := false
			for _, finding := range a.examine(command.Context(), e) {
				bad = bad || finding.Status == statusFailed || e.strict && finding.Status == statusWarning
				if err := a.printFinding(finding); err != nil {
					return err
				}
			}
			if bad {
				return exit{code: exitFailed}
			}
			return nil
		},
	}
	command.Flags().BoolVar(&e.local, "no-test", false, "test no connection, and look up no domain")
	command.Flags().BoolVar(&e.strict, "strict", false, "exit with 1 for warnings, too")
	command.AddCommand(a.doctorDomain())
	return command
}

// examine makes all checks. Those that need the daemon are left out if it
// does not answer; the first finding says so.
func (a *app) examine(ctx context.Context, e *examination) []finding {
	var findings []finding
	told := false // by the daemon, of the machine that it is on
	client, err := a.dial()
	if err == nil {
		defer func() { _ = client.Close() }()
		findings, told = a.examineDaemon(ctx, client, e)
	} else {
		_, text, remedy := a.explain(err)
		findings = append(findings, failed("daemon", remedy, "%s", text))
	}
	data := a.dataDirectory()
	for _, socket := range a.checkSockets() {
		if !told || socket.Status != statusOK {
			findings = append(findings, socket)
		}
	}
	findings = append(findings, checkFiles(data)...)
	findings = append(findings, checkMaildrop(a.maildrop(), a.Now()))
	if !told {
		findings = append(findings, checkDisk(data), checkClock(a.Now()))
	}
	return append(findings, a.checkPHP(ctx))
}

// examineDaemon asks the daemon. Told says whether it has examined itself,
// which it does for administrators.
func (a *app) examineDaemon(ctx context.Context, client *sdk.Client, e *examination) (findings []finding, told bool) {
	limited, cancel := context.WithTimeout(ctx, min(a.timeout, 15*time.Second))
	defer cancel()
	info, err := client.Admin.GetServerInfo(limited, &postilionv1.GetServerInfoRequest{})
	if err != nil {
		_, text, remedy := a.explain(err)
		return []finding{failed("daemon", remedy, "%s", text)}, false
	}
	findings = append(findings, ok("daemon", "%s runs since %s; you are client %s", info.GetVersion(), a.when(info.GetStartTime()), info.GetClient()))
	if info.GetVersion() != "" && a.Version != "" && info.GetVersion() != a.Version {
		findings = append(findings, warning("version", "restart the daemon", "this program is %s, the daemon %s", a.Version, info.GetVersion()))
	}
	if health, err := client.Admin.GetHealth(limited, &postilionv1.GetHealthRequest{}); err == nil {
		findings, told = append(findings, healthFindings(health)...), true
	} else {
		findings = append(findings, a.checkConnections(limited, client)...)
		findings = append(findings, a.checkWaiting(limited, client, info)...)
	}
	if !e.local {
		findings = append(findings, a.examineConnections(ctx, client)...)
	}
	return findings, told
}

// healthFindings are what the daemon has found about itself.
func healthFindings(health *postilionv1.GetHealthResponse) []finding {
	var findings []finding
	for _, c := range health.GetChecks() {
		if c.GetArea() == "daemon" && c.GetStatus() == postilionv1.CheckStatus_CHECK_STATUS_OK {
			continue // is said above
		}
		findings = append(findings, finding{
			Check: strings.TrimSpace(c.GetArea() + " " + c.GetName()), Code: c.GetCode(), Status: checkStatus(c.GetStatus()),
			Text: c.GetDetail(), Remedy: c.GetRemedy(),
		})
	}
	return findings
}

func (a *app) checkConnections(ctx context.Context, client *sdk.Client) []finding {
	answer, err := client.Connections.ListConnections(ctx, &postilionv1.ListConnectionsRequest{})
	if err != nil {
		_, text, _ := a.explain(err)
		return []finding{skipped("connections", "%s", text)}
	}
	var findings []finding
	delivers := false
	for _, connection := range answer.GetConnections() {
		delivers = delivers || connection.GetCustom().GetTransport() != "capture"
		status := connection.GetStatus()
		state := a.connectionState(status)
		notes := connectionNotes(status)
		if state == "ready" && len(notes) == 0 {
			continue
		}
		remedy := "see what the server says: postilion test " + connection.GetName()
		if remedies := status.GetDiagnosis().GetRemedies(); len(remedies) > 0 {
			remedy = remedies[0]
		}
		findings = append(findings, failed("connection "+connection.GetName(), remedy, "%s; %d messages wait: %s", state, status.GetWaiting(), strings.Join(notes, "; ")))
	}
	switch {
	case !delivers:
		findings = append(findings, warning("connections", "create one: postilion configure main --host smtp.example.com --username you",
			"no connection delivers yet: mail is kept here for looking at"))
	case len(findings) == 0:
		findings = append(findings, ok("connections", "%d, none paused", len(answer.GetConnections())))
	}
	return findings
}

// checkWaiting looks at mail that is not simply on its way.
func (a *app) checkWaiting(ctx context.Context, client *sdk.Client, info *postilionv1.GetServerInfoResponse) []finding {
	var findings []finding
	for _, state := range []postilionv1.MessageState{postilionv1.MessageState_MESSAGE_STATE_HELD, postilionv1.MessageState_MESSAGE_STATE_DEFERRED} {
		answer, err := client.Messages.ListMessages(ctx, &postilionv1.ListMessagesRequest{States: []postilionv1.MessageState{state}, PageSize: pageSize})
		if err != nil {
			_, text, _ := a.explain(err)
			return []finding{skipped("waiting mail", "%s", text)}
		}
		count := len(answer.GetMessages())
		if count == 0 {
			continue
		}
		number := fmt.Sprint(count)
		if answer.GetNextPageToken() != "" {
			number = "more than " + number
		}
		name := word(state, "MESSAGE_STATE_")
		remedy := "see why: postilion messages list --state " + name
		if state == postilionv1.MessageState_MESSAGE_STATE_HELD {
			remedy += "; then postilion messages release ID, or cancel ID"
		}
		findings = append(findings, warning("waiting mail", remedy, "%s messages are %s", number, name))
	}
	if len(findings) == 0 {
		queued := info.GetRecipients()["QUEUED"] + info.GetRecipients()["MESSAGE_STATE_QUEUED"]
		findings = append(findings, ok("waiting mail", "none deferred or held, %d recipients queued", queued))
	}
	return findings
}

func (a *app) printFinding(f finding) error {
	if a.json {
		return a.encode(f)
	}
	mark, color := statusMark(f.Status)
	a.printf("%s %s: %s\n", a.style.paint(color, mark), clean(f.Check), clean(f.Text))
	if f.Remedy != "" {
		a.printf("    %s\n", clean(f.Remedy))
	}
	return nil
}

// statusMark is how a status looks.
func statusMark(status string) (mark, color string) {
	switch status {
	case statusOK:
		return "✓", green
	case statusNotice:
		return "i", dim
	case statusWarning:
		return "!", yellow
	case statusFailed:
		return "✗", red
	case statusUnknown:
		return "?", yellow
	}
	return "–", dim
}
