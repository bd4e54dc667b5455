package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

func (a *app) connectionsCommand() *cobra.Command {
	return group("connections", "Show and remove connections",
		a.connectionsList(), a.connectionsShow(), a.connectionsDelete(), a.connectionsDefault())
}

func (a *app) connectionsList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List connections with their state and alarms",
		Args:  cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, client *sdk.Client, _ []string) error {
			answer, err := client.Connections.ListConnections(ctx, &postilionv1.ListConnectionsRequest{})
			if err != nil {
				return err
			}
			result := table{head: []string{"NAME", "WAY OUT", "STATE", "WAITING"}, shrink: []int{1}}
			for _, connection := range answer.GetConnections() {
				if a.json {
					if err := a.object(connection); err != nil {
						return err
					}
					continue
				}
				a.addConnection(&result, connection)
			}
			switch {
			case a.json:
			case len(result.rows) == 0:
				a.printf("no connections; create one with postilion configure\n")
			default:
				result.print(a.Out, a.style)
			}
			return nil
		}),
	}
}

func (a *app) addConnection(t *table, connection *postilionv1.Connection) {
	name := connection.GetName()
	if connection.GetDefault() {
		name += " (default)"
	}
	status := connection.GetStatus()
	t.add(name, wayOut(connection), a.connectionState(status), strconv.FormatInt(status.GetWaiting(), 10))
	for _, note := range connectionNotes(status) {
		t.note(note)
	}
}

func (a *app) connectionState(status *postilionv1.ConnectionStatus) string {
	switch {
	case status.GetPaused() && status.GetPausedUntil() != nil && status.GetPausedUntil().AsTime().After(a.Now()):
		return "paused for " + age(status.GetPausedUntil().AsTime().Sub(a.Now()))
	case status.GetPaused():
		return "paused"
	case status.GetFailingSince() != nil:
		return "failing for " + age(a.Now().Sub(status.GetFailingSince().AsTime()))
	}
	return "ready"
}

// connectionNotes are what a person should know of a connection: what the
// server said, what that means, what to do, and the alarms.
func connectionNotes(status *postilionv1.ConnectionStatus) []string {
	var notes []string
	if status.GetOutcome() != nil && (status.GetPaused() || status.GetFailingSince() != nil) {
		notes = append(notes, reply(status.GetOutcome()))
	}
	if diagnosis := status.GetDiagnosis(); diagnosis.GetTitle() != "" {
		note := diagnosis.GetTitle()
		if len(diagnosis.GetRemedies()) > 0 {
			note += ": " + diagnosis.GetRemedies()[0]
		}
		notes = append(notes, note)
	}
	for _, alarm := range status.GetAlarms() {
		notes = append(notes, "alarm: "+alarm)
	}
	return notes
}

func (a *app) connectionsShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show a connection; without --json in the form that configure --file takes",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Connections.GetConnection(ctx, &postilionv1.GetConnectionRequest{Name: args[0]})
			if err != nil {
				return err
			}
			connection := answer.GetConnection()
			if a.json {
				return a.object(connection)
			}
			status := connection.GetStatus()
			a.printf("# %s: %s, %s, %d waiting\n", clean(connection.GetName()), clean(wayOut(connection)), a.connectionState(status), status.GetWaiting())
			for _, note := range connectionNotes(status) {
				a.printf("# %s\n", clean(note))
			}
			connection.Status = nil
			text, err := protojson.Marshal(connection)
			if err != nil {
				return err
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, text, "", "  "); err != nil {
				return err
			}
			a.printf("%s\n", printable(indented.String()))
			return nil
		}),
	}
}

// printable is clean for text of several lines.
func printable(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

func (a *app) connectionsDelete() *cobra.Command {
	request := &postilionv1.DeleteConnectionRequest{}
	command := &cobra.Command{
		Use:   "delete NAME",
		Short: "Remove a connection",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			request.Name = args[0]
			answer, err := client.Connections.DeleteConnection(ctx, request)
			if err != nil {
				return err
			}
			if a.json {
				return a.object(answer)
			}
			a.printf("%s: deleted%s\n", clean(args[0]), heldText(answer.GetHeld()))
			return nil
		}),
	}
	command.Flags().BoolVar(&request.Force, "force", false, "also if mail waits for it; that mail is held")
	command.Flags().StringVar(&request.Etag, "etag", "", "fail if the connection's etag is another")
	return command
}

func heldText(held int64) string {
	if held == 0 {
		return ""
	}
	return ", " + strconv.FormatInt(held, 10) + " messages are held now; see postilion messages list --state held"
}

func (a *app) connectionsDefault() *cobra.Command {
	return &cobra.Command{
		Use:   "default NAME",
		Short: "Send messages that name no connection through this one",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			stored, err := client.Connections.GetConnection(ctx, &postilionv1.GetConnectionRequest{Name: args[0]})
			if err != nil {
				return err
			}
			request := &postilionv1.ConfigureRequest{SetDefault: true}
			keep(request, stored.GetConnection())
			answer, err := client.Mailer.Configure(ctx, request)
			if err != nil {
				return err
			}
			if a.json {
				return a.object(answer)
			}
			a.printf("%s: messages that name no connection go here now\n", clean(args[0]))
			return nil
		}),
	}
}
