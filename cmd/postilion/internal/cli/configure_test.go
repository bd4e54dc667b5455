package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

var notFound = status.Error(codes.NotFound, "there is no connection")

func configured(request proto.Message) (proto.Message, error) {
	return &postilionv1.ConfigureResponse{
		Connection: request.(*postilionv1.ConfigureRequest).GetConnection(), Created: true, Warnings: []string{"be careful"},
	}, nil
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigureCreates(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"GetConnection": notFound, "Configure": configured})
	d.run(t, "configure", "main", "--host", "mx.example.com", "--security", "tls", "--auth", "scram-sha-256", "--username", "u",
		"--password-file", write(t, "password", "hunter2\n"), "--from", "shop@example.com", "--force-from", "--minimum-tls", "1.3",
		"--header", "X-Shop: yes", "--retry", "1m,5m", "--default").
		want(t, 0, "main: created: smtp mx.example.com:465 implicit-tls as u", "be careful", "postilion test main")
	password := "hunter2"
	want := &postilionv1.ConfigureRequest{SetDefault: true, Connection: &postilionv1.Connection{
		Name: "main",
		Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{
			Host: "mx.example.com", Security: postilionv1.Security_SECURITY_IMPLICIT_TLS, Username: "u", Password: &password,
			Authentication: postilionv1.Authentication_AUTHENTICATION_SCRAM_SHA_256, MinimumTls: postilionv1.TlsVersion_TLS_VERSION_1_3,
		}},
		Sender: &postilionv1.SenderPolicy{FromAddress: "shop@example.com", ForceFromAddress: true, Headers: []*postilionv1.Header{{Name: "X-Shop", Value: "yes"}}},
		Retry:  &postilionv1.RetryPolicy{Schedule: []*durationpb.Duration{durationpb.New(time.Minute), durationpb.New(5 * time.Minute)}},
	}}
	if diff := cmp.Diff(want, d.last(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestConfigureChangesOnlyWhatIsGiven(t *testing.T) {
	t.Parallel()
	stored := &postilionv1.GetConnectionResponse{Connection: &postilionv1.Connection{Name: "main", DisplayName: "Main", Etag: "e1"}}
	password := "new"
	for name, test := range map[string]struct {
		args  []string
		stdin string
		want  *postilionv1.ConfigureRequest
	}{
		"password from standard input": {[]string{"--password-file", "-"}, "new\n", &postilionv1.ConfigureRequest{
			Connection: &postilionv1.Connection{Name: "main", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Password: &password}}},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"smtp.password"}},
		}},
		"a list is emptied": {[]string{"--fallback", "", "--force-from=false"}, "", &postilionv1.ConfigureRequest{
			Connection: &postilionv1.Connection{Name: "main", Sender: &postilionv1.SenderPolicy{}},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"sender.force_from_address", "fallbacks"}},
		}},
		"only the default": {[]string{"--default"}, "", &postilionv1.ConfigureRequest{
			Connection: &postilionv1.Connection{Name: "main", DisplayName: "Main"}, SetDefault: true, Etag: "e1",
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"display_name"}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := start(t, map[string]any{"GetConnection": stored, "Configure": configured})
			invocation{stdin: test.stdin}.run(t, append([]string{"--data-dir", d.data, "configure", "main"}, test.args...)...).want(t, 0)
			if diff := cmp.Diff(test.want, d.last(), protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigureFromFile(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"Configure": configured})
	want := &postilionv1.ConfigureRequest{Connection: &postilionv1.Connection{
		Name: "main", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "mx.example.com", Port: 2525}},
		Limits: &postilionv1.Limits{PerDay: 500},
	}}
	for _, file := range []string{
		write(t, "c.yaml", "smtp:\n  host: mx.example.com\n  port: 2525\nlimits: {perDay: 500}\n"),
		write(t, "c.json", `{"name": "main", "smtp": {"host": "mx.example.com", "port": 2525}, "limits": {"per_day": 500}}`),
	} {
		d.run(t, "configure", "main", "--file", file).want(t, 0, "created")
		if diff := cmp.Diff(want, d.last(), protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	}
	for content, text := range map[string]string{
		"smpt: {host: x}": `unknown field "smpt"`, "smtp: [": "c.yaml", "name: other": `named "other"`,
	} {
		result := d.run(t, "configure", "main", "--file", write(t, "c.yaml", content))
		if result.code != exitConfig && result.code != exitUsage || !strings.Contains(result.err, text) {
			t.Errorf("%s: exit %d: %s", content, result.code, result.err)
		}
	}
}

func TestPasswordNeverInArguments(t *testing.T) {
	t.Parallel()
	d := start(t, nil)
	for _, args := range [][]string{
		{"configure", "main", "--password", "hunter2"}, {"configure", "main", "--password=hunter2"}, {"test", "main", "--password", "hunter2"},
	} {
		result := d.run(t, args...)
		result.want(t, exitUsage, "--password-file")
		if strings.Contains(result.out+result.err, "hunter2") {
			t.Errorf("%v shows the password: %s", args, result.err)
		}
	}
	if d.last() != nil {
		t.Error("the daemon was asked")
	}
}

