package convert

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/plugin/host"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/plugins"
)

// PluginRun takes how a plugin is run.
func PluginRun(in *postilionv1.Plugin) plugins.Run {
	return plugins.Run{
		Args: in.GetArgs(), Environment: in.GetEnvironment(), ReadPaths: in.GetReadPaths(), WritePaths: in.GetWritePaths(),
		MaxMemory: in.GetMaxMemoryBytes(), MaxCPU: in.GetMaxCpuMillis(), NoNetwork: in.GetNoNetwork(), WithoutTLS: in.GetWithoutTls(),
	}
}

var pluginStates = map[host.State]postilionv1.PluginState{
	host.Starting: postilionv1.PluginState_PLUGIN_STATE_STARTING,
	host.Ready:    postilionv1.PluginState_PLUGIN_STATE_READY,
	host.Backoff:  postilionv1.PluginState_PLUGIN_STATE_BACKOFF,
	host.Failed:   postilionv1.PluginState_PLUGIN_STATE_FAILED,
	host.Stopped:  postilionv1.PluginState_PLUGIN_STATE_STOPPED,
}

// FromPlugin gives the API's view of a plugin, which some connections use.
func FromPlugin(p plugins.Info, connections []string) *postilionv1.Plugin {
	return &postilionv1.Plugin{
		Name: p.Name, Args: p.Args, Environment: p.Environment, ReadPaths: p.ReadPaths, WritePaths: p.WritePaths,
		MaxMemoryBytes: p.MaxMemory, MaxCpuMillis: p.MaxCPU, NoNetwork: p.NoNetwork, WithoutTls: p.WithoutTLS,
		File: p.File, Sha256: p.SHA256, Version: p.Description.Version, Transport: Transport(p.Description),
		Enabled: p.Enabled, State: pluginStates[p.State], Reason: p.Reason, Since: timestamp(p.Since), Pid: int32(p.PID),
		Starts: int64(p.Starts), Crashes: int64(p.Crashes), Confinement: p.Confinement, Connections: connections,
		CreateTime: timestamppb.New(p.Created),
	}
}

// PluginVerification gives the API's view of a verification.
func PluginVerification(v plugins.Verification) *postilionv1.PluginVerification {
	return &postilionv1.PluginVerification{Name: v.Name, Ok: v.Reason == "", Reason: v.Reason, Sha256: v.SHA256, FoundSha256: v.Found}
}
