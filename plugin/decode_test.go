package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func exampleFields() []Field {
	return []Field{
		{Name: "host", Type: TypeString, Required: true},
		{Name: "port", Type: TypeInteger, Default: "25"},
		{Name: "fast", Type: TypeBoolean},
		{Name: "wait", Type: TypeDuration, Default: "30s"},
		{Name: "mode", Type: TypeEnum, Options: []string{"a", "b"}, Default: "a"},
		{Name: "token", Type: TypeString, Secret: true},
	}
}

type exampleSettings struct {
	Host  string        `setting:"host"`
	Port  uint8         // no setting
	Small int16         `setting:"port"`
	Fast  bool          `setting:"fast"`
	Wait  time.Duration `setting:"wait"`
	Mode  string        `setting:"mode"`
	Token string        `setting:"token"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	var got exampleSettings
	if err := (Settings{Values: map[string]any{"host": "h", "mode": ""}}).Decode(exampleFields(), &got); err != nil {
		t.Fatal(err)
	}
	if want := (exampleSettings{Host: "h", Small: 25, Wait: 30 * time.Second, Mode: "a"}); got != want {
		t.Errorf("defaults: %+v", got)
	}
	err := Settings{
		Values:  map[string]any{"host": "h", "port": 2525.0, "fast": true, "wait": "1m", "mode": "b"},
		Secrets: map[string]string{"token": "t"},
	}.Decode(exampleFields(), &got)
	if want := (exampleSettings{"h", 0, 2525, true, time.Minute, "b", "t"}); err != nil || got != want {
		t.Errorf("all set: %+v, error %v", got, err)
	}
}

func TestDecodeNamesTheField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		value      any
	}{
		{"host", "host: is required", ""},
		{"host", "host: must be a string", 1.0},
		{"port", "port: must be a whole number", 2.5},
		{"port", "port: must be a whole number", "25"},
		{"port", "port: must be a whole number", 1e300},
		{"port", "port: is too large", 70000.0},
		{"fast", "fast: must be true or false", "true"},
		{"wait", "wait: must be a duration such as 30s", "long"},
		{"wait", "wait: must be a duration such as 30s", "-1s"},
		{"mode", "mode: must be one of a, b", "c"},
		{"hots", "hots: there is no such setting", "h"},
		{"token", "token: is a secret; give it among the secrets", "t"},
	} {
		values := map[string]any{"host": "h", c.name: c.value}
		err := Settings{Values: values}.Decode(exampleFields(), &exampleSettings{})
		if as := (*SettingError)(nil); !errors.As(err, &as) || err.Error() != c.want {
			t.Errorf("%s = %v: error %v, want %s", c.name, c.value, err, c.want)
		}
	}
	err := Settings{Values: map[string]any{"host": "h"}, Secrets: map[string]string{"host": "h"}}.Decode(exampleFields(), &exampleSettings{})
	if err == nil || err.Error() != "host: there is no such secret" {
		t.Errorf("error %v", err)
	}
}

func TestDecodeNoticesTheAuthorsMistakes(t *testing.T) {
	t.Parallel()
	for want, target := range map[string]any{
		"pointer": exampleSettings{},
		"*int":    new(int),
		"has type": &struct {
			Host int `setting:"host"`
		}{},
		"exported": &struct {
			host string `setting:"host"`
		}{},
		"which the ": &struct {
			Hots string `setting:"hots"`
		}{},
	} {
		err := Settings{Values: map[string]any{"host": "h"}}.Decode(exampleFields(), target)
		if err == nil || errors.As(err, new(*SettingError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%T: error %v, want %q", target, err, want)
		}
	}
}

func TestLogLinesAreTheHosts(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: hostKeys}))
	log.Warn("slow", slog.Group("g", "level", 1), "n", 2)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	when, _ := line["@timestamp"].(string)
	if _, err := time.Parse(logTime, when); err != nil || line["@level"] != "warn" || line["@message"] != "slow" || line["n"] != 2.0 {
		t.Errorf("%s: %v", out.String(), err)
	}
}

func TestDebugMode(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(file, []byte(`{"values": {"host": "h"}, "secrets": {"token": "t"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &fake{
		open: func(s Settings) error {
			if s.Values["host"] != "h" || s.Secrets["token"] != "t" {
				t.Errorf("settings %+v", s)
			}
			return nil
		},
		deliver: func(_ context.Context, d *Delivery, committing func() error) ([]Outcome, error) {
			text := make([]byte, d.Size)
			_, _ = d.Content.ReadAt(text, 0)
			if string(text) != "Subject: x\r\n\r\nhi\r\n" {
				t.Errorf("content %q", text)
			}
			return []Outcome{AcceptedOutcome("stored")}, committing()
		},
		check: func(_ context.Context, _ CheckRequest, report func(Stage)) error {
			report(Stage{Name: "connect", Status: StagePassed})
			return nil
		},
	}
	for want, args := range map[string][]string{
		`"Name": "fake"`:    {"describe"},
		"connect    passed": {"check", file},
		"b@x: unknown":      {"deliver", file, "f@x", "a@x", "b@x"},
		"SETTINGS":          {},
	} {
		var out bytes.Buffer
		if err := debugMode(t.Context(), f, args, strings.NewReader("Subject: x\n\nhi\n"), &out); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%v gave %s, want %q", args, out.String(), want)
		}
	}
}
