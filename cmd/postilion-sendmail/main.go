// Postilion-sendmail is `postilion sendmail` alone, for packages that care
// about its start: a drop-in for /usr/sbin/sendmail.
package main

import (
	"os"

	"github.com/postilion-mail/postilion/internal/sendmail"
)

func main() {
	os.Exit(sendmail.Main(os.Args, os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
