package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

func (a *app) pluginsCommand() *cobra.Command {
	return group("plugins", "Manage the transports that run as programs of their own",
		a.pluginsAdd(), a.pluginsList(), a.pluginsShow(), a.pluginsVerify(), a.pluginsEnable(), a.pluginsDisable(),
		a.pluginsRemove(), a.pluginsLogs())
}

// pluginFlags say how a plugin is run.
type pluginFlags struct {
	plugin postilionv1.Plugin
	memory string
	cpu    string
}

func (p *pluginFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&p.plugin.Args, "arg", nil, "an `argument` of the program")
	flags.StringArrayVar(&p.plugin.Environment, "env", nil, "`name` of a variable of the daemon's environment that it gets")
	flags.StringVar(&p.plugin.Name, "name", "", "what it must call itself")
	flags.StringArrayVar(&p.plugin.ReadPaths, "read", nil, "`path` that it may read")
	flags.StringArrayVar(&p.plugin.WritePaths, "write", nil, "`path` where it may write")
	flags.StringVar(&p.memory, "max-memory", "", "most memory, a `size` such as 64MiB")
	flags.StringVar(&p.cpu, "max-cpu", "", "most `processors`, such as 0.5")
	flags.BoolVar(&p.plugin.WithoutTls, "no-tls", false, "for programs whose gRPC cannot use go-plugin's certificates, such as Python's")
	flags.BoolVar(&p.plugin.NoNetwork, "no-network", false, "it has no way to the network")
}

// message gives how the plugin is run, with paths as the daemon needs them.
func (p *pluginFlags) message() (*postilionv1.Plugin, error) {
	plugin := proto.CloneOf(&p.plugin)
	for _, paths := range [][]string{plugin.ReadPaths, plugin.WritePaths} {
		for i := range paths {
			absolute, err := filepath.Abs(paths[i])
			if err != nil {
				return nil, err
			}
			paths[i] = absolute
		}
	}
	var err error
	if p.memory != "" {
		if plugin.MaxMemoryBytes, err = size(p.memory); err != nil {
			return nil, usage("--max-memory %q: write a size such as 64MiB", p.memory)
		}
	}
	if p.cpu != "" {
		processors, err := strconv.ParseFloat(p.cpu, 64)
		if err != nil || !(processors >= 0.001 && processors <= 1000) {
			return nil, usage("--max-cpu %q: write a number of processors such as 0.5", p.cpu)
		}
		plugin.MaxCpuMillis = uint32(math.Round(processors * 1000))
	}
	return plugin, nil
}

// size reads octets: a number, with KiB, MiB or GiB or without.
func size(text string) (int64, error) {
	shift := 0
	for unit, by := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			text, shift = number, by
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>shift {
		return 0, errors.New("no size")
	}
	return n << shift, nil
}

func (a *app) pluginsAdd() *cobra.Command {
	var (
		fields  pluginFlags
		request postilionv1.AddPluginRequest
	)
	command := &cobra.Command{
		Use:   "add PATH",
		Short: "Add a program as a transport",
		Long: `Add has the daemon copy the program at PATH, note its checksum, start it, and ask
what it is. The copy is what runs from then on. What it is called it says itself.`,
		Example: `  postilion plugins add ./transport-maildir --write /var/mail
  postilion plugins add ./transport-webhook --max-memory 64MiB`,
		Args: cobra.ExactArgs(1),
	}
	fields.register(command.Flags())
	command.Flags().StringVar(&request.Sha256, "sha256", "", "`checksum` that the program must have, in hexadecimal")
	command.Flags().BoolVar(&request.Replace, "replace", false, "take the place of the plugin of the same name")
	command.RunE = a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
		var err error
		if request.Path, err = filepath.Abs(args[0]); err != nil {
			return err
		}
		if request.Plugin, err = fields.message(); err != nil {
			return err
		}
		answer, err := client.Plugins.AddPlugin(ctx, &request)
		if err != nil {
			return err
		}
		if a.json {
			return a.object(answer)
		}
		what := "added"
		if answer.GetReplaced() {
			what = "replaced"
		}
		plugin := answer.GetPlugin()
		name := clean(plugin.GetName())
		a.printf("%s: %s: %s, %s\n", name, what, clean(titleOf(plugin)), a.stateText(plugin))
		a.printf("  runs confined by: %s\n", clean(plugin.GetConfinement()))
		a.printf("  use it: postilion configure NAME --transport %s%s\n", name, clean(neededFlags(plugin)))
		return nil
	})
	return command
}

