package wordpress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	plugin "github.com/postilion-mail/postilion/sdk/wordpress"
)

// phpTime is how long the site's PHP may take.
const phpTime = time.Minute

// answerMark stands before our answer in what PHP prints: a site's plugins may
// print, too.
const answerMark = "\n\x01postilion\x01"

// ErrNoPHP says that there is no php to run the site's code with.
var ErrNoPHP = errors.New("there is no php on the path")

// Info is what the site says about itself.
type Info struct {
	URL    string `json:"url"`
	Active bool   `json:"active"` // the plugin is
	PHP    string `json:"php"`
	WP     string `json:"wp"`
}

// Ask runs the site to learn about it, as a Unix user. Change is "activate" or
// "deactivate" for the plugin, or empty.
func (s *Site) Ask(ctx context.Context, as, change string) (Info, error) {
	code := `error_reporting(0); define('WP_USE_THEMES', false); $_SERVER['HTTP_HOST'] = $_SERVER['HTTP_HOST'] ?? 'localhost';
require getenv('POSTILION_SITE') . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
$plugin = '` + plugin.Main + `';
$error = '';
if ('` + change + `' === 'activate') { $done = activate_plugin($plugin); if (is_wp_error($done)) { $error = $done->get_error_message(); } }
if ('` + change + `' === 'deactivate') { deactivate_plugins($plugin); }
echo "\n\x01postilion\x01", json_encode(array('url' => get_option('home'), 'active' => is_plugin_active($plugin), 'php' => PHP_VERSION, 'wp' => get_bloginfo('version'), 'error' => $error));`
	out, err := s.php(ctx, as, code)
	if err != nil {
		return Info{}, err
	}
	_, answer, found := strings.Cut(out, answerMark)
	if !found {
		return Info{}, fmt.Errorf("the site did not start: %.300q", strings.TrimSpace(out))
	}
	var info struct {
		Info
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(answer), &info); err != nil {
		return Info{}, fmt.Errorf("the site's answer: %w", err)
	}
	if info.Error != "" {
		return info.Info, fmt.Errorf("WordPress says: %.300s", info.Error)
	}
	return info.Info, nil
}

// php runs code with the site, as a user if we are root.
func (s *Site) php(ctx context.Context, as, code string) (string, error) {
	program, err := exec.LookPath("php")
	if err != nil {
		return "", ErrNoPHP
	}
	ctx, cancel := context.WithTimeout(ctx, phpTime)
	defer cancel()
	command := exec.CommandContext(ctx, program, "-d", "display_errors=stderr", "-r", code)
	command.Dir = s.Root
	command.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "POSTILION_SITE=" + s.Root, "HOME=/nonexistent"}
	command.WaitDelay = time.Second
	if os.Geteuid() == 0 {
		if command.SysProcAttr, err = credentials(as); err != nil {
			return "", err
		}
	}
	var out, errs bounded // what runs there is the site's
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil && !strings.Contains(out.String(), answerMark) {
		return "", fmt.Errorf("the site's PHP failed: %w: %.300q", err, strings.TrimSpace(errs.String()+" "+out.String()))
	}
	return out.String(), nil
}

// bounded keeps the last of what is written to it.
type bounded struct{ bytes.Buffer }

const maxOutput = 1 << 20

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput {
		b.Reset()
	}
	if len(p) > maxOutput {
		b.Buffer.Write(p[len(p)-maxOutput:])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// credentials are those of a user, with its groups, for a process of its own.
func credentials(name string) (*syscall.SysProcAttr, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, err
	}
	credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	groups, err := account.GroupIds()
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		if id, err := strconv.ParseUint(group, 10, 32); err == nil {
			credential.Groups = append(credential.Groups, uint32(id))
		}
	}
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true}, nil
}

// Reaches tells whether a Unix user can connect to a socket, and if not, why.
func Reaches(ctx context.Context, as, socket string) error {
	if os.Geteuid() != 0 {
		return nil // the user's own call will tell
	}
	// Test's -w looks with the rights of the process (access(2)): the whole
	// path, and the socket's own mode.
	command := exec.CommandContext(ctx, "/usr/bin/test", "-S", socket, "-a", "-w", socket)
	var err error
	if command.SysProcAttr, err = credentials(as); err != nil {
		return err
	}
	if err := command.Run(); err != nil {
		return fmt.Errorf("the user %s cannot use %s: it is not there, or a folder on the way or its mode does not let it", as, socket)
	}
	return nil
}
