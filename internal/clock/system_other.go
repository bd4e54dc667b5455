//go:build !linux

package clock

// System is the machine's source.
func System() Source { return Process() }

func bootID() string { return "" }
