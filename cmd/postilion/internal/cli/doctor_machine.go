package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/sdk"
)

// encode prints a value that is no message of the API as one line of JSON.
func (a *app) encode(value any) error {
	encoder := json.NewEncoder(a.Out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// checkSockets tries the public sockets, by which applications come.
func (a *app) checkSockets() []finding {
	if a.place.tls || !strings.Contains(a.place.target, "/") {
		return nil // the daemon is reached by TCP, perhaps elsewhere
	}
	base := sdk.DefaultSocket
	if !a.place.admin {
		base = a.place.target
	} else if run := filepath.Join(filepath.Dir(a.place.target), "run", "postilion.sock"); exists(run) {
		base = run
	}
	base = strings.TrimSuffix(strings.TrimSuffix(base, ".sock"), "-http")
	var findings []finding
	for _, socket := range []struct{ path, purpose string }{{base + ".sock", "gRPC"}, {base + "-http.sock", "JSON and sendmail"}} {
		connection, err := net.DialTimeout("unix", socket.path, 5*time.Second)
		if err != nil {
			findings = append(findings, failed("socket", "start the daemon; if it runs, its --run-dir is another, or its --socket-group does not let you in",
				"%s for %s: %v", socket.path, socket.purpose, errors.Unwrap(err)))
			continue
		}
		_ = connection.Close()
		findings = append(findings, ok("socket", "%s for %s", socket.path, socket.purpose))
	}
	return findings
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkFiles looks at who may read what the daemon keeps.
func checkFiles(data string) []finding {
	info, err := os.Stat(data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []finding{skipped("files", "%s is not there; name the daemon's with --data-dir", data)}
	case err != nil:
		return []finding{skipped("files", "%v", err)}
	}
	var findings []finding
	if loose := info.Mode().Perm() &^ 0o700; loose != 0 {
		findings = append(findings, failed("files", "chmod 0700 "+data, "%s is open to other users (mode %04o)", data, info.Mode().Perm()))
	}
	for _, name := range []string{"key", "admin.token"} {
		path := filepath.Join(data, name)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return []finding{skipped("files", "only root and the daemon's user can look into %s", data)}
		case err == nil && info.Mode().Perm()&^0o600 != 0:
			findings = append(findings, failed("files", "chmod 0600 "+path, "%s is open to other users (mode %04o)", path, info.Mode().Perm()))
		}
	}
	if len(findings) == 0 {
		findings = append(findings, ok("files", "%s is closed to other users", data))
	}
	return findings
}

// maildrop is where sendmail leaves mail while the daemon is down.
func (a *app) maildrop() string {
	if directory := a.Getenv("POSTILION_MAILDROP_DIR"); directory != "" {
		return directory
	}
	if directory := filepath.Join(a.dataDirectory(), "maildrop"); exists(directory) {
		return directory
	}
	return "/var/spool/postilion/maildrop"
}

// checkMaildrop looks for mail that nobody picked up.
func checkMaildrop(directory string, now time.Time) finding {
	const check = "maildrop"
	info, err := os.Stat(directory)
	if err != nil {
		return warning(check, "start the daemon with --maildrop-dir, which makes it; without it sendmail fails while the daemon is down", "%v", err)
	}
	if mode := info.Mode(); mode.Perm()&0o003 != 0o003 || mode&os.ModeSticky == 0 {
		return warning(check, "chmod 1733 "+directory, "%s has mode %04o: not all users can leave mail there", directory, mode.Perm())
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return skipped(check, "only root and the daemon's user can look into %s", directory)
	}
	waiting := 0
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() && !strings.HasPrefix(entry.Name(), ".") && now.Sub(info.ModTime()) > time.Minute {
			waiting++
		}
	}
	if waiting > 0 {
		return failed(check, "start the daemon; if it runs, its log says why it leaves them", "%d messages in %s wait longer than a minute to be picked up", waiting, directory)
	}
	return ok(check, "%s is empty", directory)
}

const (
	diskWarning = 1 << 30
	diskFloor   = 100 << 20
)

func checkDisk(data string) finding {
	const check = "disk"
	path := data
	for !exists(path) && path != filepath.Dir(path) {
		path = filepath.Dir(path)
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return skipped(check, "%s: %v", path, err)
	}
	free := int64(stat.Bavail) * int64(stat.Bsize) //nolint:unconvert // types vary between systems
	const remedy = "make room: with a full disk no mail is accepted"
	switch {
	case free < diskFloor:
		return failed(check, remedy, "only %s are free at %s", bytesText(free), path)
	case free < diskWarning:
		return warning(check, remedy, "only %s are free at %s", bytesText(free), path)
	case stat.Files > 0 && stat.Ffree < 1000:
		return failed(check, "delete files: the file system has no room for more", "only %d files can be made at %s", stat.Ffree, path)
	}
	return ok(check, "%s free at %s", bytesText(free), path)
}

// checkClock looks whether certificates and retries see the right time.
func checkClock(now time.Time) finding {
	const check = "clock"
	const remedy = "let the system keep the time: timedatectl set-ntp true"
	// Postilion was first built in 2026: an earlier time is wrong.
	if now.Year() < 2026 {
		return failed(check, "set it; "+remedy, "it says %s: certificates will not be valid", now.Format(time.RFC1123))
	}
	synchronised, known := clock.Synchronised()
	if known && !synchronised {
		return warning(check, remedy, "the system does not synchronise it: %s", now.Format(time.RFC1123))
	}
	return ok(check, "%s", now.Format(time.RFC1123))
}

// checkPHP looks how PHP's mail() sends.
func (a *app) checkPHP(ctx context.Context) finding {
	const check = "php"
	php, err := exec.LookPath("php")
	if err != nil {
		return skipped(check, "not installed")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	output, err := exec.CommandContext(ctx, php, "-r", `echo ini_get("sendmail_path");`).Output()
	if err != nil {
		return skipped(check, "%s: %v", php, err)
	}
	return phpFinding(strings.TrimSpace(string(output)))
}

func phpFinding(path string) finding {
	const check = "php"
	const remedy = `set in php.ini: sendmail_path = "/usr/bin/postilion-sendmail -t -i"`
	command, _, _ := strings.Cut(path, " ")
	if command == "" {
		return failed(check, remedy, "sendmail_path is empty: mail() says true and the mail is gone")
	}
	target, err := filepath.EvalSymlinks(command)
	switch {
	case err != nil:
		return warning(check, remedy, "sendmail_path is %q, which is not there: mail() fails", path)
	case !strings.HasPrefix(filepath.Base(target), "postilion"):
		return warning(check, remedy, "mail() sends by %q, not through Postilion", path)
	}
	return ok(check, "mail() sends by %s", path)
}
