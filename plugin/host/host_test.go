package host

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/postilion-mail/postilion/plugin"
)

// TestMain serves as the plugins of the tests: the first argument says which.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("POSTILION_PLUGIN") != "":
		behave(os.Args[1])
	case os.Getenv("HOST_TEST_DAEMON") != "":
		daemon()
	default:
		for name, value := range map[string]string{"HOST_TEST_SECRET": "no", "HOST_TEST_ALLOWED": "yes"} {
			if err := os.Setenv(name, value); err != nil {
				panic(err)
			}
		}
		os.Exit(m.Run())
	}
}

// behave is a plugin that is good or bad in some way.
func behave(how string) {
	switch how {
	case "exits":
		fmt.Fprintln(os.Stderr, "there is no licence")
		os.Exit(3)
	case "rubbish":
		fmt.Println("Welcome to my plugin!")
		select {}
	case "silent":
		select {}
	case "long line":
		_, _ = os.Stdout.WriteString(strings.Repeat("x", 100_000))
		select {}
	case "insists on another cookie":
		goplugin.Serve(&goplugin.ServeConfig{HandshakeConfig: goplugin.HandshakeConfig{MagicCookieKey: "OTHER", MagicCookieValue: "x"}})
		os.Exit(1)
	case "serves nothing":
		goplugin.Serve(&goplugin.ServeConfig{
			HandshakeConfig: plugin.Handshake(), GRPCServer: goplugin.DefaultGRPCServer,
			VersionedPlugins: map[int]goplugin.PluginSet{1: {}},
		})
		os.Exit(1)
	case "raw":
		serveRaw()
	case "later version":
		fmt.Println("1|9|unix|/tmp/x|grpc|")
		select {}
	case "elsewhere":
		fmt.Println("1|1|tcp|192.0.2.1:25|grpc|")
		select {}
	case "hostile lines":
		fmt.Fprint(os.Stderr, "{\"@message\":1}\n{\"@level\":7,\"@message\":\"x\"}\n\x1b[2Jnull\x00\n{\"@level\":\"warn\",\"@message\":\"mine\",\"level\":\"ERROR\"}\n")
	case "floods":
		line := bytes.Repeat([]byte("x"), 100_000)
		for range 200 { // 20 MB
			_, _ = os.Stderr.Write(line)
		}
		for range 20_000 {
			fmt.Fprintln(os.Stderr, "flood")
		}
	case "leaves a child":
		child := exec.Command("sleep", os.Args[2])
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "leaves a session":
		if err := detachChild(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var transport plugin.Transport = tester(how)
	if how == "hostile" {
		transport = hostile{tester(how)}
	}
	if err := plugin.Serve(transport); err != nil {
		os.Exit(1)
	}
	if how == "does not end" {
		select {}
	}
	os.Exit(0)
}

// identity is this process's.
var identity = rand.Text()

// tester is the transport of the tests' plugins.
type tester string

func (t tester) Describe() plugin.Description {
	if t == "describes badly" {
		return plugin.Description{Name: "../x"}
	}
	return plugin.Description{
		Name: "tester", Version: "1", Title: strings.Join(os.Environ(), "\n"),
		Capabilities: plugin.Capabilities{ReportsCommit: true},
	}
}

func (t tester) Open(context.Context, plugin.Settings) (plugin.Instance, error) { return t, nil }

func (t tester) Check(context.Context, plugin.CheckRequest, func(plugin.Stage)) error { return nil }

// Deliver does what the recipient says.
func (t tester) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	name, _, _ := strings.Cut(d.Envelope.Recipients[0].Address, "@")
	if name == "crash" {
		os.Exit(9)
	}
	if name == "hang" {
		select {}
	}
	if err := committing(); err != nil {
		return nil, err
	}
	switch name {
	case "crash-late":
		os.Exit(9)
	case "goroutine-panic":
		go panic("in a goroutine of its own")
		select {}
	case "wait":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return plugin.ForAll(d, plugin.AcceptedOutcome(identity)), nil
}

func (t tester) Close() error { return nil }

// options are those of a plugin that behaves in some way.
func options(t testing.TB, how string) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Name: how, Args: []string{how}, StartTimeout: time.Minute}
	o.Dir, o.File = filepath.Split(self)
	if o.SHA256, err = Checksum(o.Dir, o.File); err != nil {
		t.Fatal(err)
	}
	if o.RunDir, err = os.MkdirTemp("", "ph"); err != nil { // t.TempDir's names are too long for sockets
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(o.RunDir); err != nil || len(left) > 0 {
			t.Errorf("left in the run dir: %v, error %v", left, err)
		}
		_ = os.RemoveAll(o.RunDir)
	})
	return o
}

