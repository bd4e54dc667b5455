package fault

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

// T120: nothing that tells of the daemon's inside is served anywhere, not to
// admins either.
func TestNothingBesideTheServices(t *testing.T) {
	t.Parallel()
	d := start(t, "--metrics-listen", "127.0.0.1:0")
	token := d.adminToken(t)
	ctx := metadata.AppendToOutgoingContext(d.ctx(), "authorization", "Bearer "+token)
	for _, target := range []string{"unix://" + d.AdminSocket(), "unix://" + d.Socket(), d.GRPC} {
		conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, method := range []string{
			"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
			"/grpc.channelz.v1.Channelz/GetServers", "/grpc.channelz.v1.Channelz/GetTopChannels", "/debug/pprof/",
		} {
			err := conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{})
			if code := status.Code(err); code != codes.Unimplemented && code != codes.PermissionDenied {
				t.Errorf("%s on %s gives %v", method, target, err)
			}
		}
	}
	for _, host := range []string{d.HTTP, d.Metrics} {
		for _, path := range []string{
			"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/vars", "/debug/requests", "/debug/events", "/api/v1/status/config",
			"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.channelz.v1.Channelz/GetServers", "/",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				request, err := http.NewRequestWithContext(d.ctx(), method, "http://"+host+path, strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Authorization", "Bearer "+token)
				request.Header.Set("Content-Type", "application/json")
				answer, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
				if answer.StatusCode < 400 {
					t.Errorf("%s %s%s gives %s", method, host, path, answer.Status)
				}
			}
		}
	}
	if answer, err := http.Get("http://" + d.HTTP + "/metrics"); err != nil || answer.StatusCode != http.StatusNotFound {
		t.Errorf("metrics beside the API: %v, %v", answer, err)
	}
}

// T125: who pings without end is told to go away, and others are served.
func TestPingFlood(t *testing.T) {
	t.Parallel()
	d := start(t)
	for _, place := range []struct{ network, address string }{{"tcp", d.GRPC}, {"unix", d.Socket()}} {
		conn, err := net.Dial(place.network, place.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(daemontest.Patience))
		if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		framer := http2.NewFramer(conn, conn)
		if err := framer.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if err := framer.WritePing(false, [8]byte{byte(i)}); err != nil {
				break // it has gone already
			}
		}
		for told := false; !told; {
			frame, err := framer.ReadFrame()
			if err != nil {
				t.Errorf("the flood ended with %v in place of GOAWAY", err)
				break
			}
			if away, ok := frame.(*http2.GoAwayFrame); ok {
				if told = true; away.ErrCode != http2.ErrCodeEnhanceYourCalm {
					t.Errorf("GOAWAY with %v", away.ErrCode)
				}
			}
		}
	}
	d.send(letter("others", 0, "a@example.net"))
}
