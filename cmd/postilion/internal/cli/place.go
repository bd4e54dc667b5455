package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/postilion-mail/postilion/sdk"
)

const defaultDataDir = "/var/lib/postilion"

// place is where the daemon is looked for.
type place struct {
	target string
	admin  bool // the admin socket, where no token is needed
	tls    bool
}

// locate decides where the daemon is: flags before the environment, an address
// before a socket before a data directory. Root and the daemon's own user are
// led to the admin socket, others to the public one.
func (a *app) locate() place {
	for _, given := range []struct{ address, socket, dataDir string }{
		{a.address, a.socket, a.dataDir},
		{a.Getenv("POSTILION_ADDRESS"), a.Getenv("POSTILION_SOCKET"), a.Getenv("POSTILION_DATA_DIR")},
	} {
		switch {
		case given.address != "":
			return place{target: given.address, tls: !loopback(given.address)}
		case given.socket != "":
			return place{target: given.socket}
		case given.dataDir != "":
			if admin := filepath.Join(given.dataDir, "admin.sock"); a.owns(admin) {
				return place{target: admin, admin: true}
			}
			return place{target: filepath.Join(given.dataDir, "run", "postilion.sock")}
		}
	}
	if admin := filepath.Join(defaultDataDir, "admin.sock"); a.owns(admin) {
		return place{target: admin, admin: true}
	}
	return place{target: sdk.DefaultSocket}
}

// owns tells whether we are the user who may use the admin socket. A socket
// that is not there is nobody's, so that the public one is tried.
func (a *app) owns(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (a.UID == 0 || int(stat.Uid) == a.UID)
}

func (a *app) dial() (*sdk.Client, error) {
	a.place = a.locate()
	options := []sdk.Option{sdk.WithTimeout(a.timeout), a.token()}
	if a.place.tls {
		options = append(options, sdk.WithTLS(nil))
	}
	target := a.place.target
	if name, found := strings.CutSuffix(target, "-http.sock"); found {
		target = name + ".sock" // POSTILION_SOCKET may be that of sendmail
	}
	client, err := sdk.Dial(target, options...)
	if err != nil {
		return nil, usage("%v", err)
	}
	return client, nil
}

// token is the flag's, else the environment's, which stays away from the admin
// socket: there it would make an admin less.
func (a *app) token() sdk.Option {
	switch {
	case a.tokenFile != "":
		return sdk.WithTokenFile(a.tokenFile)
	case a.place.admin:
		return sdk.WithToken("")
	case a.Getenv("POSTILION_TOKEN") == "" && a.Getenv("POSTILION_TOKEN_FILE") != "":
		return sdk.WithTokenFile(a.Getenv("POSTILION_TOKEN_FILE"))
	}
	return sdk.WithToken(a.Getenv("POSTILION_TOKEN"))
}

func loopback(address string) bool {
	host := address
	if at := strings.LastIndexByte(address, ':'); at >= 0 {
		host = strings.Trim(address[:at], "[]")
	}
	return host == "" || host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// dataDirectory is the daemon's, for what is looked at without the daemon.
func (a *app) dataDirectory() string {
	for _, directory := range []string{a.dataDir, a.Getenv("POSTILION_DATA_DIR")} {
		if directory != "" {
			return directory
		}
	}
	return defaultDataDir
}
