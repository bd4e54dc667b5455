package config

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"
)

// load runs Load on a file's content (none if empty), variables and flags.
func load(t *testing.T, file string, environ []string, arguments ...string) (Config, []string, error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "postilion.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, "--config", path)
	}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	Register(flags)
	if err := flags.Parse(arguments); err != nil {
		return Config{}, nil, err
	}
	return Load(flags, environ)
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, warnings, err := load(t, "", []string{"HOME=/root", "PATH=/bin"}, "--data-dir", "/d")
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	want := Default()
	want.DataDir, want.RunDir, want.MaildropDir = "/d", "/d/run", "/d/maildrop"
	if diff := cmp.Diff(want, c, cmpopts.IgnoreUnexported(Config{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	file := `
# every layer sets one thing more
data_dir: /file
run_dir: /file
grpc_listen: 127.0.0.1:1
http_listen: off
retention: 2d
allow_destinations: [10.0.0.0/8, 127.0.0.1]
log_level: warn
`
	environ := []string{"POSTILION_DATA_DIR=/env", "POSTILION_GRPC_LISTEN=127.0.0.1:2", "POSTILION_LOG_FORMAT=json", "POSTILION_LOG_LEVEL="}
	c, warnings, err := load(t, file, environ, "--data-dir=/flag", "--drain", "90s")
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	for _, test := range []struct{ setting, got, want string }{
		{"flag over all", c.DataDir, "/flag"},
		{"file over default", c.RunDir, "/file"},
		{"environment over file", c.GRPCListen, "127.0.0.1:2"},
		{"off in the file", c.HTTPListen, ""},
		{"environment over default", c.LogFormat, LogJSON},
		{"empty variable", c.LogLevel.String(), "WARN"},
		{"default", c.LocalUsers, LocalUsersAllow},
		{"flag over default", c.Drain.String(), "1m30s"},
		{"days", c.Retention.String(), "48h0m0s"},
		{"list", (*prefixes)(&c.AllowDestinations).String(), "10.0.0.0/8,127.0.0.1/32"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %q, want %q", test.setting, test.got, test.want)
		}
	}
}

// Each mistake names its place, the setting and what was expected.
func TestMistakes(t *testing.T) {
	t.Parallel()
	good := "data_dir: /d\n"
	tests := []struct {
		name    string
		file    string
		environ []string
		flags   []string
		want    []string
	}{
		{"nothing set", "", nil, nil, []string{"data_dir: not set", "--data-dir"}},
		{"unknown key", good + "grpc_listne: 127.0.0.1:1\n", nil, nil, []string{"postilion.yaml:2: grpc_listne", "did you mean grpc_listen?"}},
		{"key of the flag", "data-dir: /d\n", nil, nil, []string{"postilion.yaml:1: data-dir", "did you mean data_dir?"}},
		{"far from all", good + "smarthost: x\n", nil, nil, []string{"postilion.yaml:2: smarthost", "expected one of", "data_dir", "log_format"}},
		{"twice", good + "data_dir: /e\n", nil, nil, []string{"postilion.yaml:2: data_dir: set twice"}},
		{"not YAML", "data_dir: [\n", nil, nil, []string{"postilion.yaml: line "}},
		{"tab", "data_dir: /d\n\tx: y\n", nil, nil, []string{"postilion.yaml: line 2"}},
		{"a list", "- a\n", nil, nil, []string{"postilion.yaml:1: expected lines such as"}},
		{"two documents", good + "---\na: b\n", nil, nil, []string{"expected one YAML document"}},
		{"null", good + "hostname:\n", nil, nil, []string{"postilion.yaml:2: hostname: expected a text"}},
		{"mapping for a text", good + "hostname: {a: b}\n", nil, nil, []string{"postilion.yaml:2: hostname: expected a text"}},
		{"list for a text", good + "hostname: [a, b]\n", nil, nil, []string{"postilion.yaml:2: hostname: expected a text"}},
		{"nested list", good + "allow_destinations: [[10.0.0.0/8]]\n", nil, nil, []string{"postilion.yaml:2: allow_destinations: expected addresses or ranges"}},
		{"bad range", good + "allow_destinations: [10.0.0.0/8, nowhere]\n", nil, nil, []string{"postilion.yaml:2", "nowhere", "such as 10.0.0.0/8"}},
		{"range with host bits", good + "allow_destinations: 10.0.0.1/8\n", nil, nil, []string{"10.0.0.1/8", "expected addresses or ranges"}},
		{"DNS server by name", "", nil, []string{"--dns-server=dns.example:53"}, []string{"dns-server", "expected an IP address, with a port unless that is 53"}},
		{"DNS server without port number", good + "dns_server: '192.0.2.1:'\n", nil, nil, []string{"postilion.yaml:2: dns_server", "expected an IP address"}},
		{"empty element", good + "allow_destinations: '10.0.0.0/8,'\n", nil, nil, []string{"expected addresses or ranges"}},
		{"duration without unit", good + "drain: 60\n", nil, nil, []string{"postilion.yaml:2: drain", "expected a duration such as 90s"}},
		{"negative duration", good + "drain: -1s\n", nil, nil, []string{"drain", "expected a duration"}},
		{"duration too long", good + "drain: 2d\n", nil, nil, []string{"postilion.yaml:2: drain: expected at most 1h"}},
		{"retention too short", "", nil, []string{"--data-dir=/d", "--retention=1m"}, []string{"--retention: retention: expected 1h to 3650d"}},
		{"bad word", "", []string{"POSTILION_LOCAL_USERS=maybe"}, []string{"--data-dir=/d"}, []string{"POSTILION_LOCAL_USERS: local_users", `"maybe"`, "expected allow or deny"}},
		{"bad level", "", []string{"POSTILION_LOG_LEVEL=INFO"}, []string{"--data-dir=/d"}, []string{"expected debug, info, warn or error"}},
		{"bad format", "", nil, []string{"--log-format=xml"}, []string{"log-format", "expected text or json"}},
		{"size", "", nil, []string{"--max-message-size=25MB"}, []string{"max-message-size", "expected bytes, or a size such as"}},
		{"size beyond the limit", good + "max_message_size: 51MiB\n", nil, nil, []string{"postilion.yaml:2: max_message_size: expected 64KiB to 50MiB"}},
		{"size overflows", good + "max_message_size: 9223372036854775807GiB\n", nil, nil, []string{"max_message_size", "expected bytes"}},
		{"listen without port", "", nil, []string{"--grpc-listen=127.0.0.1"}, []string{"grpc-listen", "expected host:port"}},
		{"listen on a name", "", nil, []string{"--grpc-listen=mail.example.com:25"}, []string{"expected host:port with an IP address"}},
		{"listen on a bare IPv6", "", nil, []string{"--grpc-listen=::1:25"}, []string{"expected host:port"}},
		{"port out of range", "", nil, []string{"--grpc-listen=127.0.0.1:65536"}, []string{"expected host:port"}},
		{"beyond loopback", "", nil, []string{"--data-dir=/d", "--grpc-listen=0.0.0.0:9125"}, []string{"--grpc-listen: grpc_listen: 0.0.0.0:9125", "needs TLS", "tls_cert_file"}},
		{"all interfaces", good + "http_listen: :9126\n", nil, nil, []string{"postilion.yaml:2: http_listen", "needs TLS"}},
		{"all interfaces, IPv6", good + "smtp_listen: '[::]:587'\n", nil, nil, []string{"smtp_listen", "needs TLS"}},
		{"metrics beyond loopback", good + "metrics_listen: 10.0.0.1:9100\n", nil, nil, []string{"metrics_listen", "needs TLS"}},
		{"same address", good + "smtp_listen: 127.0.0.1:9125\n", nil, nil, []string{"smtp_listen: 127.0.0.1:9125 is also the address of grpc_listen"}},
		{"certificate without key", good + "tls_cert_file: /c.pem\n", nil, nil, []string{"postilion.yaml:2: tls_cert_file: needs tls_key_file"}},
		{"key without certificate", good + "tls_key_file: /k.pem\n", nil, nil, []string{"postilion.yaml:2: tls_key_file: needs tls_cert_file"}},
		{"no such certificate", good + "tls_cert_file: /none/c.pem\ntls_key_file: /none/k.pem\n", nil, nil, []string{"postilion.yaml:2: tls_cert_file", "/none/c.pem"}},
		{"unknown group", good + "socket_group: no-such-group\n", nil, nil, []string{"socket_group", "no-such-group"}},
		{"bad host name", good + "hostname: bad_name\n", nil, nil, []string{"hostname", "bad_name", "such as mail.example.com"}},
		{"address as host name", good + "hostname: 127.0.0.1\n", nil, nil, []string{"hostname", "no host name"}},
		{"line break", "data_dir: \"/d\\r\\nx\"\n", nil, nil, []string{"data_dir", "expected a path in one line"}},
		{"long run_dir", "", nil, []string{"--data-dir=/d", "--run-dir=/" + strings.Repeat("r", 100)}, []string{"--run-dir: run_dir: too long"}},
		{"maildrop is data", "", nil, []string{"--data-dir=/d", "--maildrop-dir=/d"}, []string{"maildrop_dir"}},
		{"several at once", "a: b\ndrain: x\n", []string{"POSTILION_LOG_LEVEL=y"}, nil, []string{"yaml:1: a:", "yaml:2: drain", "POSTILION_LOG_LEVEL"}},
		{"no such file", "", nil, []string{"--config=/none/postilion.yaml"}, []string{"/none/postilion.yaml", "no such file"}},
		{"no such file, by environment", "", []string{"POSTILION_CONFIG=/none/x.yaml"}, nil, []string{"/none/x.yaml"}},
		{"a folder", "", nil, []string{"--config=/"}, []string{"configuration file"}},
		{"endless file", "", nil, []string{"--config=/dev/zero"}, []string{"larger than 1 MiB"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t, test.file, test.environ, test.flags...)
			if err == nil {
				t.Fatal("passed")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in: %v", part, err)
				}
			}
		})
	}
}

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	_, warnings, err := load(t, "", []string{
		"POSTILION_GRPC_LISTNE=canary", "POSTILION_PORT=tcp://10.0.0.1:80", "POSTILION_KEY=canary", "POSTILION_TOKEN=canary",
		"POSTILION_SENDMAIL_FROM=a@example.com", "POSTILION_SOCKET=/s", "OTHER=1",
	}, "--data-dir=/d")
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0], "POSTILION_GRPC_LISTNE") || !strings.Contains(warnings[0], "did you mean grpc_listen?") {
		t.Errorf("warnings %q", warnings)
	}
	if strings.Contains(strings.Join(warnings, ""), "canary") {
		t.Errorf("a value is shown: %q", warnings)
	}
}