// smallProgram names the small program for a process that cannot build it.
const smallProgram = "HOST_TEST_SMALL"

// buildSmall builds a plugin that starts sooner and needs less memory than the
// program of the tests, and gives its path.
func buildSmall(t *testing.T) string {
	t.Helper()
	path := filepath.Join(openFolder(t), "small")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, "./testdata/small")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	return path
}

func smallOptions(t *testing.T) Options {
	t.Helper()
	o, path := options(t, "good"), os.Getenv(smallProgram)
	if path == "" {
		path = buildSmall(t)
	}
	o.Dir, o.File = filepath.Split(path)
	var err error
	if o.SHA256, err = Checksum(o.Dir, o.File); err != nil {
		t.Fatal(err)
	}
	return o
}

// openFolder is one that every user can pass through, with a short name.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

func start(t *testing.T, o Options) *Process {
	t.Helper()
	p, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func deliver(t *testing.T, i plugin.Instance, to string) (plugin.Outcome, error) {
	t.Helper()
	committed := false
	outcomes, err := i.Deliver(t.Context(), &plugin.Delivery{
		ID: "m", Attempt: 1, Envelope: plugin.Envelope{Recipients: []plugin.Recipient{{Address: to}}},
		Content: strings.NewReader("x"), Size: 1,
	}, func() error { committed = true; return nil })
	return plugin.Settle(outcomes, err, 1, committed)[0], err
}

func open1(t *testing.T, transport plugin.Transport) plugin.Instance {
	t.Helper()
	i, err := transport.Open(t.Context(), plugin.Settings{Connection: "c"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestPluginDeliversAndStops(t *testing.T) {
	t.Parallel()
	p := start(t, options(t, "good"))
	o, err := deliver(t, open1(t, p.Transport()), "a@x")
	if err != nil || o.Reply == "" || o.Reply == identity {
		t.Errorf("%+v, error %v", o, err)
	}
	p.Stop()
	<-p.Done()
	if !gone(p.PID()) {
		t.Error("the process is still there")
	}
}

func TestOnlyAllowedVariables(t *testing.T) {
	t.Parallel()
	o := options(t, "good")
	o.Env = []string{"HOST_TEST_ALLOWED"}
	given := strings.Split(start(t, o).Transport().Describe().Title, "\n")
	if !slices.Contains(given, "HOST_TEST_ALLOWED=yes") {
		t.Error("the plugin was not given what is allowed")
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		allowed := slices.Contains([]string{"PATH", "LANG", "TZ", "TMPDIR", "PWD", "HOST_TEST_ALLOWED"}, name)
		if !allowed && slices.ContainsFunc(given, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
			t.Errorf("the plugin was given %s", name)
		}
	}
}

// One clear line says what is wrong with a plugin that does not start.
func TestPluginsThatDoNotStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how, want string
		timeout   time.Duration
	}{
		{"exits", "there is no licence", 0},
		{"rubbish", "Welcome to my plugin!", 0},
		{"silent", "did not answer within", 200 * time.Millisecond},
		{"later version", "speaks version 9", 0},
		{"elsewhere", "it listens on", 0},
		{"describes badly", "name:", 0},
		{"long line", "more than 8192 octets to stdout", 0},
		{"insists on another cookie", "a plugin of another program", 0},
		{"serves nothing", "serves nothing", 0},
	} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			o := options(t, c.how)
			if c.timeout > 0 {
				o.StartTimeout = c.timeout
			}
			p, err := Start(t.Context(), o)
			if err == nil {
				p.Stop()
			}
			oneLine(t, c.how, err, c.want)
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := Start(ctx, options(t, "silent")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	good := options(t, "good")
	program, err := os.ReadFile(filepath.Join(good.Dir, good.File))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, content []byte, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), content, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil { // the umask
			t.Fatal(err)
		}
	}
	write("changed", append(program, 0), 0o700)
	write("open", program, 0o777)
	write("data", program, 0o600)
	write("script", []byte("#!/no/such/interpreter\n"), 0o700)
	write("text", []byte("this is no program"), 0o700)
	write("foreign", append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xff\x00"), make([]byte, 44)...), 0o700)
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "folder"), 0o700), os.Symlink("/bin/sh", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"changed": "checksum", "open": "chmod o-w", "data": "chmod +x", "folder": "no regular file", "link": "link",
		"../../bin/sh": "leads out", "/bin/sh": "leads out", "missing": "no such file", "text": "not made for this machine", "foreign": "not made for this machine", "script": "interpreter",
	} {
		o := good
		o.Dir, o.File = dir, file
		if sum, err := Checksum(dir, file); file != "changed" && err == nil {
			o.SHA256 = sum
		}
		p, err := Start(t.Context(), o)
		if err == nil {
			p.Stop()
		}
		if err == nil || !strings.Contains(err.Error(), want) && !(want == "link" && strings.Contains(err.Error(), "escapes")) {
			t.Errorf("%s: error %v, want %q", file, err, want)
		}
		if (file == "changed") != errors.Is(err, ErrChecksum) {
			t.Errorf("%s: error %v", file, err)
		}
	}
	open := good
	open.Dir = filepath.Join(dir, "everybody")
	if err := errors.Join(os.Mkdir(open.Dir, 0o700), os.Chmod(open.Dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), open); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("error %v", err)
	}
	long := good
	long.RunDir = strings.Repeat("/long", 20)
	if _, err := Start(t.Context(), long); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("error %v", err)
	}
}

