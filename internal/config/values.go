package config

import (
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

var errForm = errors.New("not in the expected form")

// text is a string that is taken as it is.
type text string

func (v *text) Set(s string) error {
	if strings.ContainsAny(s, "\x00\n\r") {
		return errForm
	}
	*v = text(s)
	return nil
}
func (v *text) String() string { return string(*v) }
func (*text) Type() string     { return "string" }
func (*text) expected() string { return "a text in one line" }

// path names a file or folder.
type path string

func (v *path) Set(s string) error { return (*text)(v).Set(s) }
func (v *path) String() string     { return string(*v) }
func (*path) Type() string         { return "path" }
func (*path) expected() string     { return "a path in one line" }

// address is the address of a listener, empty when it is off.
type address string

func (v *address) Set(s string) error {
	if s == "off" {
		s = ""
	}
	if s != "" {
		if _, _, err := splitListen(s); err != nil {
			return err
		}
	}
	*v = address(s)
	return nil
}
func (v *address) String() string { return string(*v) }
func (*address) Type() string     { return "address" }
func (*address) expected() string {
	return `host:port with an IP address or localhost, such as 127.0.0.1:9125, or "off"`
}

// splitListen takes the address of a listener apart. The host is an IP address
// and not valid for all interfaces.
func splitListen(s string) (netip.Addr, uint16, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return netip.Addr{}, 0, errForm
	}
	port, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil {
		return netip.Addr{}, 0, errForm
	}
	host := s[:i]
	switch {
	case host == "":
		return netip.Addr{}, uint16(port), nil
	case host == "localhost":
		host = "127.0.0.1"
	case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"):
		host = host[1 : len(host)-1]
	case strings.Contains(host, ":"): // IPv6 needs the brackets
		return netip.Addr{}, 0, errForm
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, 0, errForm
	}
	return ip.Unmap(), uint16(port), nil
}

// server is the address of a server to ask. A name would need another server
// to be looked up.
type server string

func (v *server) Set(s string) error {
	if s == "" {
		*v = ""
		return nil
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		*v = server(netip.AddrPortFrom(ip, 53).String())
		return nil
	}
	place, err := netip.ParseAddrPort(s)
	if err != nil || place.Port() == 0 {
		return errForm
	}
	*v = server(place.String())
	return nil
}
func (v *server) String() string { return string(*v) }
func (*server) Type() string     { return "address" }
func (*server) expected() string { return "an IP address, with a port unless that is 53" }

// choice is one of some words.
type choice struct {
	to    *string
	words []string
}

func (v *choice) Set(s string) error {
	if !slices.Contains(v.words, s) {
		return errForm
	}
	*v.to = s
	return nil
}
func (v *choice) String() string   { return *v.to }
func (*choice) Type() string       { return "word" }
func (v *choice) expected() string { return strings.Join(v.words, " or ") }

// prefixes is a list of IP ranges, separated by commas.
type prefixes []netip.Prefix

func (v *prefixes) Set(s string) error {
	var list []netip.Prefix
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if s == "" {
			break
		}
		parsed, err := parsePrefix(part)
		if err != nil {
			return err
		}
		list = append(list, parsed)
	}
	*v = list
	return nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	parsed, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if parsed != parsed.Masked() || parsed.Addr().Is4In6() {
		return netip.Prefix{}, errForm // 10.0.0.1/8 says two things
	}
	return parsed, nil
}

func (v *prefixes) String() string {
	list := make([]string, len(*v))
	for i, p := range *v {
		list[i] = p.String()
	}
	return strings.Join(list, ",")
}
func (*prefixes) Type() string     { return "ranges" }
func (*prefixes) expected() string { return "addresses or ranges such as 10.0.0.0/8, fd00::/8" }

// duration is a time.Duration, with days as a unit of its own.
type duration time.Duration

func (v *duration) Set(s string) error {
	parsed, err := parseDuration(s)
	if err != nil || parsed < 0 {
		return errForm
	}
	*v = duration(parsed)
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, err
	}
	if rest == "" {
		return time.Duration(n) * day, nil
	}
	parsed, err := time.ParseDuration(rest)
	if parsed < 0 {
		err = errForm
	}
	return time.Duration(n)*day + parsed, err
}

func (v *duration) String() string {
	d := time.Duration(*v)
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String() // 1m0s, 1h0m0s
	if trimmed, ok := strings.CutSuffix(s, "m0s"); ok {
		s = trimmed + "m"
	}
	if trimmed, ok := strings.CutSuffix(s, "h0m"); ok {
		s = trimmed + "h"
	}
	return s
}
func (*duration) Type() string     { return "duration" }
func (*duration) expected() string { return "a duration such as 90s, 12h or 14d" }

// size is a number of bytes.
type size int64

func (v *size) Set(s string) error {
	number, factor := s, int64(1)
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if trimmed, ok := strings.CutSuffix(s, unit); ok {
			number, factor = strings.TrimSpace(trimmed), 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/factor {
		return errForm
	}
	*v = size(int64(n) * factor)
	return nil
}

func (v *size) String() string {
	n, unit := int64(*v), 0
	for n > 0 && n%1024 == 0 && unit < 3 {
		n, unit = n/1024, unit+1
	}
	return strconv.FormatInt(n, 10) + []string{"", "KiB", "MiB", "GiB"}[unit]
}
func (*size) Type() string     { return "size" }
func (*size) expected() string { return "bytes, or a size such as 512KiB or 25MiB" }

// level is a level of the log.
type level struct{ to *slog.Level }

func levels() []slog.Level {
	return []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
}

func (v *level) Set(s string) error {
	for _, l := range levels() {
		if s == strings.ToLower(l.String()) {
			*v.to = l
			return nil
		}
	}
	return errForm
}
func (v *level) String() string { return strings.ToLower(v.to.String()) }
func (*level) Type() string     { return "word" }
func (*level) expected() string { return "debug, info, warn or error" }
