// Command transport-maildir is a transport of Postilion that delivers into
// Maildirs on this machine, as a local mail server does:
//
//	go build -o bin/ ./examples/transport-maildir
//	postilion plugins add --write /srv/mail "$PWD/bin/transport-maildir"
//	postilion configure local --transport maildir --setting directory=/srv/mail
package main

import (
	"fmt"
	"os"

	"github.com/postilion-mail/postilion/plugin"
)

func main() {
	if err := plugin.Serve(transport{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
