//go:build race

package host

// cycles is how often a plugin crashes in TestCrashesLeaveNothing, and flood how
// many octets one writes in TestHostLivesThroughHostilePlugins. The race
// detector makes everything slow.
const (
	cycles = 20
	flood  = 20 << 20
)