func TestCrashes(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]plugin.Class{
		"crash@x": plugin.Temporary, "crash-late@x": plugin.Unknown, "goroutine-panic@x": plugin.Unknown,
	} {
		p := start(t, options(t, "good"))
		o, err := deliver(t, open1(t, p.Transport()), to)
		if o.Class != want || !errors.Is(err, plugin.ErrCrashed) {
			t.Errorf("%s: %s, error %v", to, o.Class, err)
		}
		<-p.Done()
		if p.Err() == nil {
			t.Error("the process ended without an error")
		}
	}
}

func TestOneThatDoesNotEndIsKilled(t *testing.T) {
	t.Parallel()
	p := start(t, options(t, "does not end"))
	p.Stop()
	<-p.Done()
}

// What a plugin leaves behind keeps nobody waiting.
func TestChildrenAreEnded(t *testing.T) {
	t.Parallel()
	o, name := options(t, "leaves a child"), sleeper()
	o.Args = append(o.Args, name)
	p := start(t, o)
	await(t, "the child", func() bool { return runs(t, name) })
	p.Stop()
	await(t, "the child's end", func() bool { return !runs(t, name) })
}

// sleeper is an argument for sleep by which its process can be found. A plugin
// may see other process ids than we do.
func sleeper() string { return fmt.Sprint(1_000_000_000 + mathrand.Int64N(1_000_000_000)) }

// runs tells whether a process runs that has an argument.
func runs(t *testing.T, argument string) bool {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline") // empty for those that are dead
		if arguments := strings.Split(string(line), "\x00"); arguments[0] == "sleep" && slices.Contains(arguments, argument) {
			return true
		}
	}
	return false
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s did not come", what)
		}
	}
}

// gone tells whether a process is no more, or waits for its parent only.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

