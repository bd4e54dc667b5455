package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postilion-mail/postilion/internal/wordpress"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

func (a *app) wordpressCommand() *cobra.Command {
	return group("wordpress", "Connect a WordPress on this machine",
		a.wordpressConnect(), a.wordpressStatus(), a.wordpressDisconnect())
}

// pairing is what connecting a site takes.
type pairing struct {
	user       string
	url        string
	name       string
	httpSocket string
	maildrop   string
	token      bool
	print      bool
	noInstall  bool
}

func (a *app) wordpressConnect() *cobra.Command {
	var p pairing
	command := &cobra.Command{
		Use:   "connect PATH",
		Short: "Let a WordPress delegate its mail: a client, wp-config.php, the plugin",
		Long: `Connect finds the WordPress in a folder, makes a client for it, writes the
constants of the plugin into wp-config.php (a copy of the old one is kept), and
installs and activates the plugin. A second call brings all of it up to date.

The client is bound to the Unix user that runs the site's PHP, so that there is
no token; sites that share a user get a token each. Its origin is the site's
URL: mail of a copy of the site elsewhere is held.`,
		Example: `  postilion wordpress connect /var/www/html
  postilion configure main --provider gmail --username x@gmail.com --password-file - --shared`,
		Args: cobra.ExactArgs(1),
	}
	flags := command.Flags()
	flags.StringVar(&p.user, "user", "", "Unix `user` that runs the site's PHP (the owner of its uploads)")
	flags.StringVar(&p.url, "url", "", "`URL` of the site (what it says itself)")
	flags.StringVar(&p.name, "name", "", "`name` of the client (made of the URL)")
	flags.StringVar(&p.httpSocket, "http-socket", "", "the daemon's `socket` for JSON (what it says itself)")
	flags.StringVar(&p.maildrop, "maildrop-dir", "", "`directory` for mail while the daemon is away (what it says itself)")
	flags.BoolVar(&p.token, "with-token", false, "give the site a token, instead of binding the client to a Unix user")
	flags.BoolVar(&p.print, "print", false, "print the lines for wp-config.php instead of writing them")
	flags.BoolVar(&p.noInstall, "no-install", false, "leave the plugin to you")
	command.RunE = a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
		return a.connect(ctx, client, &p, args[0])
	})
	return command
}

func (a *app) connect(ctx context.Context, client *sdk.Client, p *pairing, path string) error {
	site, err := wordpress.Find(path)
	if err != nil {
		return exit{exitData, err}
	}
	a.printf("site      %s\n", clean(site.Root))
	why := "as you say"
	if p.user == "" {
		p.user, why = site.User()
	}
	if p.user == "" || p.user == "root" {
		return usage("which user runs the site's PHP? give --user, not root")
	}
	a.printf("PHP user  %s (%s)\n", clean(p.user), clean(why))
	if p.url == "" {
		info, err := site.Ask(ctx, p.user, "")
		if err != nil {
			return exit{exitData, fmt.Errorf("the site does not tell its URL: %w; give --url", err)}
		}
		p.url = info.URL
	}
	named := p.name != ""
	if !named {
		p.name = wordpress.ClientName(p.url)
	}
	if p.name == "" {
		return usage("--url %.80q is no URL", p.url)
	}
	a.printf("URL       %s\n", clean(p.url))
	info, err := client.Admin.GetServerInfo(ctx, &postilionv1.GetServerInfoRequest{})
	if err != nil {
		return err
	}
	socket := cmp.Or(p.httpSocket, info.GetHttpSocket())
	constants := []wordpress.Constant{
		{Name: "POSTILION_SOCKET", Value: socket}, {Name: "POSTILION_MAILDROP_DIR", Value: cmp.Or(p.maildrop, info.GetMaildropDir())},
	}
	token, err := a.pair(ctx, client, p, site, named)
	if err != nil {
		return err
	}
	if token != "" {
		constants = append(constants, wordpress.Constant{Name: "POSTILION_TOKEN", Value: token})
	}
	if err := wordpress.Reaches(ctx, p.user, socket); err != nil {
		a.printf("WARNING   %s\n", clean(err.Error()))
	}
	return a.setUp(ctx, p, site, constants)
}