func TestConfigurePasswordOfTheEnvironment(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"GetConnection": notFound, "Configure": configured})
	run := invocation{environment: map[string]string{"POSTILION_PASSWORD": "hunter2"}}
	run.run(t, "--data-dir", d.data, "configure", "main", "--host", "h", "--username", "u").want(t, 0)
	if got := d.last().(*postilionv1.ConfigureRequest).GetConnection().GetSmtp().GetPassword(); got != "hunter2" {
		t.Errorf("password %q", got)
	}
	run.run(t, "--data-dir", d.data, "configure", "kept", "--transport", "capture", "--setting", "keep=50", "--setting", "note=a b",
		"--secret-file", "key="+write(t, "key", "s3cret\n")).want(t, 0)
	custom := d.last().(*postilionv1.ConfigureRequest).GetConnection().GetCustom()
	if custom.GetTransport() != "capture" || custom.GetSettings().AsMap()["keep"] != 50.0 || custom.GetSettings().AsMap()["note"] != "a b" || custom.GetSecrets()["key"] != "s3cret" {
		t.Errorf("%v", custom)
	}
}

func TestConfigureMistakes(t *testing.T) {
	t.Parallel()
	d := start(t, map[string]any{"GetConnection": notFound, "Configure": refusal(codes.InvalidArgument, "a stored secret is not carried over",
		&postilionv1.ErrorDetail{Reason: "secret_required", Fields: []string{"connection.smtp.password"}, Remedy: "Give the password again."})})
	for name, test := range map[string]struct {
		args []string
		code int
		text string
	}{
		"no name":          {[]string{"configure"}, exitUsage, "arg"},
		"nothing":          {[]string{"configure", "main"}, exitUsage, "--host"},
		"unknown flag":     {[]string{"configure", "main", "--hots", "x"}, exitUsage, "--help"},
		"unknown security": {[]string{"configure", "main", "--security", "x"}, exitUsage, "implicit-tls, starttls, opportunistic, none"},
		"no number":        {[]string{"configure", "main", "--port", "x"}, exitUsage, "number"},
		"no file":          {[]string{"configure", "main", "--host", "h", "--ca-file", "/nowhere/ca"}, exitNoInput, "/nowhere/ca"},
		"empty password":   {[]string{"configure", "main", "--host", "h", "--password-file", "-"}, exitUsage, "empty"},
		"refused":          {[]string{"configure", "main", "--host", "h"}, exitData, "Give the password again."},
		"refused field":    {[]string{"configure", "main", "--host", "h"}, exitData, "connection.smtp.password"},
	} {
		result := d.run(t, test.args...)
		if result.code != test.code || !strings.Contains(result.err, test.text) {
			t.Errorf("%s: exit %d: %s", name, result.code, result.err)
		}
	}
}

// TestEverySettingHasAFlag fails for a field of Connection that no flag sets.
func TestEverySettingHasAFlag(t *testing.T) {
	t.Parallel()
	byPath := map[string]bool{"name": true, "smtp.password": true, "smtp.timeouts": true}
	for _, setting := range settings() {
		byPath[setting.path] = true
	}
	output := map[string]bool{"default": true, "etag": true, "status": true, "create_time": true, "update_time": true, "owner": true,
		"smtp.has_password": true, "smtp.has_client_key": true, "custom.stored_secrets": true}
	for _, path := range paths((&postilionv1.Connection{}).ProtoReflect().Descriptor(), "") {
		if !byPath[path] && !output[path] {
			t.Errorf("no flag sets %s", path)
		}
		delete(byPath, path)
	}
	for path := range byPath {
		t.Errorf("there is no field %s", path)
	}
}

func paths(message protoreflect.MessageDescriptor, prefix string) []string {
	var result []string
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		name := prefix + string(field.Name())
		switch name {
		case "smtp", "custom", "sender", "limits", "retry":
			result = append(result, paths(field.Message(), name+".")...)
		default:
			result = append(result, name)
		}
	}
	return result
}

// FuzzSettings gives every setting any text: it is taken or refused, and what
// is taken can be sent.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"", "x", "1", "true", "a=b", "a=", "=b", "a=[1,{}]", "a=1e999", "X: y", ":", "5m,1h", "1.2", "starttls", "/nowhere", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if !utf8.ValidString(value) {
			return // not of a command line that protobuf could carry; gRPC refuses it
		}
		for _, setting := range settings() {
			if strings.HasSuffix(setting.flag, "-file") {
				continue // would read files at random
			}
			connection := &postilionv1.Connection{Name: "main"}
			if setting.set(connection, []string{value}) != nil {
				continue
			}
			if _, err := proto.Marshal(connection); err != nil {
				t.Errorf("--%s %q: %v", setting.flag, value, err)
			}
		}
	})
}