// daemon starts a plugin, says its number and waits to be killed.
func daemon() {
	self, _ := os.Executable()
	o := Options{Name: "good", Args: []string{"leaves a session", os.Args[1]}, RunDir: os.Getenv("HOST_TEST_DAEMON"), StartTimeout: time.Minute}
	o.Dir, o.File = filepath.Split(self)
	var err error
	if o.SHA256, err = Checksum(o.Dir, o.File); err == nil {
		var p *Process
		if p, err = Start(context.Background(), o); err == nil {
			fmt.Println(p.PID(), p.Confinement())
			select {}
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestNoOrphanWhenTheHostIsKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	left := sleeper()
	host := exec.CommandContext(t.Context(), self, left)
	host.Env = append(os.Environ(), "HOST_TEST_DAEMON="+run)
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	text, confinement, _ := strings.Cut(strings.TrimSpace(said), " ")
	pid := number(text)
	if pid == 0 {
		t.Fatalf("%q, error %v", said, err)
	}
	await(t, "the plugin's child", func() bool { return runs(t, left) })
	if gone(pid) {
		t.Fatal("the plugin does not run")
	}
	_ = host.Process.Kill()
	_ = host.Wait()
	await(t, "the plugin's end", func() bool { return gone(pid) })
	// A child that has left the plugin's group ends with the namespace, or when
	// the next daemon begins.
	if strings.Contains(confinement, "pid namespace") {
		await(t, "the child's end", func() bool { return !runs(t, left) })
	}
	if err := Sweep(run); err != nil {
		t.Error(err)
	}
	await(t, "the child's end", func() bool { return !runs(t, left) })
	if entries, err := os.ReadDir(run); err != nil || len(entries) > 0 {
		t.Errorf("left in the run dir: %v, error %v", entries, err)
	}
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

func TestLogIsBoundedAndCannotBeForged(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"hostile lines", "floods"} {
		o, log := options(t, how), &lockedBuffer{}
		o.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		p := start(t, o)
		if o, err := deliver(t, open1(t, p.Transport()), "a@x"); err != nil || o.Class != plugin.Accepted {
			t.Errorf("%s: %+v, error %v", how, o, err)
		}
		p.Stop()
		text := log.String()
		switch how {
		case "floods":
			if len(text) > 8<<20 || !strings.Contains(text, "flood") && !strings.Contains(text, "xxx") {
				t.Errorf("the log has %d octets", len(text))
			}
		default:
			if strings.Contains(text, `"level":"ERROR"`) || !strings.Contains(text, `"level":"WARN","msg":"from a plugin","plugin":"hostile lines","text":"mine"`) ||
				strings.ContainsAny(text, "\x1b\x00") || strings.Contains(text, `\u001b`) {
				t.Errorf("the log is %s", text)
			}
		}
	}
}

func FuzzParseLine(f *testing.F) {
	for _, seed := range []string{"", "plain", `{"@message":1}`, `{"@level":"error","@message":"x","a":{"b":[1]}}`, "{", "\xff\x1b[0m", `{"@message":"\u0000"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		_, text, fields := parseLine(line)
		if strings.ContainsAny(text+fields, "\n\r\x1b\x00") {
			t.Errorf("%q, %q", text, fields)
		}
	})
}

// What was checked is what runs, whatever becomes of the file after the check.
func TestSwappedProgramDoesNotRun(t *testing.T) {
	t.Parallel()
	o := options(t, "good")
	program, err := os.ReadFile(filepath.Join(o.Dir, o.File))
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	original := filepath.Join(o.Dir, o.File)
	if err := os.WriteFile(original, program, 0o700); err != nil {
		t.Fatal(err)
	}
	private := t.TempDir()
	checked, err := verified(&o, private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(original, []byte("another"), 0o700); err != nil {
		t.Fatal(err)
	}
	if sum, err := Checksum(filepath.Split(checked)); err != nil || sum != o.SHA256 {
		t.Errorf("the program that would run has the checksum %s, error %v", sum, err)
	}
}

// Who finds a plugin's socket cannot talk to it: it wants the daemon's
// certificate.
func TestSocketIsForTheDaemonAlone(t *testing.T) {
	t.Parallel()
	p := start(t, options(t, "good"))
	sockets, err := filepath.Glob(filepath.Join(p.private, "plugin[0-9]*"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("sockets %v, error %v", sockets, err)
	}
	if info, err := os.Stat(p.private); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory of the socket is %v, error %v", info.Mode(), err)
	}
	for name, c := range map[string]credentials.TransportCredentials{
		"no TLS": insecure.NewCredentials(), "no certificate": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
	} {
		conn, err := grpc.NewClient("unix:"+sockets[0], grpc.WithTransportCredentials(c))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plugin.Connect(t.Context(), conn); err == nil {
			t.Errorf("%s: the plugin answered", name)
		}
		_ = conn.Close()
	}
}