func titleOf(p *postilionv1.Plugin) string {
	title := p.GetTransport().GetTitle()
	if title == "" {
		title = p.GetName()
	}
	return strings.TrimSpace(title + " " + p.GetVersion())
}

// neededFlags are the flags of configure for the settings that a transport
// cannot do without.
func neededFlags(p *postilionv1.Plugin) string {
	var flags strings.Builder
	for _, f := range p.GetTransport().GetFields() {
		switch {
		case !f.GetRequired():
		case f.GetSecret():
			flags.WriteString(" --secret-file " + f.GetName() + "=FILE")
		default:
			flags.WriteString(" --setting " + f.GetName() + "=" + strings.ToUpper(f.GetName()))
		}
	}
	return flags.String()
}

// stateText is a plugin's state, coloured by whether it works.
func (a *app) stateText(p *postilionv1.Plugin) string {
	color := ""
	switch p.GetState() {
	case postilionv1.PluginState_PLUGIN_STATE_READY:
		color = green
	case postilionv1.PluginState_PLUGIN_STATE_BACKOFF, postilionv1.PluginState_PLUGIN_STATE_FAILED:
		color = red
	}
	return a.style.paint(color, word(p.GetState(), "PLUGIN_STATE_"))
}

func (a *app) pluginsList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the plugins and how they are",
		Args:  cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, client *sdk.Client, _ []string) error {
			answer, err := client.Plugins.ListPlugins(ctx, &postilionv1.ListPluginsRequest{})
			if err != nil {
				return err
			}
			result := table{head: []string{"NAME", "VERSION", "STATE", "PID", "STARTS", "CRASHES", "CONFINED BY"}, shrink: []int{6, 0}}
			for _, p := range answer.GetPlugins() {
				if a.json {
					if err := a.object(p); err != nil {
						return err
					}
					continue
				}
				pid := ""
				if p.GetPid() != 0 {
					pid = strconv.Itoa(int(p.GetPid()))
				}
				result.add(p.GetName(), p.GetVersion(), word(p.GetState(), "PLUGIN_STATE_"), pid,
					strconv.FormatInt(p.GetStarts(), 10), strconv.FormatInt(p.GetCrashes(), 10), p.GetConfinement())
				if p.GetReason() != "" {
					result.note(p.GetReason())
				}
			}
			if !a.json {
				result.print(a.Out, a.style)
			}
			return nil
		}),
	}
}

// findPlugin gives the plugin of a name.
func (a *app) findPlugin(ctx context.Context, client *sdk.Client, name string) (*postilionv1.Plugin, error) {
	answer, err := client.Plugins.ListPlugins(ctx, &postilionv1.ListPluginsRequest{})
	if err != nil {
		return nil, err
	}
	for _, p := range answer.GetPlugins() {
		if p.GetName() == name {
			return p, nil
		}
	}
	return nil, exit{exitFailed, fmt.Errorf("there is no plugin %q; see postilion plugins list", name)}
}

func (a *app) pluginsShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show all that is known of a plugin, and its settings",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			p, err := a.findPlugin(ctx, client, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.object(p)
			}
			a.describePlugin(p)
			return nil
		}),
	}
}

func (a *app) describePlugin(p *postilionv1.Plugin) {
	state := word(p.GetState(), "PLUGIN_STATE_")
	if p.GetPid() != 0 {
		state += fmt.Sprintf(", process %d", p.GetPid())
	}
	if p.GetReason() != "" {
		state += ": " + p.GetReason()
	}
	memory := ""
	if n := p.GetMaxMemoryBytes(); n != 0 {
		memory = bytesText(n)
	}
	processors := ""
	if n := p.GetMaxCpuMillis(); n != 0 {
		processors = strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) + " processors"
	}
	network := ""
	if p.GetNoNetwork() {
		network = "none"
	}
	tls := ""
	if p.GetWithoutTls() {
		tls = "none"
	}
	for _, line := range [][2]string{
		{"plugin", p.GetName() + ", " + titleOf(p)},
		{"state", state},
		{"since", a.when(p.GetSince())},
		{"starts", fmt.Sprintf("%d, crashes %d", p.GetStarts(), p.GetCrashes())},
		{"confined by", p.GetConfinement()},
		{"arguments", strings.Join(p.GetArgs(), " ")},
		{"environment", strings.Join(p.GetEnvironment(), " ")},
		{"reads", strings.Join(p.GetReadPaths(), ", ")},
		{"writes", strings.Join(p.GetWritePaths(), ", ")},
		{"memory", memory},
		{"processor", processors},
		{"network", network},
		{"tls", tls},
		{"file", p.GetFile()},
		{"sha256", p.GetSha256()},
		{"added", a.when(p.GetCreateTime())},
		{"used by", strings.Join(p.GetConnections(), ", ")},
	} {
		if line[1] != "" {
			a.printf("%-11s %s\n", line[0], clean(line[1]))
		}
	}
	if fields := p.GetTransport().GetFields(); len(fields) > 0 {
		a.printf("\n")
		a.printFields(fields)
	}
}

