package cli

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/internal/config"
)

func TestServe(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var got *config.Config
	run := invocation{serve: func(_ context.Context, configuration *config.Config, log *slog.Logger) error {
		got = configuration
		log.Info("hello", "listen", configuration.GRPCListen)
		return nil
	}, environment: map[string]string{"POSTILION_HTTP_LISTEN": "off", "POSTILION_HTTP_LISTNE": "x"}}
	run.run(t, "serve", "--data-dir", data, "--grpc-listen", "127.0.0.1:1", "--log-format", "json").
		want(t, 0, `"msg":"hello"`, "warning", "POSTILION_HTTP_LISTNE")
	if got == nil || got.DataDir != data || got.GRPCListen != "127.0.0.1:1" || got.HTTPListen != "" {
		t.Errorf("%+v", got)
	}
	run.serve = func(context.Context, *config.Config, *slog.Logger) error {
		return errors.New("another daemon has the lock")
	}
	run.run(t, "serve", "--data-dir", data).want(t, exitFailed, "another daemon has the lock")
}

func TestServeCheck(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	invocation{}.run(t, "serve", "--check", "--data-dir", data).want(t, 0, "right")
	file := write(t, "bad.yaml", "data_dir: "+data+"\nhttp_lisen: x\nretention: long\n")
	result := invocation{}.run(t, "serve", "--check", "--config", file)
	result.want(t, exitConfig, file+":2: http_lisen", file+":3: retention", "expected")
	if got := strings.Count(result.err, "\n"); got != 2 {
		t.Errorf("%d lines, want one for each fault:\n%s", got, result.err)
	}
	invocation{}.run(t, "serve", "--grpc-listen", "nonsense").want(t, exitUsage, "expected")
}
