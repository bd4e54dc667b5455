// Package php_test runs the PHP client's tests against the real daemon, as real
// PHP and its mailers have them.
package php_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// programs is the folder of the built programs.
var programs string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	folder, err := daemontest.Folder()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	programs = folder
	if err := daemontest.Build(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// world is a daemon and what stands around it.
type world struct {
	*testing.T
	daemon *daemontest.Daemon
	admin  *sdk.Client
}

func newWorld(t *testing.T, args ...string) *world {
	t.Helper()
	folder, err := daemontest.Folder()
	w := &world{T: t}
	w.ok(err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	w.daemon = daemontest.New(t, programs, folder, args...)
	w.daemon.Start()
	w.admin, err = sdk.Dial(w.daemon.AdminSocket(), sdk.WithToken(""))
	w.ok(err)
	t.Cleanup(func() { _ = w.admin.Close() })
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// token makes a client and gives its token; of a client of Unix users it is
// empty.
func (w *world) token(client *postilionv1.Client) string {
	w.Helper()
	made, err := w.admin.Admin.CreateClient(w.Context(), &postilionv1.CreateClientRequest{Client: client})
	w.ok(err)
	return made.GetToken()
}

// execute runs a program to its end and gives what it printed.
func (w *world) execute(env []string, name string, args ...string) (string, error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 10*daemontest.Patience)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Env = daemontest.Environment(env...)
	output, err := command.CombinedOutput()
	return string(output), err
}

// fixture is what the tests in PHP are told.
type fixture struct {
	Socket   string         `json:"socket"`
	GRPC     string         `json:"grpc"`
	URL      string         `json:"url"`
	HTTPS    string         `json:"https"`
	CAFile   string         `json:"ca_file"`
	Maildrop string         `json:"maildrop"`
	Admin    string         `json:"admin"`
	Token    string         `json:"token"`  // of "site", which may do everything with its own
	Sender   string         `json:"sender"` // of a client that may only send
	SMTP     map[string]any `json:"smtp"`   // of a provider that takes mail
	// Sockets that misbehave.
	Dead     string `json:"dead"`
	Stranger string `json:"stranger"`
	Silent   string `json:"silent"`
	Lost     string `json:"lost"`
	Losing   string `json:"losing"`
	Late     string `json:"late"`
	Broken   string `json:"broken"`
	// How many answers Broken has; the idempotency key chooses.
	BrokenAnswers int `json:"broken_answers"`
}

// fixture makes clients, a provider and the sockets that misbehave.
func (w *world) fixture() fixture {
	w.Helper()
	secret, err := os.ReadFile(w.daemon.Path("data", "admin.token"))
	w.ok(err)
	provider := smtptest.Start(w, smtptest.Account("shop", "secret"))
	f := fixture{
		Socket: w.daemon.HTTPSocket(), GRPC: w.daemon.Socket(), URL: "http://" + w.daemon.HTTP,
		Maildrop: w.daemon.Path("maildrop"), Admin: strings.TrimSpace(string(secret)),
		Token: w.token(&postilionv1.Client{Name: "site", Scopes: []postilionv1.Scope{
			postilionv1.Scope_SCOPE_SEND, postilionv1.Scope_SCOPE_READ, postilionv1.Scope_SCOPE_CONTENT, postilionv1.Scope_SCOPE_CONFIGURE,
		}}),
		Sender: w.token(&postilionv1.Client{Name: "sender", Scopes: []postilionv1.Scope{postilionv1.Scope_SCOPE_SEND}}),
		SMTP: map[string]any{
			"host": "127.0.0.1", "port": provider.Port(), "username": "shop", "password": "secret", "caCertificates": []byte(provider.CA().PEM()),
		},
	}
	// Of its own, since what is done to those of the admin would move its default.
	site, err := sdk.Dial(w.daemon.Socket(), sdk.WithToken(f.Token))
	w.ok(err)
	defer site.Close()
	_, err = site.Mailer.Configure(w.Context(), &postilionv1.ConfigureRequest{SetDefault: true, Connection: &postilionv1.Connection{
		Name:      "capture",
		Transport: &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{Transport: "capture"}},
	}})
	w.ok(err)
	w.misbehave(&f)
	return f
}

// environment tells the fixture to the tests in PHP.
func (w *world) environment(f fixture) string {
	w.Helper()
	b, err := json.Marshal(f)
	w.ok(err)
	return "POSTILION_TEST=" + string(b)
}

// TestPHPUnit runs the suite in tests.
func TestPHPUnit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "--max-message-size", "1MiB")
	output, err := w.execute([]string{w.environment(w.fixture())}, "phpunit", "--configuration", "phpunit.xml.dist", "--colors=never")
	if err != nil {
		t.Fatalf("phpunit: %v\n%s", err, output)
	}
	// A suite that finds nothing passes, too.
	if !regexp.MustCompile(`OK \(\d{2,} tests`).MatchString(output) {
		t.Errorf("phpunit ran too little:\n%s", output)
	}
}

