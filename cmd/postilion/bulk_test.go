package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// count is how many messages the daemon has.
func (d *daemon) count(t *testing.T) int {
	t.Helper()
	return strings.Count(d.run(t, "messages", "list", "--limit", "100000", "--json").out, "\n")
}

// TestBulkLines sends a file with bad lines, mends them, and runs it again.
func TestBulkLines(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	var good []string
	for n := range 60 {
		good = append(good, fmt.Sprintf(`{"message":{"from":{"address":"s@example.com"},"to":[{"address":"p%d@example.com"}],"text":"x"}}`, n))
	}
	lines := append([]string{}, good...)
	lines[9], lines[49] = "{", strings.Replace(good[49], "p49@", "p 49@", 1)
	path := write(t, "m.jsonl", strings.Join(lines, "\n"))
	d.run(t, "send", "--bulk", path, "--strict").want(t, exitData, "line 10: ", "line 50: message.to[0].address", "2 of 60 messages are bad; nothing was sent")
	if n := d.count(t); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
	d.run(t, "send", "--bulk", path).want(t, exitData, "line 10: ", "line 50: ", "58 messages are accepted; 2 are bad")
	if err := os.WriteFile(path, []byte(strings.Join(good, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	d.run(t, "send", "--bulk", path, "--strict").want(t, 0, "60 messages are accepted, 58 of them were before")
	if n := d.count(t); n != 60 {
		t.Errorf("the daemon has %d messages", n)
	}
	d.run(t, "send", "--bulk", path, "--run", "again", "--json").want(t, 0, `{"place":"line 1","id":"`)
	if n := d.count(t); n != 120 {
		t.Errorf("the daemon has %d messages", n)
	}
	d.run(t, "send", "--bulk", path, "--strict", "--connection", "nowhere").want(t, exitData, "nowhere", "stopped at the first message")
}

// TestBulkTable fills a template from a table.
func TestBulkTable(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	table := write(t, "guests.csv", "to,name,day\nann@example.com,Ann & Bob,Monday\nx,Nobody,Friday\nzoe@example.com,Zoë,Sunday\n")
	d.run(t, "send", "--bulk", table, "--from", "s@example.com", "--subject", "Dear {{name}}", "--tag", "guests",
		"--text-file", write(t, "t.txt", "See you on {{day}}."), "--html", "<p>{{name}}</p>", "--send-at", "+1h").
		want(t, exitData, "line 3: message.to[0].address", "2 messages are accepted; 1 are bad")
	list := d.run(t, "messages", "list", "--tag", "guests", "--json").out
	for _, want := range []string{`"subject":"Dear Ann \u0026 Bob"`, `"subject":"Dear Zoë"`} {
		if !strings.Contains(strings.ReplaceAll(list, "&", `\u0026`), want) {
			t.Errorf("no %s in %s", want, list)
		}
	}
	d.run(t, "send", "--bulk", table, "--text", "{{nmae}}").want(t, 64, "nmae", "to, name, day")
}

// TestBulkFolder sends what is composed already.
func TestBulkFolder(t *testing.T) {
	t.Parallel()
	d := startDaemon(t)
	dir := t.TempDir()
	for n := range 20 {
		text := fmt.Sprintf("From: s@example.com\nTo: p%d@example.com\nSubject: %d\n\nx\n", n, n)
		if n == 7 {
			text = "Subject: to nobody\n\nx\n"
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.eml", n)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.run(t, "send", "--bulk", dir, "--strict").want(t, exitData, "07.eml: ", "nothing was sent")
	d.run(t, "send", "--bulk", dir, "--envelope-from", "bounces@example.com").want(t, exitData, "07.eml: ", "19 messages are accepted; 1 are bad")
	if n := d.count(t); n != 19 {
		t.Errorf("the daemon has %d messages", n)
	}
	for _, wrong := range [][]string{
		{"--to", "a@example.com"}, {"--text", "x"}, {"--bulk-format", "xml"}, {"--bulk-format", "csv"}, {"--key", "k"},
	} {
		d.run(t, append([]string{"send", "--bulk", dir}, wrong...)...).want(t, 64, "")
	}
	d.run(t, "send", "--bulk", "-", "--strict").want(t, 64, "twice")
	d.run(t, "send", "--bulk", filepath.Join(dir, "nothing")).want(t, 66, "nothing")
	d.run(t, "send", "--bulk", "-").want(t, 0, "0 messages are accepted")
}