// setUp changes the site.
func (a *app) setUp(ctx context.Context, p *pairing, site *wordpress.Site, constants []wordpress.Constant) error {
	if p.print {
		a.printf("\nPut this into %s, before the line that loads wp-settings.php:\n\n%s\n", clean(site.Config), wordpress.Lines(constants))
	} else {
		changed, err := site.Change(func(source []byte) ([]byte, error) { return wordpress.With(source, constants) })
		if err != nil {
			return exit{exitFailed, fmt.Errorf("%w\nNothing was changed. Put this in by hand, before the line that loads wp-settings.php:\n\n%s", err, wordpress.Lines(constants))}
		}
		if changed {
			a.printf("config    %s is changed; %s is as it was before\n", clean(site.Config), wordpress.Backup)
		} else {
			a.printf("config    %s needs no change\n", clean(site.Config))
		}
	}
	if p.noInstall {
		return nil
	}
	if err := site.Install(); err != nil {
		return exit{exitFailed, fmt.Errorf("the plugin cannot be installed: %w; install the zip in WordPress under Plugins > Add New > Upload", err)}
	}
	info, err := site.Ask(ctx, p.user, "activate")
	switch {
	case err != nil:
		a.printf("plugin    is installed; activate it in WordPress under Plugins (%s)\n", clean(err.Error()))
	case info.Active:
		a.printf("plugin    is installed and active\n")
	}
	a.printf("\nFrom now on the site's mail goes through Postilion. What it goes out by is set up in WordPress under\nSettings > Postilion, or here: postilion configure main --shared ...\n")
	return nil
}

// pair makes or changes the site's client, and gives its token if it needs one
// and has none yet. What the site says of itself must not make it the client of
// another: only the administrator can, by naming the client.
func (a *app) pair(ctx context.Context, client *sdk.Client, p *pairing, site *wordpress.Site, named bool) (token string, err error) {
	answer, err := client.Admin.ListClients(ctx, &postilionv1.ListClientsRequest{})
	if err != nil {
		return "", err
	}
	wanted := &postilionv1.Client{
		Name: p.name, Origin: p.url,
		Scopes: []postilionv1.Scope{postilionv1.Scope_SCOPE_SEND, postilionv1.Scope_SCOPE_READ, postilionv1.Scope_SCOPE_CONFIGURE},
	}
	var known *postilionv1.Client
	for _, c := range answer.GetClients() {
		switch {
		case c.GetName() == p.name:
			known = c
		case slices.Contains(c.GetUnixUsers(), p.user) && !p.token:
			a.printf("client    the user %s is the client %s already, so this site gets a token\n", clean(p.user), clean(c.GetName()))
			p.token = true
		}
	}
	if known == nil {
		if !p.token {
			wanted.UnixUsers = []string{p.user}
		}
		made, err := client.Admin.CreateClient(ctx, &postilionv1.CreateClientRequest{Client: wanted, WithToken: p.token})
		if err != nil {
			return "", err
		}
		a.printf("client    %s\n", describeClient(made.GetClient()))
		return made.GetToken(), nil
	}
	held := a.heldToken(ctx, site)
	mine := slices.Contains(known.GetUnixUsers(), p.user) || held.client == p.name
	if !named && (!mine || !wordpress.Same(known.GetOrigin(), p.url)) {
		return "", exit{exitFailed, fmt.Errorf("there is a client %s already, of the site %s; if this is that site, say so with --name %s, else give another name",
			clean(p.name), clean(cmp.Or(known.GetOrigin(), "that did not say its URL")), clean(p.name))}
	}
	if held.client == p.name {
		p.token = true
	}
	known.Origin = p.url
	for _, scope := range wanted.GetScopes() {
		if !slices.Contains(known.GetScopes(), scope) {
			known.Scopes = append(known.Scopes, scope)
		}
	}
	if !p.token && !slices.Contains(known.GetUnixUsers(), p.user) {
		known.UnixUsers = append(known.UnixUsers, p.user)
	}
	changed, err := client.Admin.UpdateClient(ctx, &postilionv1.UpdateClientRequest{Client: known})
	if err != nil {
		return "", err
	}
	a.printf("client    %s\n", describeClient(changed.GetClient()))
	if !p.token {
		return "", nil
	}
	if held.client == p.name {
		return held.token, nil
	}
	made, err := client.Admin.CreateToken(ctx, &postilionv1.CreateTokenRequest{Client: p.name})
	return made.GetSecret(), err
}

