//go:build !race

package host

// cycles is how often a plugin crashes in TestCrashesLeaveNothing, and flood how
// many octets one writes in TestHostLivesThroughHostilePlugins.
const (
	cycles = 200
	flood  = 100 << 20
)
