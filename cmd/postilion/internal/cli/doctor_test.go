package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	answers := map[string]any{
		"GetServerInfo": &postilionv1.GetServerInfoResponse{Version: "1.2.3", Client: "admin"},
		"ListConnections": &postilionv1.ListConnectionsResponse{Connections: []*postilionv1.Connection{{Name: "main",
			Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "mx"}}}}},
		"ListMessages": &postilionv1.ListMessagesResponse{},
	}
	d := start(t, answers)
	maildrop := filepath.Join(d.data, "maildrop")
	if err := os.Mkdir(maildrop, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(maildrop, 0o1733|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	run := invocation{version: "1.2.3", environment: map[string]string{"POSTILION_DATA_DIR": d.data, "POSTILION_MAILDROP_DIR": maildrop}}
	run.run(t, "doctor").want(t, 0, "✓ daemon: 1.2.3", "✓ connections: 1, none paused", "✓ waiting mail: none", "✓ socket: "+d.data+"/run/postilion.sock",
		"✓ files", "✓ maildrop", "clock: ", "disk: ", "php: ")

	status := &postilionv1.ConnectionStatus{Paused: true, Waiting: 4, Outcome: &postilionv1.Outcome{Code: 535, Reply: "535 wrong"},
		Diagnosis: &postilionv1.Diagnosis{Title: "Wrong password", Remedies: []string{"Give another password."}}}
	answers["ListConnections"] = &postilionv1.ListConnectionsResponse{Connections: []*postilionv1.Connection{{Name: "main", Status: status}}}
	answers["ListMessages"] = &postilionv1.ListMessagesResponse{Messages: []*postilionv1.StoredMessage{{}}}
	if err := os.Chmod(d.data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.data, "key"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run.run(t, "doctor").want(t, exitFailed, "✗ connection main: paused; 4 messages wait: 535 wrong", "Give another password.",
		"1 messages are held", "1 messages are deferred", "chmod 0700 "+d.data, "chmod 0600 "+filepath.Join(d.data, "key"))

	run.environment["POSTILION_DATA_DIR"] = t.TempDir()
	result := run.run(t, "doctor", "--json")
	result.want(t, exitFailed, "does not answer")
	for line := range strings.Lines(result.out) {
		var got finding
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Check == "" || got.Status == "" {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestDoctorOnlyCapture(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"GetServerInfo": &postilionv1.GetServerInfoResponse{}, "ListConnections": &postilionv1.ListConnectionsResponse{}})
	d.run(t, "doctor").want(t, 0, "! connections: no connection delivers yet", "– waiting mail")
}

func TestMaildropFindings(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "maildrop")
	if got := checkMaildrop(directory, testTime); got.Status != statusWarning {
		t.Errorf("missing: %+v", got)
	}
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := checkMaildrop(directory, testTime); got.Status != statusWarning || !strings.Contains(got.Remedy, "1733") {
		t.Errorf("closed: %+v", got)
	}
	if err := os.Chmod(directory, 0o733|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"waits": "x", ".being-written": "x"} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := checkMaildrop(directory, time.Now()); got.Status != statusOK {
		t.Errorf("fresh: %+v", got)
	}
	if got := checkMaildrop(directory, time.Now().Add(time.Hour)); got.Status != statusFailed || !strings.Contains(got.Text, "1 messages") {
		t.Errorf("old: %+v", got)
	}
}

func TestPHPFinding(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	ours := filepath.Join(directory, "postilion-sendmail")
	if err := os.WriteFile(ours, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(directory, "sendmail")
	if err := os.Symlink(ours, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"": statusFailed, "/nowhere/sendmail -t -i": statusWarning, "/bin/sh -c x": statusWarning,
		ours + " -t -i": statusOK, link + " -t -i": statusOK,
	} {
		if got := phpFinding(path); got.Status != want {
			t.Errorf("%q: %+v", path, got)
		}
	}
}

func TestClockAndDisk(t *testing.T) {
	t.Parallel()
	if got := checkClock(time.Unix(0, 0)); got.Status != statusFailed {
		t.Errorf("1970: %+v", got)
	}
	if got := checkDisk("/nowhere/data"); got.Status == statusSkipped {
		t.Errorf("disk: %+v", got)
	}
}
