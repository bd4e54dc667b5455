package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

func (a *app) clientsCommand() *cobra.Command {
	return group("clients", "Manage who may use the daemon",
		a.clientsCreate(), a.clientsList(), a.clientsUpdate(), a.clientsDelete(),
		group("token", "Manage the tokens of a client", a.tokenCreate(), a.tokenRevoke(), a.tokenList()))
}

// clientFlags set the fields of a client.
type clientFlags struct {
	scopes     []string
	users      []string
	transports []string
	limits     postilionv1.Limits
	messages   int64
	bytes      int64
	origin     string
	guard      string
	allow      []string
}

func (c *clientFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&c.scopes, "scope", nil, "send, read, content, configure or admin (send)")
	flags.StringSliceVar(&c.users, "uid", nil, "Unix `user` whose processes are this client without a token")
	flags.StringSliceVar(&c.transports, "transport", nil, "`name` of a transport its connections may use")
	flags.Uint32Var(&c.limits.PerSecond, "per-second", 0, "recipients a second")
	flags.Uint32Var(&c.limits.PerMinute, "per-minute", 0, "recipients a minute")
	flags.Uint32Var(&c.limits.PerHour, "per-hour", 0, "recipients an hour")
	flags.Uint32Var(&c.limits.PerDay, "per-day", 0, "recipients a day")
	flags.Uint32Var(&c.limits.RecipientsPerMessage, "max-recipients", 0, "recipients of one message")
	flags.Uint32Var(&c.limits.Concurrency, "concurrency", 0, "deliveries at a time")
	flags.Int64Var(&c.messages, "max-queued-messages", 0, "messages that may wait (100000)")
	flags.StringVar(&c.origin, "origin", "", "`URL` of the site; mail that comes from another is held")
	flags.StringVar(&c.guard, "guard", "", "keep its mail from its recipients: hold, capture, an `address` that gets it all, or none")
	flags.StringSliceVar(&c.allow, "guard-allow", nil, "`address` or @domain that gets mail in spite of a guard")
	flags.Int64Var(&c.bytes, "max-queued-bytes", 0, "octets that may wait (2147483648)")
}

// apply puts into client what was given.
func (c *clientFlags) apply(flags *pflag.FlagSet, client *postilionv1.Client) error {
	if flags.Changed("scope") {
		client.Scopes = nil
		for _, text := range c.scopes {
			value, err := enum(postilionv1.Scope_value, "SCOPE_", text, "--scope")
			if err != nil {
				return err
			}
			client.Scopes = append(client.Scopes, postilionv1.Scope(value))
		}
	}
	if flags.Changed("uid") {
		client.UnixUsers = nonEmpty(c.users)
	}
	if flags.Changed("transport") {
		client.Transports = nonEmpty(c.transports)
	}
	if flags.Changed("max-queued-messages") {
		client.MaxQueuedMessages = c.messages
	}
	if flags.Changed("max-queued-bytes") {
		client.MaxQueuedBytes = c.bytes
	}
	if flags.Changed("origin") {
		client.Origin = c.origin
	}
	c.applyGuard(flags, client)
	c.applyLimits(flags, client)
	return nil
}

func (c *clientFlags) applyGuard(flags *pflag.FlagSet, client *postilionv1.Client) {
	guard := client.GetGuard()
	if guard == nil {
		guard = &postilionv1.DeliveryGuard{}
	}
	if flags.Changed("guard") {
		switch c.guard {
		case "", "none":
			guard = &postilionv1.DeliveryGuard{}
		case "hold":
			guard.Action = &postilionv1.DeliveryGuard_Hold{Hold: true}
		case "capture":
			guard.Action = &postilionv1.DeliveryGuard_Capture{Capture: true}
		default: // the daemon says if it is no address
			guard.Action = &postilionv1.DeliveryGuard_RedirectTo{RedirectTo: c.guard}
		}
	}
	if flags.Changed("guard-allow") {
		guard.AllowedRecipients = nonEmpty(c.allow)
	}
	if client.Guard = nil; proto.Size(guard) > 0 {
		client.Guard = guard
	}
}

func (c *clientFlags) applyLimits(flags *pflag.FlagSet, client *postilionv1.Client) {
	if client.Limits == nil {
		client.Limits = &postilionv1.Limits{}
	}
	for name, field := range map[string]struct{ from, to *uint32 }{
		"per-second":     {&c.limits.PerSecond, &client.Limits.PerSecond},
		"per-minute":     {&c.limits.PerMinute, &client.Limits.PerMinute},
		"per-hour":       {&c.limits.PerHour, &client.Limits.PerHour},
		"per-day":        {&c.limits.PerDay, &client.Limits.PerDay},
		"max-recipients": {&c.limits.RecipientsPerMessage, &client.Limits.RecipientsPerMessage},
		"concurrency":    {&c.limits.Concurrency, &client.Limits.Concurrency},
	} {
		if flags.Changed(name) {
			*field.to = *field.from
		}
	}
	if proto.Size(client.Limits) == 0 {
		client.Limits = nil
	}
}

func nonEmpty(values []string) []string {
	var result []string
	for _, value := range values {
		if value != "" {
			result = append(result, value)
		}
	}
	return result
}

func (a *app) clientsCreate() *cobra.Command {
	var (
		fields clientFlags
		token  bool
	)
	command := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a client and show its token, this once",
		Example: `  postilion clients create shop --scope send,read
  postilion clients create wordpress --uid www-data`,
		Args: cobra.ExactArgs(1),
	}
	fields.register(command.Flags())
	command.Flags().BoolVar(&token, "with-token", false, "make a token also for a client that is bound to Unix users")
	command.RunE = a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
		request := &postilionv1.CreateClientRequest{Client: &postilionv1.Client{Name: args[0]}, WithToken: token}
		if err := fields.apply(command.Flags(), request.Client); err != nil {
			return err
		}
		answer, err := client.Admin.CreateClient(ctx, request)
		if err != nil {
			return err
		}
		if a.json {
			return a.object(answer)
		}
		a.printf("client %s\n", describeClient(answer.GetClient()))
		a.printToken(answer.GetToken())
		return nil
	})
	return command
}

