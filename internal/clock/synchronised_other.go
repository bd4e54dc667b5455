//go:build !linux

package clock

// Synchronised cannot tell.
func Synchronised() (synchronised, known bool) { return false, false }