func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"\n", "# nothing\n", "---\n", "{}\n"} {
		if _, _, err := load(t, file, nil, "--data-dir=/d"); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	certificate, key := selfSigned(t)
	flags := []string{"--data-dir=/d", "--grpc-listen=0.0.0.0:9125", "--http-listen=[::]:9126", "--tls-cert-file=" + certificate}
	if _, _, err := load(t, "", nil, append(flags, "--tls-key-file="+key)...); err != nil {
		t.Error(err)
	}
	if _, _, err := load(t, "", nil, append(flags, "--tls-key-file="+certificate)...); err == nil || !strings.Contains(err.Error(), "cannot be loaded") {
		t.Errorf("certificate in place of the key: %v", err)
	}
}

func TestRelativePaths(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, "", nil, "--data-dir=data", "--key-file=k")
	if err != nil {
		t.Fatal(err)
	}
	working, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != filepath.Join(working, "data") || c.RunDir != filepath.Join(working, "data/run") || c.KeyFile != filepath.Join(working, "k") {
		t.Errorf("paths %q, %q, %q", c.DataDir, c.RunDir, c.KeyFile)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, "", nil, "--data-dir=/d", "--allow-destinations=10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("starting", "config", c)
	for _, part := range []string{"config.data_dir=/d ", "config.max_message_size=25MiB", "config.retention=14d", "config.allow_destinations=10.0.0.0/8"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in %s", part, &out)
		}
	}
}