func (a *app) printToken(token string) {
	if token != "" {
		a.printf("token  %s\n", clean(token))
		a.printf("It is not shown again. Applications send it as \"Authorization: Bearer <token>\".\n")
	}
}

func describeClient(client *postilionv1.Client) string {
	var scopes []string
	for _, scope := range client.GetScopes() {
		scopes = append(scopes, word(scope, "SCOPE_"))
	}
	text := client.GetName() + ": scopes " + strings.Join(scopes, ", ")
	if users := client.GetUnixUsers(); len(users) > 0 {
		text += "; Unix users " + strings.Join(users, ", ")
	}
	if origin := client.GetOrigin(); origin != "" {
		text += "; at " + origin
	}
	if client.GetGuard() != nil {
		text += "; guarded"
	}
	return clean(text)
}

func (a *app) clientsList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the clients",
		Args:  cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, client *sdk.Client, _ []string) error {
			answer, err := client.Admin.ListClients(ctx, &postilionv1.ListClientsRequest{})
			if err != nil {
				return err
			}
			result := table{head: []string{"NAME", "SCOPES", "UNIX USERS", "TOKENS", "CREATED"}, shrink: []int{1, 2}}
			for _, client := range answer.GetClients() {
				if a.json {
					if err := a.object(client); err != nil {
						return err
					}
					continue
				}
				var scopes []string
				for _, scope := range client.GetScopes() {
					scopes = append(scopes, word(scope, "SCOPE_"))
				}
				result.add(client.GetName(), strings.Join(scopes, ", "), strings.Join(client.GetUnixUsers(), ", "),
					decimal(int32(len(client.GetTokens()))), a.when(client.GetCreateTime()))
			}
			if !a.json {
				result.print(a.Out, a.style)
			}
			return nil
		}),
	}
}

// find gives a client by its name.
func (a *app) find(ctx context.Context, client *sdk.Client, name string) (*postilionv1.Client, error) {
	answer, err := client.Admin.ListClients(ctx, &postilionv1.ListClientsRequest{})
	if err != nil {
		return nil, err
	}
	for _, found := range answer.GetClients() {
		if found.GetName() == name {
			return found, nil
		}
	}
	return nil, exit{exitFailed, errNoClient(name)}
}

type errNoClient string

func (e errNoClient) Error() string {
	return "there is no client \"" + string(e) + "\"; see postilion clients list"
}

func (a *app) clientsUpdate() *cobra.Command {
	var fields clientFlags
	command := &cobra.Command{
		Use:   "update NAME",
		Short: "Change what is given of a client; an empty value empties a list",
		Args:  cobra.ExactArgs(1),
	}
	fields.register(command.Flags())
	command.RunE = a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
		changed, err := a.find(ctx, client, args[0])
		if err != nil {
			return err
		}
		if err := fields.apply(command.Flags(), changed); err != nil {
			return err
		}
		answer, err := client.Admin.UpdateClient(ctx, &postilionv1.UpdateClientRequest{Client: changed})
		if err != nil {
			return err
		}
		if a.json {
			return a.object(answer)
		}
		a.printf("client %s\n", describeClient(answer.GetClient()))
		return nil
	})
	return command
}

func (a *app) clientsDelete() *cobra.Command {
	request := &postilionv1.DeleteClientRequest{}
	command := &cobra.Command{
		Use:   "delete NAME",
		Short: "Remove a client with its tokens, connections and routes",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			request.Name = args[0]
			answer, err := client.Admin.DeleteClient(ctx, request)
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
	command.Flags().BoolVar(&request.Force, "force", false, "also if its mail waits; that mail is held")
	return command
}

func (a *app) tokenCreate() *cobra.Command {
	return &cobra.Command{
		Use:   "create CLIENT",
		Short: "Make a further token and show it, this once",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Admin.CreateToken(ctx, &postilionv1.CreateTokenRequest{Client: args[0]})
			if err != nil {
				return err
			}
			if a.json {
				return a.object(answer)
			}
			a.printf("id     %s\n", clean(answer.GetToken().GetId()))
			a.printToken(answer.GetSecret())
			return nil
		}),
	}
}

func (a *app) tokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke CLIENT TOKEN-ID",
		Short: "End a token at once",
		Args:  cobra.ExactArgs(2),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Admin.RevokeToken(ctx, &postilionv1.RevokeTokenRequest{Client: args[0], TokenId: args[1]})
			if err != nil {
				return err
			}
			if a.json {
				return a.object(answer)
			}
			a.printf("%s: revoked\n", clean(args[1]))
			return nil
		}),
	}
}

func (a *app) tokenList() *cobra.Command {
	return &cobra.Command{
		Use:   "list CLIENT",
		Short: "List the tokens of a client, without the tokens themselves",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			found, err := a.find(ctx, client, args[0])
			if err != nil {
				return err
			}
			result := table{head: []string{"ID", "BEGINS WITH", "CREATED"}}
			for _, token := range found.GetTokens() {
				if a.json {
					if err := a.object(token); err != nil {
						return err
					}
					continue
				}
				result.add(token.GetId(), token.GetHint(), a.when(token.GetCreateTime()))
			}
			if !a.json {
				result.print(a.Out, a.style)
			}
			return nil
		}),
	}
}
