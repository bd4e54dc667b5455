package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

type configure struct {
	settings settingFlags
	password passwordFlags
	file     string
	request  *postilionv1.ConfigureRequest
}

func (a *app) configureCommand() *cobra.Command {
	c := configure{request: &postilionv1.ConfigureRequest{}}
	command := &cobra.Command{
		Use:   "configure NAME",
		Short: "Create a connection, or change what is given of it",
		Long: `Configure creates the connection NAME, or changes those of its settings that
are given; the next delivery uses them. With --file it is replaced as a whole.
The first connection that delivers becomes the default.`,
		Example: `  postilion configure main --host smtp.example.com --username you --from shop@example.com
  postilion configure main --provider gmail --username you@gmail.com
  postilion configure main --password-file /run/secrets/smtp
  postilion configure main --file main.yaml`,
		Args: cobra.ExactArgs(1),
	}
	flags := command.Flags()
	c.settings.register(flags)
	c.password.register(flags)
	flags.StringVar(&c.file, "file", "", "YAML or JSON `file` with the whole connection as the API has it; - reads standard input")
	flags.BoolVar(&c.request.SetDefault, "default", false, "messages that name no connection go here")
	flags.BoolVar(&c.request.ValidateOnly, "check", false, "check without saving")
	flags.StringVar(&c.request.Etag, "etag", "", "fail if the connection's etag is another")
	flags.StringSliceVar(&c.request.ClearSecrets, "clear-secret", nil, "`name` of a secret to remove, such as password")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := c.password.check(command.Flags()); err != nil {
			return err
		}
		return a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			return c.run(ctx, a, client, args[0])
		})(command, args)
	}
	return command
}

func (c *configure) run(ctx context.Context, a *app, client *sdk.Client, name string) error {
	request := proto.CloneOf(c.request)
	request.Connection = &connection{Name: name}
	var err error
	if c.file != "" {
		err = c.fromFile(a, request)
	} else {
		err = c.fromFlags(ctx, a, client, request)
	}
	if err != nil {
		return err
	}
	answer, err := client.Mailer.Configure(ctx, request)
	if err != nil {
		if wantsPassword(err) {
			a.explainPassword(providerOf(ctx, client, request.GetConnection().GetSmtp().GetProvider()))
		}
		return err
	}
	if a.json {
		return a.object(answer)
	}
	a.printConfigured(answer, request.GetValidateOnly())
	return nil
}

// fromFlags makes a request that creates the connection, or one that changes
// only what was given.
func (c *configure) fromFlags(ctx context.Context, a *app, client *sdk.Client, request *postilionv1.ConfigureRequest) error {
	paths, err := c.settings.apply(request.Connection)
	if err != nil {
		return err
	}
	stored, err := client.Connections.GetConnection(ctx, &postilionv1.GetConnectionRequest{Name: request.Connection.Name})
	exists := err == nil
	if err != nil && status.Code(err) != codes.NotFound {
		return err
	}
	ask := !exists && hasLogin(request.Connection)
	if ask && a.interactive() && !c.password.given(a) {
		a.explainPassword(providerOf(ctx, client, request.Connection.GetSmtp().GetProvider()))
	}
	given, err := c.password.apply(a, request.Connection, ask)
	if err != nil {
		return err
	}
	if !exists {
		if request.Connection.Transport == nil {
			return usage("there is no connection %q yet; give at least --provider, --host, or --transport", request.Connection.Name)
		}
		return nil
	}
	if given {
		paths = append(paths, "smtp.password")
	}
	c.settings.mergeCustom(ctx, client, request, stored.GetConnection())
	if len(paths) == 0 {
		if !request.SetDefault && len(request.ClearSecrets) == 0 {
			return usage("nothing to change is given; see postilion configure --help")
		}
		keep(request, stored.GetConnection())
		return nil
	}
	request.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	return nil
}

// wantsPassword tells whether a connection was refused for its password.
func wantsPassword(err error) bool {
	failure := sdk.AsError(err)
	return failure.Code == codes.InvalidArgument && slices.Contains(failure.Fields, "connection.smtp.password")
}

// keep makes a request that changes no field: it gives the display name again.
func keep(request *postilionv1.ConfigureRequest, stored *connection) {
	request.Connection = &connection{Name: stored.GetName(), DisplayName: stored.GetDisplayName()}
	request.UpdateMask = &fieldmaskpb.FieldMask{Paths: []string{"display_name"}}
	if request.Etag == "" {
		request.Etag = stored.GetEtag()
	}
}

func (c *configure) fromFile(a *app, request *postilionv1.ConfigureRequest) error {
	name := request.Connection.Name
	if err := a.readMessage(c.file, request.Connection); err != nil {
		return err
	}
	if request.Connection.Name != "" && request.Connection.Name != name {
		return usage("%s: the connection there is named %q, not %q", c.file, request.Connection.Name, name)
	}
	request.Connection.Name = name
	if _, err := c.settings.apply(request.Connection); err != nil {
		return err
	}
	_, err := c.password.apply(a, request.Connection, false)
	return err
}

// readMessage reads a message of the API as JSON or YAML from a file, or from
// standard input. Unknown fields are errors.
func (a *app) readMessage(path string, into proto.Message) error {
	content, err := a.readFile(path)
	if err != nil {
		return err
	}
	var decoded any
	if err := yaml.Unmarshal(content, &decoded); err != nil { // JSON is YAML
		return exit{exitConfig, fmt.Errorf("%s: %w", path, err)}
	}
	text, err := json.Marshal(decoded)
	if err == nil {
		err = protojson.Unmarshal(text, into)
	}
	if err != nil {
		reason := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
		return exit{exitConfig, fmt.Errorf("%s: %s", path, reason)}
	}
	return nil
}

func (a *app) readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(a.In)
	}
	return os.ReadFile(path)
}

func (a *app) printConfigured(answer *postilionv1.ConfigureResponse, checked bool) {
	connection := answer.GetConnection()
	what := "changed"
	switch {
	case checked:
		what = "fine, not saved"
	case answer.GetCreated():
		what = "created"
	}
	a.printf("%s: %s: %s\n", clean(connection.GetName()), what, clean(wayOut(connection)))
	for _, warning := range answer.GetWarnings() {
		a.printf("  %s\n", a.style.paint(yellow, clean(warning)))
	}
	if connection.GetDefault() {
		a.printf("  messages that name no connection go here\n")
	}
	if !checked {
		a.printf("  test it: postilion test %s --send-to you@example.com\n", clean(connection.GetName()))
	}
}

// wayOut tells in some words where a connection leads.
func wayOut(c *connection) string {
	if c.GetCustom() != nil {
		return c.GetCustom().GetTransport()
	}
	smtp := c.GetSmtp()
	if smtp == nil {
		return "settings of another client"
	}
	port := smtp.GetPort()
	if port == 0 {
		port = 587
		if smtp.GetSecurity() == postilionv1.Security_SECURITY_IMPLICIT_TLS {
			port = 465
		}
	}
	security := word(smtp.GetSecurity(), "SECURITY_")
	if smtp.GetSecurity() == postilionv1.Security_SECURITY_UNSPECIFIED {
		security = "starttls"
	}
	text := fmt.Sprintf("smtp %s:%d %s", smtp.GetHost(), port, security)
	if smtp.GetUsername() != "" {
		text += " as " + smtp.GetUsername()
	}
	return text
}
