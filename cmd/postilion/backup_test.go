package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/postilion-mail/postilion/internal/smtptest"
	"github.com/postilion-mail/postilion/sdk"
)

// TestBackup is the story of a machine that is lost: a backup is taken under
// load, checked, and started elsewhere. There it sends nothing until a person
// says so, and then each message once.
func TestBackup(t *testing.T) {
	t.Parallel()
	provider := smtptest.Start(t, smtptest.WithSecurity(smtptest.Plain))
	provider.Stop() // so that all waits
	d, stop := serveOn(t, shortDir(t))
	d.run(t, "configure", "main", "--host", "127.0.0.1", "--port", fmt.Sprint(provider.Port()), "--security", "none", "--username", "u",
		"--password-file", write(t, "p", "secret"), "--auth", "plain").want(t, 0, "created")
	d.run(t, "configure", "main", "--auth", "none").want(t, 0)

	client, err := sdk.Dial("unix://"+filepath.Join(d.data, "admin.sock"), sdk.WithToken(""))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	before := map[string]bool{}
	for n := range 30 {
		before[sendNumber(t, client, n)] = true
	}
	backup := filepath.Join(shortDir(t), "b")
	var load sync.WaitGroup
	ctx, enough := context.WithCancel(context.Background())
	for worker := range 2 {
		load.Go(func() {
			for n := 1000 * (worker + 1); ctx.Err() == nil && n%1000 < 200; n++ {
				sendNumber(t, client, n)
			}
		})
	}
	d.run(t, "backup", backup).want(t, 0, "are in "+backup, "key")
	enough()
	load.Wait()
	d.run(t, "backup", backup).want(t, exitFailed, "not empty", "new directory")
	d.run(t, "backup", filepath.Join(d.data, "content", "x")).want(t, exitData, "directory", "backups")
	d.run(t, "backup", "--offline", filepath.Join(shortDir(t), "o")).want(t, 69, "in use by another daemon")
	d.run(t, "backup", filepath.Join(d.data, "backups", "a")).want(t, 0)
	run(t, "verify", d.data).want(t, 0, "no faults")
	stop()
	offline := filepath.Join(shortDir(t), "offline")
	d.run(t, "backup", "--offline", offline).want(t, 0, offline)
	run(t, "verify", offline).want(t, 0, "no faults")

	run(t, "verify", backup).want(t, 0, "no faults", "holds what waits", "key of the stored passwords is not here", filepath.Join(backup, "key"))
	for _, entry := range []string{backup, filepath.Join(backup, "content"), filepath.Join(backup, "postilion.db")} {
		if info, err := os.Stat(entry); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", entry, info.Mode(), err)
		}
	}
	key, err := os.ReadFile(filepath.Join(d.data, "key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(backup, "key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := provider.Restart(); err != nil {
		t.Fatal(err)
	}
	restored, _ := serveOn(t, backup)
	restored.run(t, "connections", "show", "main").want(t, 0, `"hasPassword": true`)
	held := strings.Count(restored.run(t, "messages", "list", "--state", "held", "--limit", "100000", "--json").out, "\n")
	if held < len(before) || provider.Count() != 0 {
		t.Fatalf("%d are held, %d were sent", held, provider.Count())
	}
	restored.run(t, "messages", "release", "--all", "--reason", "other words").want(t, 0, "0 of 0")
	restored.run(t, "messages", "release", "--all", "--reason", "restored from a backup").want(t, 0, fmt.Sprintf("%d of %d messages are released", held, held))
	times := map[string]int{}
	for _, message := range provider.Messages(held) {
		_, id, _ := strings.Cut(string(message.Content), "X-Number: ")
		id, _, _ = strings.Cut(id, "\r\n")
		times[id]++
	}
	for n := range 30 {
		if got := times[fmt.Sprint(n)]; got != 1 {
			t.Errorf("number %d arrived %d times", n, got)
		}
	}
	if len(times) != held {
		t.Errorf("%d different messages arrived, %d were held", len(times), held)
	}
}

// sendNumber sends a message that can be told apart; every tenth is too large
// for the database.
func sendNumber(t *testing.T, client *sdk.Client, n int) string {
	text := "x"
	if n%10 == 0 {
		text = strings.Repeat("A line of a large message.\n", 8000)
	}
	receipt, err := client.Send(context.Background(), &sdk.Message{
		From: "a@example.com", To: []string{"b@example.com"}, Subject: "x", Text: text,
		Headers: []sdk.Header{{Name: "X-Number", Value: fmt.Sprint(n)}},
	})
	if err != nil {
		t.Error(err)
		return ""
	}
	return receipt.GetId()
}

// TestVerifyFindsFaults: what is broken is told, each fault by itself.
func TestVerifyFindsFaults(t *testing.T) {
	t.Parallel()
	d, stop := serveOn(t, shortDir(t))
	d.run(t, "send", "--from", "a@example.com", "--to", "b@example.com", "--text", strings.Repeat("large ", 40000), "--send-at", "+1h").want(t, 0)
	stop()
	files, err := filepath.Glob(filepath.Join(d.data, "content", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("contents: %v, %v", files, err)
	}
	run(t, "verify", d.data).want(t, 0, "1 messages; recipients: 1 queued", "no faults")
	if err := os.Truncate(files[0], 1000); err != nil {
		t.Fatal(err)
	}
	run(t, "verify", d.data).want(t, exitFailed, "✗ message ")
	run(t, "verify", d.data, "--json").want(t, exitFailed, `"faults":["message `)
	run(t, "verify", filepath.Join(d.data, "nothing")).want(t, 66, "nothing")
	if err := os.WriteFile(filepath.Join(d.data, "postilion.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "verify", d.data).want(t, exitFailed, "✗")
}
