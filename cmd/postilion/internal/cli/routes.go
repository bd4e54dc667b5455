package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

func (a *app) routesCommand() *cobra.Command {
	return group("routes", "Show and set which messages go through which connection", a.routesList(), a.routesSet())
}

func (a *app) routesList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the routes; the first that matches decides",
		Args:  cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, client *sdk.Client, _ []string) error {
			answer, err := client.Connections.GetRoutes(ctx, &postilionv1.GetRoutesRequest{})
			if err != nil {
				return err
			}
			if a.json {
				return a.object(answer)
			}
			if len(answer.GetRoutes()) == 0 {
				a.printf("no routes: messages that name no connection go through the default one\n")
				return nil
			}
			result := table{head: []string{"#", "IF", "THROUGH"}, shrink: []int{1}}
			for i, route := range answer.GetRoutes() {
				result.add(strconv.Itoa(i+1), condition(route), route.GetConnection())
			}
			result.print(a.Out, a.style)
			return nil
		}),
	}
}

// condition says in words what a route matches.
func condition(route *postilionv1.Route) string {
	var headers []string
	for _, header := range route.GetHeaders() {
		headers = append(headers, strings.TrimSuffix(header.GetName()+": "+header.GetValue(), ": "))
	}
	var parts []string
	for _, part := range []struct {
		name   string
		values []string
	}{
		{"client", route.GetClients()}, {"from", route.GetFrom()}, {"all to", route.GetRecipientDomains()},
		{"header", headers}, {"tag", route.GetTags()},
	} {
		if len(part.values) > 0 {
			parts = append(parts, part.name+" "+strings.Join(part.values, " or "))
		}
	}
	if len(parts) == 0 {
		return "always"
	}
	return strings.Join(parts, ", and ")
}

func (a *app) routesSet() *cobra.Command {
	var file, etag string
	command := &cobra.Command{
		Use:   "set --file FILE",
		Short: "Replace the routes",
		Long: `Set replaces all routes by those of a YAML or JSON file:

  routes:
  - recipientDomains: [example.com]
    connection: internal
  - tags: [newsletter]
    connection: bulk`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, client *sdk.Client, _ []string) error {
			if file == "" {
				return usage("--file is missing: name a YAML or JSON file with the routes, or - for standard input")
			}
			request := &postilionv1.SetRoutesRequest{}
			if err := a.readMessage(file, request); err != nil {
				return err
			}
			if etag != "" {
				request.Etag = etag
			}
			answer, err := client.Connections.SetRoutes(ctx, request)
			if err != nil {
				return err
			}
			if a.json {
				return a.object(answer)
			}
			a.printf("%d routes are set\n", len(request.GetRoutes()))
			return nil
		}),
	}
	command.Flags().StringVar(&file, "file", "", "YAML or JSON `file` with the routes; - reads standard input")
	command.Flags().StringVar(&etag, "etag", "", "fail if the routes' etag is another")
	return command
}
