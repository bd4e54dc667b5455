//go:build !unix

package sdk

import "os/exec"

func detach(*exec.Cmd) {}