// heldToken is the token in a site's wp-config.php, and the client that the
// daemon knows by it; empty if it knows none.
func (a *app) heldToken(ctx context.Context, site *wordpress.Site) (held struct{ token, client string }) {
	source, err := site.Read()
	if err != nil {
		return held
	}
	held.token = wordpress.Value(source, "POSTILION_TOKEN")
	if held.token == "" {
		return held
	}
	info, err := a.asSite(ctx, wordpress.Value(source, "POSTILION_SOCKET"), held.token)
	if err == nil {
		held.client = info.GetClient()
	}
	return held
}

// asSite asks the daemon who a token's owner is, at the socket beside the one
// for JSON.
func (a *app) asSite(ctx context.Context, socket, token string) (*postilionv1.GetServerInfoResponse, error) {
	client, err := sdk.Dial(strings.TrimSuffix(socket, "-http.sock")+".sock", sdk.WithToken(token), sdk.WithTimeout(a.timeout))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Admin.GetServerInfo(ctx, &postilionv1.GetServerInfoRequest{})
}

func (a *app) wordpressStatus() *cobra.Command {
	var user string
	command := &cobra.Command{
		Use:   "status PATH",
		Short: "Tell how a WordPress is connected",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			site, err := wordpress.Find(args[0])
			if err != nil {
				return exit{exitData, err}
			}
			source, err := site.Read()
			if err != nil {
				return exit{exitNoInput, err}
			}
			if user == "" {
				user, _ = site.User()
			}
			socket := wordpress.Value(source, "POSTILION_SOCKET")
			a.printf("site      %s\nPHP user  %s\nsocket    %s\n", clean(site.Root), clean(user), clean(cmp.Or(socket, "not set in wp-config.php")))
			ok := socket != ""
			if socket != "" {
				if err := wordpress.Reaches(command.Context(), user, socket); err != nil {
					a.printf("          %s\n", clean(err.Error()))
					ok = false
				}
			}
			info, err := site.Ask(command.Context(), user, "")
			switch {
			case err != nil:
				a.printf("plugin    %s; the site cannot be asked: %s\n", map[bool]string{true: "installed", false: "not installed"}[site.Installed()], clean(err.Error()))
			case info.Active:
				a.printf("plugin    active\nWordPress %s, PHP %s, %s\n", clean(info.WP), clean(info.PHP), clean(info.URL))
			default:
				a.printf("plugin    %s\n", map[bool]string{true: "installed, not active", false: "not installed"}[site.Installed()])
				ok = false
			}
			if !ok {
				return exit{code: exitFailed}
			}
			return nil
		},
	}
	command.Flags().StringVar(&user, "user", "", "Unix `user` that runs the site's PHP")
	return command
}

func (a *app) wordpressDisconnect() *cobra.Command {
	var (
		user   string
		client string
	)
	command := &cobra.Command{
		Use:   "disconnect PATH",
		Short: "Let a WordPress send its mail itself again",
		Long: `Disconnect deactivates the plugin and takes its constants out of wp-config.php.
The plugin's files stay, and so does the client with its messages, unless
--delete-client names it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			site, err := wordpress.Find(args[0])
			if err != nil {
				return exit{exitData, err}
			}
			if user == "" {
				user, _ = site.User()
			}
			if _, err := site.Ask(command.Context(), user, "deactivate"); err != nil && !errors.Is(err, wordpress.ErrNoPHP) {
				a.printf("plugin    deactivate it in WordPress under Plugins (%s)\n", clean(err.Error()))
			}
			changed, err := site.Change(wordpress.Without)
			if err != nil {
				return exit{exitFailed, err}
			}
			if changed {
				a.printf("config    %s has no constants of Postilion any more\n", clean(site.Config))
			}
			if client == "" {
				return nil
			}
			return a.run(func(ctx context.Context, c *sdk.Client, _ []string) error {
				if _, err := c.Admin.DeleteClient(ctx, &postilionv1.DeleteClientRequest{Name: client}); err != nil {
					return err
				}
				a.printf("client    %s is deleted\n", clean(client))
				return nil
			})(command, args)
		},
	}
	command.Flags().StringVar(&user, "user", "", "Unix `user` that runs the site's PHP")
	command.Flags().StringVar(&client, "delete-client", "", "`name` of the client to delete, too")
	return command
}
