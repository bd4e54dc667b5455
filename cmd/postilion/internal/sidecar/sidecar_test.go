package sidecar

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestFind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environment map[string]string
		found       bool
		refused     string
	}{
		"no host":           {nil, false, ""},
		"any host":          {map[string]string{CookieKey: CookieValue}, true, ""},
		"go-plugin's":       {map[string]string{CookieKey: CookieValue, "PLUGIN_PROTOCOL_VERSIONS": "2,1"}, true, ""},
		"with its id":       {map[string]string{CookieKey: CookieValue, HostPID: "42"}, true, ""},
		"another cookie":    {map[string]string{CookieKey: "x"}, false, CookieKey},
		"a newer host":      {map[string]string{CookieKey: CookieValue, "PLUGIN_PROTOCOL_VERSIONS": "2,11"}, false, "version 1"},
		"AutoMTLS":          {map[string]string{CookieKey: CookieValue, "PLUGIN_CLIENT_CERT": "PEM"}, false, "AutoMTLS"},
		"an id that is not": {map[string]string{CookieKey: CookieValue, HostPID: "-1"}, false, HostPID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := Find(func(name string) string { return test.environment[name] })
			if (h != nil) != test.found || (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("host %v, error %v", h, err)
			}
		})
	}
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&Host{}).Announce(&out, "data/admin.sock"); err != nil {
		t.Fatal(err)
	}
	if want := "1|1|unix|" + filepath.Join(here, "data/admin.sock") + "|grpc\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	if err := (&Host{}).Announce(&out, "/a|b/admin.sock"); err == nil || out.Len() > 0 {
		t.Errorf("%q, error %v", out.String(), err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	orphaned := &Host{pid: 42, parent: func() int {
		if asked.Add(1) > 2 {
			return 1
		}
		return 42
	}}
	if !orphaned.Watch(t.Context()) {
		t.Error("the host's end was not noticed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if (&Host{pid: 42, parent: func() int { return 42 }}).Watch(ctx) {
		t.Error("the host is there")
	}
}
