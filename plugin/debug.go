package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const debugUsage = `This program is a transport of Postilion, which runs it as a plugin. To try it out by hand:

  describe                          what it is and which settings it takes
  check SETTINGS                    go through the stages of a connection test
  deliver SETTINGS FROM TO...       deliver the message on stdin

SETTINGS is a JSON file: {"values": {"host": "localhost"}, "secrets": {"password": "..."}}
`

// debugMode runs a transport without the daemon.
func debugMode(ctx context.Context, t Transport, args []string, in io.Reader, out io.Writer) error {
	d := t.Describe()
	if err := d.Validate(); err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	switch {
	case len(args) == 1 && args[0] == "describe":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(d)
	case len(args) == 2 && args[0] == "check":
		return debugOpen(ctx, t, args[1], func(i Instance) error {
			return i.Check(ctx, CheckRequest{}, func(s Stage) {
				fmt.Fprintf(out, "%-10s %-8s %s %s\n", s.Name, s.Status, s.Detail, s.Server)
			})
		})
	case len(args) >= 4 && args[0] == "deliver":
		return debugOpen(ctx, t, args[1], func(i Instance) error { return debugDeliver(ctx, i, args[2], args[3:], in, out) })
	}
	_, err := io.WriteString(out, debugUsage)
	return err
}

// debugOpen makes an instance with the settings of a file.
func debugOpen(ctx context.Context, t Transport, file string, use func(Instance) error) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s struct {
		Values  map[string]any    `json:"values"`
		Secrets map[string]string `json:"secrets"`
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	i, err := t.Open(ctx, Settings{Connection: "debug", Values: s.Values, Secrets: s.Secrets})
	if err != nil {
		return err
	}
	return errors.Join(use(i), i.Close())
}

func debugDeliver(ctx context.Context, i Instance, from string, to []string, in io.Reader, out io.Writer) error {
	content, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	// What an editor saves has bare LF.
	content = bytes.ReplaceAll(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	d := &Delivery{
		ID: "debug", Attempt: 1, Envelope: Envelope{From: from}, Content: bytes.NewReader(content), Size: int64(len(content)),
		EightBit: bytes.ContainsFunc(content, func(r rune) bool { return r > 127 }),
	}
	header, _, _ := bytes.Cut(content, []byte("\r\n\r\n"))
	d.UTF8Headers = bytes.ContainsFunc(header, func(r rune) bool { return r > 127 })
	for _, address := range to {
		d.Envelope.Recipients = append(d.Envelope.Recipients, Recipient{Address: address})
	}
	began, committed := time.Now(), false
	outcomes, err := i.Deliver(ctx, d, func() error {
		committed = true
		fmt.Fprintf(out, "committing after %s\n", time.Since(began).Round(time.Microsecond))
		return nil
	})
	for n, o := range Settle(outcomes, err, len(to), committed) {
		fmt.Fprintf(out, "%s: %s %s %s %d %s %s\n", to[n], o.Class, o.Blame, o.Phase, o.Code, o.Enhanced, o.Reply)
	}
	return err
}