// TestStyle holds the PHP code to PSR-12.
func TestStyle(t *testing.T) {
	t.Parallel()
	w := &world{T: t}
	if output, err := w.execute(nil, "phpcs", "--standard=PSR12", "autoload.php", "src", "tests", "bench"); err != nil {
		t.Errorf("phpcs: %v\n%s", err, output)
	}
}

// TestNoExtension sends with a PHP that has no extension but those that are
// built in, and so no ext-curl.
func TestNoExtension(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const script = `
		extension_loaded('curl') && exit(1);
		require $argv[1];
		$client = new Postilion\Client($argv[2]);
		echo $client->send((new Postilion\Message())->from('a@example.com')->to('b@example.net')->text('x'))->state;`
	autoload, err := filepath.Abs("autoload.php")
	w.ok(err)
	output, err := w.execute(nil, "php", "-n", "-r", script, "--", autoload, w.daemon.HTTPSocket())
	if err != nil || output != "QUEUED" {
		t.Errorf("%v: %s", err, output)
	}
}

// TestComposer installs the package by Composer, without its registry, and uses
// Composer's autoloader.
func TestComposer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source, err := filepath.Abs(".")
	w.ok(err)
	folder := w.daemon.Path("app")
	w.ok(os.Mkdir(folder, 0o700))
	project, err := json.Marshal(map[string]any{
		"repositories": []any{map[string]any{"type": "path", "url": source}, map[string]any{"packagist.org": false}},
		"require":      map[string]any{"postilion/postilion": "*@dev"},
	})
	w.ok(err)
	w.ok(os.WriteFile(filepath.Join(folder, "composer.json"), project, 0o600))
	env := []string{"COMPOSER_HOME=" + w.daemon.Path("composer"), "COMPOSER_ALLOW_SUPERUSER=1", "COMPOSER_DISABLE_NETWORK=1"}
	for _, line := range [][]string{
		{"composer", "validate", "--strict", "--no-check-publish", "--no-interaction", filepath.Join(source, "composer.json")},
		{"composer", "install", "--no-interaction", "--working-dir", folder},
	} {
		if output, err := w.execute(env, line[0], line[1:]...); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, output)
		}
	}
	const script = `require $argv[1]; echo (new Postilion\Client($argv[2]))->serverInfo()['client'];`
	output, err := w.execute(nil, "php", "-r", script, "--", filepath.Join(folder, "vendor", "autoload.php"), w.daemon.HTTPSocket())
	if err != nil || output != "local" {
		t.Errorf("%v: %s", err, output)
	}
}

// TestKilledDaemon kills the daemon while PHP sends. Every message of which PHP
// was told that it is accepted or spooled is there once afterwards.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const script = `
		require $argv[1];
		$client = new Postilion\Client($argv[2], ['spool' => $argv[3]]);
		for ($i = 0; !file_exists($argv[4]); $i++) {
			$options = new Postilion\SendOptions(['tags' => ["n$i"]]);
			$client->send((new Postilion\Message())->from('a@example.com')->to('b@example.net')->text('x'), $options);
			echo "n$i\n";
			usleep(2000);
		}`
	autoload, err := filepath.Abs("autoload.php")
	w.ok(err)
	stop := w.daemon.Path("stop")
	command := exec.Command("php", "-r", script, "--", autoload, w.daemon.HTTPSocket(), w.daemon.Path("maildrop"), stop)
	command.Env = daemontest.Environment()
	var output daemontest.Output
	command.Stdout, command.Stderr = &output, &output
	w.ok(command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Kill() })
	sent := func() int { return strings.Count(output.String(), "\n") }
	for range 3 {
		before := sent()
		daemontest.Await(t, "PHP sends", func() bool { return sent() > before+10 })
		w.daemon.Signal(syscall.SIGKILL)
		_ = w.daemon.Wait()
		daemontest.Await(t, "PHP goes on with the spool", func() bool {
			files, err := filepath.Glob(w.daemon.Path("maildrop", "*"))
			return err == nil && len(files) > 3
		})
		w.daemon.Start()
	}
	w.ok(os.WriteFile(stop, nil, 0o600))
	if err := <-ended; err != nil {
		t.Fatalf("php: %v\n%s", err, output.String())
	}
	seen := make(map[string]int)
	daemontest.Await(t, "all messages are there", func() bool {
		seen = w.tags()
		return len(seen) == sent()
	})
	for tag, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", tag, n)
		}
	}
}

// tags counts the messages by their first tag.
func (w *world) tags() map[string]int {
	w.Helper()
	admin, err := sdk.Dial(w.daemon.AdminSocket(), sdk.WithToken(""))
	w.ok(err)
	defer admin.Close()
	seen := make(map[string]int)
	request := &postilionv1.ListMessagesRequest{PageSize: 1000}
	for {
		page, err := admin.Messages.ListMessages(w.Context(), request)
		w.ok(err)
		for _, m := range page.GetMessages() {
			seen[m.GetTags()[0]]++
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			return seen
		}
	}
}
