package cli

import (
	"strings"

	"github.com/spf13/cobra"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the versions of this program and of the daemon",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			client, err := a.dial()
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			info, err := client.Admin.GetServerInfo(command.Context(), &postilionv1.GetServerInfoRequest{})
			if a.json && err == nil {
				return a.object(info)
			}
			a.printf("postilion %s\n", a.Version)
			if err != nil {
				_, text, _ := a.explain(err)
				a.printf("daemon    %s\n", clean(text))
				return nil // the program's own version is what was asked for
			}
			var scopes []string
			for _, scope := range info.GetScopes() {
				scopes = append(scopes, word(scope, "SCOPE_"))
			}
			a.printf("daemon    %s, running since %s\n", clean(info.GetVersion()), a.when(info.GetStartTime()))
			a.printf("you are   client %s with scopes %s\n", clean(info.GetClient()), strings.Join(scopes, ", "))
			return nil
		},
	}
}
