package wordpress

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var constants = []Constant{{"POSTILION_SOCKET", "/run/postilion/postilion-http.sock"}, {"POSTILION_TOKEN", `a'b\c`}}

const usual = `<?php
/** The name of the database for WordPress */
define( 'DB_NAME', 'shop' );
define( "WP_HOME", "https://shop.example" );
$table_prefix = 'wp_';

/* That's all, stop editing! Happy publishing. */
if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}

/** Sets up WordPress vars and included files. */
require_once ABSPATH . 'wp-settings.php';
`

func TestConstantsComeBeforeWordPress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ about, source, before string }{
		{"as WordPress makes it", usual, "require_once ABSPATH"},
		{"with old brackets", strings.ReplaceAll(usual, "require_once ABSPATH . 'wp-settings.php';", "require_once(ABSPATH . 'wp-settings.php');"), "require_once(ABSPATH"},
		{"with CRLF", strings.ReplaceAll(usual, "\n", "\r\n"), "require_once ABSPATH"},
		{"Debian's", "<?php\nrequire_once('/etc/wordpress/config.php');\nrequire_once(ABSPATH.'wp-settings.php');\n", "require_once(ABSPATH.'wp-settings"},
		{"on one line", "<?php $a = 1; require ABSPATH . 'wp-settings.php';", "require ABSPATH"},
		{"named in a comment too", strings.Replace(usual, "/* That's", "// require_once ABSPATH . 'wp-settings.php';\n# it's\n/* That's", 1), "require_once ABSPATH . 'wp-settings.php';\n"},
		{"named in a string too", strings.Replace(usual, "$table", "$x = \"require 'wp-settings.php'; {\";\n$table", 1), "require_once ABSPATH"},
		{"with a heredoc", strings.Replace(usual, "$table", "$x = <<<'END'\n  it's { \n  END;\n$table", 1), "require_once ABSPATH"},
		{"closed and opened", "text <?php $a = '?>'; ?> it's { <?php require ABSPATH . 'wp-settings.php';", "require ABSPATH"},
	} {
		got, err := With([]byte(c.source), constants)
		if err != nil {
			t.Errorf("%s: %v", c.about, err)
			continue
		}
		at := strings.Index(string(got), begins)
		rest := string(got[at:])
		if after := strings.TrimPrefix(rest, Lines(constants)); !strings.HasPrefix(after, c.before) {
			t.Errorf("%s: it is\n%s", c.about, got)
		}
		again, err := With(got, constants)
		if err != nil || string(again) != string(got) {
			t.Errorf("%s: a second time gives %v\n%s", c.about, err, again)
		}
		back, err := Without(got)
		if err != nil || string(back) != c.source {
			t.Errorf("%s: without them it is %v\n%s", c.about, err, back)
		}
		if Value(got, "POSTILION_SOCKET") != constants[0].Value {
			t.Errorf("%s: the socket is read as %q", c.about, Value(got, "POSTILION_SOCKET"))
		}
	}
}

func TestWhatIsUnclearIsLeftAlone(t *testing.T) {
	t.Parallel()
	for about, source := range map[string]string{
		"no PHP":             "require_once ABSPATH . 'wp-settings.php';",
		"loads nothing":      "<?php define('DB_NAME', 'x');",
		"loads twice":        usual + "require ABSPATH . 'wp-settings.php';",
		"under a condition":  "<?php if (true) { require ABSPATH . 'wp-settings.php'; }",
		"in a comment":       "<?php /* require ABSPATH . 'wp-settings.php'; */",
		"set already":        strings.Replace(usual, "$table", "define('POSTILION_SOCKET', '/x');\n$table", 1),
		"set as a const":     strings.Replace(usual, "$table", "const POSTILION_SOCKET = '/x';\n$table", 1),
		"our end is missing": strings.Replace(usual, "$table", begins+"\n$table", 1),
		"two of ours":        strings.Replace(usual, "$table", Lines(constants)+Lines(constants)+"$table", 1),
	} {
		if got, err := With([]byte(source), constants); !errors.Is(err, ErrUnclear) {
			t.Errorf("%s: %v\n%s", about, err, got)
		}
	}
	if got := Value([]byte(usual), "WP_HOME"); got != "https://shop.example" {
		t.Errorf("WP_HOME is %q", got)
	}
	if got := Value([]byte("<?php // define('WP_HOME', 'x');"), "WP_HOME"); got != "" {
		t.Errorf("a comment sets WP_HOME to %q", got)
	}
}

// What we write is PHP, and means what we meant.
func TestPHPTakesIt(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("php"); err != nil {
		t.Fatal("php is not installed: run scripts/setup as root")
	}
	file := filepath.Join(t.TempDir(), "x.php")
	if err := os.WriteFile(file, []byte("<?php\n"+Lines(constants)+"echo POSTILION_TOKEN;"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("php", file).CombinedOutput()
	if err != nil || string(out) != constants[1].Value {
		t.Errorf("PHP says %q, %v", out, err)
	}
}

func TestClientName(t *testing.T) {
	t.Parallel()
	for site, want := range map[string]string{
		"https://Shop.Example/": "wp-shop.example", "http://example.com/blog/two": "wp-example.com-blog-two", "http://127.0.0.1:8080": "wp-127.0.0.1-8080", "no url": "", "": "",
	} {
		if got := ClientName(site); got != want {
			t.Errorf("%q gives %q, not %q", site, got, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{usual, "<?php", "<?= '", "<?php <<<A\nA;", "<?php /*", "<?php \"\\", begins + ends} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		end := 0
		for _, p := range scan([]byte(source)) {
			if p.start != end || p.end <= p.start {
				t.Fatalf("parts have a hole at %d", end)
			}
			end = p.end
		}
		if end != len(source) {
			t.Fatalf("parts end at %d of %d", end, len(source))
		}
		with, err := With([]byte(source), constants)
		if err != nil {
			return
		}
		clean, err := Without([]byte(source))
		if err != nil {
			t.Fatal(err)
		}
		back, err := Without(with)
		if err != nil || string(back) != string(clean) {
			t.Fatalf("%v: %q", err, back)
		}
	})
}