// printFields lists a transport's settings.
func (a *app) printFields(fields []*postilionv1.TransportField) {
	result := table{head: []string{"SETTING", "TYPE", "DEFAULT", "MEANING"}, shrink: []int{3}}
	for _, f := range fields {
		kind := f.GetType()
		if len(f.GetOptions()) > 0 {
			kind = strings.Join(f.GetOptions(), "|")
		}
		if f.GetSecret() {
			kind = "secret"
		}
		preset := f.GetDefaultValue()
		if f.GetRequired() {
			preset = "required"
		}
		result.add(f.GetName(), kind, preset, strings.TrimSpace(f.GetLabel()+". "+f.GetHelp()))
	}
	result.print(a.Out, a.style)
}

func (a *app) pluginsVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [NAME]",
		Short: "Compare the programs with their checksums, without starting them",
		Long:  `Verify exits with 1 if a program is not the one that was added.`,
		Args:  cobra.MaximumNArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Plugins.VerifyPlugins(ctx, &postilionv1.VerifyPluginsRequest{Name: strings.Join(args, "")})
			if err != nil {
				return err
			}
			if a.json {
				err = a.object(answer)
			} else {
				a.printVerified(answer.GetPlugins())
			}
			if err == nil && !answer.GetOk() {
				return exit{code: exitFailed}
			}
			return err
		}),
	}
}

func (a *app) printVerified(plugins []*postilionv1.PluginVerification) {
	for _, p := range plugins {
		text := a.style.paint(green, "ok") + " " + clean(p.GetSha256())
		if !p.GetOk() {
			text = a.style.paint(red, "not ok") + ": " + clean(p.GetReason())
		}
		a.printf("%s: %s\n", clean(p.GetName()), text)
	}
}

func (a *app) pluginsEnable() *cobra.Command {
	return &cobra.Command{
		Use:   "enable NAME",
		Short: "Start a plugin, also one that has failed too often",
		Long:  `Enable exits with 1 if the plugin does not become ready.`,
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Plugins.EnablePlugin(ctx, &postilionv1.EnablePluginRequest{Name: args[0]})
			if err != nil {
				return err
			}
			if err := a.printSwitched(answer, answer.GetPlugin()); err != nil {
				return err
			}
			if answer.GetPlugin().GetState() != postilionv1.PluginState_PLUGIN_STATE_READY {
				return exit{code: exitFailed}
			}
			return nil
		}),
	}
}

func (a *app) pluginsDisable() *cobra.Command {
	return &cobra.Command{
		Use:   "disable NAME",
		Short: "Stop a plugin when its deliveries are done; mail for it waits",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Plugins.DisablePlugin(ctx, &postilionv1.DisablePluginRequest{Name: args[0]})
			if err != nil {
				return err
			}
			return a.printSwitched(answer, answer.GetPlugin())
		}),
	}
}

func (a *app) printSwitched(answer proto.Message, p *postilionv1.Plugin) error {
	if a.json {
		return a.object(answer)
	}
	text := a.stateText(p)
	if p.GetReason() != "" {
		text += ": " + clean(p.GetReason())
	}
	a.printf("%s: %s\n", clean(p.GetName()), text)
	return nil
}

func (a *app) pluginsRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a plugin and its program, if no connection uses it",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Plugins.RemovePlugin(ctx, &postilionv1.RemovePluginRequest{Name: args[0]})
			if err != nil {
				return err
			}
			if a.json {
				return a.object(answer)
			}
			a.printf("%s: removed\n", clean(args[0]))
			return nil
		}),
	}
}

func (a *app) pluginsLogs() *cobra.Command {
	return &cobra.Command{
		Use:   "logs NAME",
		Short: "Print the last lines that a plugin wrote",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Plugins.GetPluginLog(ctx, &postilionv1.GetPluginLogRequest{Name: args[0]})
			if err != nil {
				return err
			}
			if a.json {
				return a.object(answer)
			}
			for _, line := range answer.GetLines() {
				a.printf("%s\n", clean(line))
			}
			return nil
		}),
	}
}
