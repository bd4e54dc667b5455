package sendmail

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/maildrop"
)

// TestMain serves as the command in tests that need a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("SENDMAIL_TEST_MAIN") != "" {
		os.Exit(Main(os.Args, os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	os.Exit(m.Run())
}

const letter = "From: App <app@example.com>\nTo: a@example.com\nCc: Dora <d@example.com>\nBcc: hidden@example.com\nSubject: x\n\nhello\n"

// The forms of calling that were observed, and what they mean.
func TestCallers(t *testing.T) {
	t.Parallel()
	all := []string{"a@example.com", "d@example.com", "hidden@example.com"}
	tests := map[string]struct {
		args []string
		from string
		to   []string
	}{
		"PHP":                  {args: []string{"-t", "-i"}, to: all},
		"PHP with sender":      {args: []string{"-t", "-i", "-fbounce@example.com"}, from: "<bounce@example.com>", to: all},
		"PHPMailer 6":          {args: []string{"-oi", "-fapp@example.com", "-t"}, from: "<app@example.com>", to: all},
		"PHPMailer 7":          {args: []string{"-fapp@example.com", "-i", "-t"}, from: "<app@example.com>", to: all},
		"PHPMailer, set twice": {args: []string{"-t", "-i", "-oi", "-fapp@example.com", "-t"}, from: "<app@example.com>", to: all},
		"Symfony":              {args: []string{"-fapp@example.com", "--", "b@example.com", "c@example.com"}, from: "<app@example.com>", to: []string{"b@example.com", "c@example.com"}},
		"nodemailer":           {args: []string{"-i", "-f", "app@example.com", "b@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"ruby mail":            {args: []string{"-i", "-f", "app@example.com", "--", "b@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"cron":                 {args: []string{"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"}, to: []string{"root@home.example"}},
		"mutt":                 {args: []string{"-oem", "-oi", "b@example.com"}, to: []string{"b@example.com"}},
		"MIME::Lite":           {args: []string{"-t", "-oi", "-oem"}, to: all},
		"bundled":              {args: []string{"-ti"}, to: all},
		"bundled with sender":  {args: []string{"-itfapp@example.com"}, from: "<app@example.com>", to: all},
		"old name of sender":   {args: []string{"-r", "app@example.com", "b@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"null sender":          {args: []string{"-f", "<>", "b@example.com"}, from: "<>", to: []string{"b@example.com"}},
		"empty sender":         {args: []string{"-f", "", "b@example.com"}, from: "<>", to: []string{"b@example.com"}},
		"local sender":         {args: []string{"-f", "www-data", "b@example.com"}, from: "<www-data@home.example>", to: []string{"b@example.com"}},
		"sender in brackets":   {args: []string{"-f", "<app@example.com>", "b@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"plus sender":          {args: []string{"-f", "app+tag=x@example.com", "b@example.com"}, from: "<app+tag=x@example.com>", to: []string{"b@example.com"}},
		"quoted sender":        {args: []string{"-f", `"a b"@example.com`, "b@example.com"}, from: `<"a b"@example.com>`, to: []string{"b@example.com"}},
		"options last":         {args: []string{"b@example.com", "-i", "-f", "app@example.com"}, from: "<app@example.com>", to: []string{"b@example.com"}},
		"union with -t":        {args: []string{"-t", "b@example.com", "a@example.com"}, to: append(append([]string{}, all...), "b@example.com")},
		"list in an operand":   {args: []string{"b@example.com, Jo <c@example.com>"}, to: []string{"b@example.com", "c@example.com"}},
		"twice":                {args: []string{"b@example.com", "b@EXAMPLE.com"}, to: []string{"b@example.com"}},
		"ignored options": {
			args: []string{"-Ac", "-C", "/etc/passwd", "-G", "-h", "3", "-Ltag", "-m", "-n", "-O", "QueueDirectory=/tmp", "-oQ/tmp", "-o", "db", "-pSMTP:x", "-q15m", "-U", "-X", "/tmp/x.php", "-eq", "-E", "-x", "-d8.99", "-d", "b@example.com"},
			to:   []string{"b@example.com"},
		},
		"mode -bm": {args: []string{"-bm", "-b", "m", "b@example.com"}, to: []string{"b@example.com"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, accept)
			exit, stdout, stderr := w.run(letter, tt.args...)
			if exit != 0 || stdout != "" || stderr != "" {
				t.Fatalf("exit %d, %q, %q", exit, stdout, stderr)
			}
			got := w.one()
			if tt.from == "" {
				tt.from = "(none)"
			}
			if got.from() != tt.from || !reflect.DeepEqual(got.to(), tt.to) {
				t.Errorf("from %s to %q, want from %s to %q", got.from(), got.to(), tt.from, tt.to)
			}
			if string(got.Raw.Content) != letter {
				t.Errorf("content %q", got.Raw.Content)
			}
			if !maildrop.IsKey(got.IdempotencyKey) || !got.NotifySender {
				t.Errorf("key %q, notify the sender: %v", got.IdempotencyKey, got.NotifySender)
			}
		})
	}
}

// What is refused before anything is read or sent.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		exit int
		says string
	}{
		"no recipient":           {nil, exitUsage, "-t"},
		"unknown option":         {[]string{"-Z", "b@example.com"}, exitUsage, "-Z"},
		"unknown in a bundle":    {[]string{"-tiZ"}, exitUsage, "-Z"},
		"long option":            {[]string{"--help"}, exitUsage, "--"},
		"no argument":            {[]string{"-t", "-f"}, exitUsage, "-f"},
		"daemon mode":            {[]string{"-bd"}, exitUsage, "-b"},
		"empty mode":             {[]string{"-b", "", "b@example.com"}, exitUsage, "-b"},
		"T103":                   {[]string{"-X/tmp/x.php", "-OQueueDirectory=/tmp", "-oQ/tmp", "-C/etc/passwd", "-be", "-bd", "-q"}, exitUsage, "-b"},
		"wrong -N":               {[]string{"-N", "never,delay", "b@example.com"}, exitUsage, "-N"},
		"wrong -R":               {[]string{"-R", "some", "b@example.com"}, exitUsage, "-R"},
		"wrong -V":               {[]string{"-V", "a\nb", "b@example.com"}, exitUsage, "-V"},
		"wrong -B":               {[]string{"-B", "9BIT", "b@example.com"}, exitUsage, "-B"},
		"line break in the name": {[]string{"-F", "x\nBcc: y@example.com", "b@example.com"}, exitUsage, "-F"},
		"T104 options":           {[]string{"-f", "a@example.com -OQueueDirectory=/tmp -X/tmp/x.php", "b@example.com"}, exitUsage, "sender"},
		"T104 quotes":            {[]string{"-f", `"attacker\" -oQ/tmp/ -X/tmp/x.php  some"@example.com x`, "b@example.com"}, exitUsage, "sender"},
		"option for a sender":    {[]string{"-f", "-t", "b@example.com"}, exitUsage, "option"},
		"line break in sender":   {[]string{"-f", "a@example.com\r\nRCPT TO:<x@example.com>", "b@example.com"}, exitUsage, "sender"},
		"T105":                   {[]string{"--", "-bs"}, exitData, "option"},
		"T105 address":           {[]string{"--", "-t@example.com"}, exitData, "option"},
		"T105 in brackets":       {[]string{"<-t@example.com>"}, exitData, "option"},
		"a dash":                 {[]string{"-"}, exitData, "option"},
		"T106 pipe":              {[]string{"|/bin/sh"}, exitData, "command"},
		"T106 quoted pipe":       {[]string{`"|/bin/sh -c id"@example.com`}, exitData, "command"},
		"T106 escaped pipe":      {[]string{`"\|id"@example.com`}, exitData, "command"},
		"T106 file":              {[]string{"/etc/passwd"}, exitData, "command"},
		"T106 include":           {[]string{":include:/etc/passwd"}, exitData, "command"},
		"T106 in a list":         {[]string{"b@example.com, |/bin/sh"}, exitData, ""},
		"T106 CVE-2020-7247":     {[]string{";sleep 66;@example.com"}, exitData, ""},
		"two at signs":           {[]string{"a@b@example.com"}, exitData, "@"},
		"empty":                  {[]string{""}, exitData, "empty"},
		"address literal":        {[]string{"a@[127.0.0.1]"}, exitData, "IP"},
		"line break":             {[]string{"b@example.com\nc@example.com"}, exitData, "control"},
		"empty group":            {[]string{"undisclosed-recipients:;"}, exitData, "recipient"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, accept)
			exit, stdout, stderr := w.run(letter, tt.args...)
			if exit != tt.exit || stdout != "" || !strings.Contains(stderr, tt.says) || !strings.HasPrefix(stderr, "sendmail: ") {
				t.Errorf("exit %d, want %d; %q %q", exit, tt.exit, stdout, stderr)
			}
			if strings.Count(stderr, "\n") != 1 {
				t.Errorf("more than one line: %q", stderr)
			}
			w.nothing()
		})
	}
}

func TestQuotedSenderStaysOneAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	if exit, _, stderr := w.run(letter, "-f", `"x\" -oQ/tmp -X/tmp/x.php  y"@example.com`, "b@example.com"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	if got := w.one().from(); got != `<"x\" -oQ/tmp -X/tmp/x.php  y"@example.com>` {
		t.Error(got)
	}
}

func TestNoOps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	w.config("nonsense")
	for _, args := range [][]string{{"-bi"}, {"-I"}} {
		if exit, out, stderr := w.run("", args...); exit != 0 || out+stderr != "" {
			t.Error(args, exit, out, stderr)
		}
	}
	if exit, _, stderr := w.runAs("/usr/bin/newaliases", ""); exit != 0 {
		t.Error(exit, stderr)
	}
	w.config("")
	if exit, _, stderr := w.run("", "-q"); exit != 0 {
		t.Error("-q", exit, stderr)
	}
	w.nothing()
}

func TestDeliveryStatusOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, accept)
	if exit, _, stderr := w.run(letter, "-N", "success,Delay", "-R", "hdrs", "-V", "job 7", "b@example.com"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	got := w.one().Raw.Envelope
	want := []recipient{{"b@example.com", []string{"DSN_NOTIFY_SUCCESS", "DSN_NOTIFY_DELAY"}}}
	if !reflect.DeepEqual(got.Recipients, want) || got.Return != "DSN_RETURN_HEADERS" || got.EnvelopeID != "job 7" {
		t.Errorf("%+v", got)
	}
	w = newWorld(t, accept)
	if exit, _, stderr := w.run(letter, "-Nnever", "-Rfull", "b@example.com"); exit != 0 {
		t.Fatal(exit, stderr)
	}
	if s := w.one(); s.NotifySender || s.Raw.Envelope.Recipients[0].Notify[0] != "DSN_NOTIFY_NEVER" || s.Raw.Envelope.Return != "DSN_RETURN_FULL" {
		t.Errorf("%+v", s)
	}
}