// Flags are read back from their text, so it must mean the same.
func TestValuesRoundTrip(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"90s": "1m30s", "60s": "1m", "3600s": "1h", "24h": "1d", "1d12h": "36h", "0s": "0s", "1h1s": "1h0m1s", "10m": "10m", "10h": "10h"} {
		var first, second duration
		if err := first.Set(in); err != nil || first.String() != want || second.Set(want) != nil || first != second {
			t.Errorf("%s: %s, %v; again %s", in, &first, err, &second)
		}
	}
	for in, want := range map[string]string{"0": "0", "1023": "1023", "1024": "1KiB", "1536KiB": "1536KiB", "2048 KiB": "2MiB", "1GiB": "1GiB", "2048GiB": "2048GiB"} {
		var first, second size
		if err := first.Set(in); err != nil || first.String() != want || second.Set(want) != nil || first != second {
			t.Errorf("%s: %s, %v; again %s", in, &first, err, &second)
		}
	}
	for in, want := range map[string]string{"": "", "127.0.0.1": "127.0.0.1/32", "::ffff:10.0.0.1, fd00::/8": "10.0.0.1/32,fd00::/8"} {
		var first prefixes
		if err := first.Set(in); err != nil || first.String() != want {
			t.Errorf("%q: %s, %v", in, &first, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("data_dir: /d\nallow_destinations: [10.0.0.0/8]\n")
	f.Add("a: &a [*a]\n")
	f.Add("? [a]\n: b\n")
	f.Add("<<: {data_dir: /d}\n")
	f.Add("data_dir: !!binary aGk=\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Default()
		c.overlayFile(path, settings(&c)) // must not panic
	})
}

func FuzzValues(f *testing.F) {
	for _, seed := range []string{"14d", "1d1h", "25MiB", "10.0.0.0/8,::1", "[::1]:25", "off", "allow", "debug", "d", "9223372036854775807"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		first, second := Default(), Default()
		again := settings(&second)
		for i, s := range settings(&first) {
			if s.value.Set(in) != nil {
				continue
			}
			out := s.value.String()
			if err := again[i].value.Set(out); err != nil || again[i].value.String() != out {
				t.Errorf("%s: %q became %q, then %q, %v", s.key, in, out, again[i].value, err)
			}
		}
	})
}

func TestLimitsOfTime(t *testing.T) {
	t.Parallel()
	var d duration
	for _, in := range []string{"70000d", "1d-1h", "d", "-1d", "1.5d", "1e3s", "", "99999999999h", "1d1d"} {
		if err := d.Set(in); err == nil {
			t.Errorf("%q passed as %v", in, time.Duration(d))
		}
	}
}
