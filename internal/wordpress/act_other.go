//go:build !linux

package wordpress

import (
	"errors"
	"os"
)

// as does something with the file rights of a user.
func as(uid, _ int, do func() error) error {
	if uid != os.Geteuid() {
		return errors.New("run this command as the user whom the site belongs to")
	}
	return do()
}
