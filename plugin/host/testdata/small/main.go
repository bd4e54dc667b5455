// Command small is a plugin that ends in the middle of a delivery to crash@x,
// and uses 1000 octets of memory for one to 1000@x.
package main

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/postilion-mail/postilion/plugin"
)

type transport struct{}

func (transport) Describe() plugin.Description {
	return plugin.Description{Name: "small", Version: "1", Capabilities: plugin.Capabilities{ReportsCommit: true}}
}

func (t transport) Open(context.Context, plugin.Settings) (plugin.Instance, error) { return t, nil }

func (transport) Check(context.Context, plugin.CheckRequest, func(plugin.Stage)) error { return nil }

func (transport) Deliver(_ context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	if err := committing(); err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(d.Envelope.Recipients[0].Address, "@")
	if name == "crash" {
		os.Exit(9)
	}
	octets, _ := strconv.Atoi(name)
	used := bytes.Repeat([]byte{1}, octets)
	defer runtime.KeepAlive(used)
	return plugin.ForAll(d, plugin.AcceptedOutcome("250 ok")), nil
}

func (transport) Close() error { return nil }

func main() {
	if plugin.Serve(transport{}) != nil {
		os.Exit(1)
	}
}
