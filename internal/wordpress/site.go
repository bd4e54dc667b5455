// Package wordpress finds a WordPress on this machine and connects it with the
// daemon: it reads and changes its wp-config.php, installs the plugin, and
// runs the site's PHP. It does so as the one whom the site belongs to, never as
// root in a folder of somebody else's.
package wordpress

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Site is a WordPress.
type Site struct {
	Root    string // with wp-load.php
	Config  string // path of wp-config.php
	Content string // wp-content
	// UID and GID are the owner's of wp-config.php: those who act on the site.
	UID, GID int
}

// Find gives the site in a folder. wp-config.php may lie one above, as
// WordPress has it (wp-load.php).
func Find(path string) (*Site, error) {
	root, err := filepath.Abs(path)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, "wp-load.php")); err != nil {
		return nil, fmt.Errorf("%s is no WordPress: there is no wp-load.php in it; give the folder that has it", root)
	}
	s := &Site{Root: root, Config: filepath.Join(root, "wp-config.php")}
	if _, err := os.Lstat(s.Config); errors.Is(err, os.ErrNotExist) {
		above := filepath.Dir(root)
		s.Config = filepath.Join(above, "wp-config.php")
		if _, err := os.Stat(filepath.Join(above, "wp-settings.php")); err == nil {
			s.Config = filepath.Join(root, "wp-config.php") // that one is another site's
		}
	}
	info, err := os.Lstat(s.Config)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s has no wp-config.php yet; finish the installation of WordPress first", root)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file; give the folder in which the real one lies", s.Config)
	}
	s.UID, s.GID = owner(info)
	s.Content = filepath.Join(root, "wp-content")
	source, err := s.Read()
	if err != nil {
		return nil, err
	}
	if dir := Value(source, "WP_CONTENT_DIR"); dir != "" {
		s.Content = dir
	}
	if s.Content, err = filepath.EvalSymlinks(s.Content); err != nil {
		return nil, err
	}
	return s, nil
}

func owner(info os.FileInfo) (uid, gid int) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return os.Getuid(), os.Getgid()
	}
	return int(stat.Uid), int(stat.Gid)
}

// Read gives wp-config.php.
func (s *Site) Read() (source []byte, err error) {
	err = s.act(func() error {
		source, err = os.ReadFile(s.Config)
		return err
	})
	return source, err
}

// webUsers run PHP on behalf of sites, and nothing else.
var webUsers = []string{"www-data", "apache", "nginx", "http", "wwwrun"}

// User names the Unix user that runs the site's PHP, as far as files tell: the
// owner of what PHP writes, else the site's. The site's owner decides what lies
// in the site, and so must not be able to name a third: it is the owner, or a
// web server's user.
func (s *Site) User() (name, why string) {
	for _, place := range []string{filepath.Join(s.Content, "uploads"), s.Content, s.Config} {
		info, err := os.Lstat(place)
		if err != nil {
			continue
		}
		uid, _ := owner(info)
		found, err := user.LookupId(strconv.Itoa(uid))
		if err == nil && uid != 0 && (uid == s.UID || slices.Contains(webUsers, found.Username)) {
			return found.Username, "owns " + place
		}
	}
	if s.UID != 0 {
		return "", ""
	}
	if found, err := user.Lookup("www-data"); err == nil {
		return found.Username, "is the usual one; all of the site belongs to root"
	}
	return "", ""
}

// Same tells whether two URLs are of one site: http or https makes none.
func Same(one, other string) bool {
	bare := func(s string) string {
		s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
		return strings.ToLower(strings.TrimRight(s, "/"))
	}
	return bare(one) == bare(other)
}

// ClientName makes a name for the site's client out of its URL.
func ClientName(site string) string {
	u, err := url.Parse(site)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	name := []byte("wp-")
	for _, c := range []byte(u.Host + u.Path) {
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-':
		default:
			c = '-'
		}
		name = append(name, c)
	}
	for len(name) > 0 && name[len(name)-1] == '-' {
		name = name[:len(name)-1]
	}
	return string(name[:min(len(name), 63)])
}
