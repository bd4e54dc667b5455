// Command transport-webhook is a transport of Postilion that posts messages as
// JSON to a URL, signed as https://www.standardwebhooks.com has it:
//
//	go build -o bin/ ./examples/transport-webhook
//	postilion plugins add "$PWD/bin/transport-webhook"
//	postilion configure hook --transport webhook --setting url=https://example.com/mail --secret-file secret=FILE
//
// It reaches no addresses of this machine and its network, since those who may
// configure connections may not be those who may look around there. With the
// argument -allow-local it does.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/postilion-mail/postilion/plugin"
)

func main() {
	local := flag.Bool("allow-local", false, "reach addresses of this machine and its network too")
	flag.Parse()
	os.Args = append(os.Args[:1], flag.Args()...) // the rest is for trying it out by hand
	if err := plugin.Serve(transport{allowLocal: *local}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
