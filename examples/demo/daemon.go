package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// daemon is a running `postilion serve`.
type daemon struct {
	command *exec.Cmd
	output  lockedBuffer
	ended   chan struct{} // closed when the process has ended, with err
	err     error
}

// serve starts the daemon and waits until it answers.
func (d *demo) serve(ctx context.Context) (*daemon, error) {
	args := []string{"serve", "--data-dir", d.path("data"), "--grpc-listen", "off", "--http-listen", "off"}
	fmt.Printf("  $ postilion %s &\n", strings.Join(args, " "))
	run := &daemon{command: exec.Command(d.path("bin", "postilion"), args...), ended: make(chan struct{})}
	run.command.Stdout, run.command.Stderr = &run.output, &run.output
	if err := run.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		run.err = run.command.Wait()
		close(run.ended)
	}()
	began := time.Now()
	if err := d.ready(ctx, run); err != nil {
		return nil, errors.Join(err, run.stop(), errors.New(run.log()))
	}
	fmt.Printf("  ready after %d ms\n", time.Since(began).Milliseconds())
	return run, nil
}

func (d *demo) ready(ctx context.Context, run *daemon) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := sdk.Dial(d.path("data", "admin.sock"), sdk.WithToken(""))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := client.Admin.GetServerInfo(ctx, &postilionv1.GetServerInfoRequest{})
		if err == nil {
			return nil
		}
		select {
		case <-run.ended:
			return fmt.Errorf("the daemon ended: %w", run.err)
		case <-ctx.Done():
			return fmt.Errorf("the daemon did not get ready: %w", err)
		case <-tick.C:
		}
	}
}

// stop ends the daemon in order.
func (r *daemon) stop() error {
	_ = r.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
		return r.err
	case <-time.After(patience):
		_ = r.command.Process.Signal(os.Kill)
		<-r.ended
		return errors.New("the daemon did not stop")
	}
}

func (r *daemon) log() string { return r.output.String() }

// lockedBuffer takes what the daemon writes while others read it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// arrival describes a message that the provider got.
func arrival(message smtptest.Message) string {
	subject := "(unreadable)"
	if parsed, err := mail.ReadMessage(bytes.NewReader(message.Content)); err == nil {
		subject = parsed.Header.Get("Subject")
		if decoded, err := new(mime.WordDecoder).DecodeHeader(subject); err == nil {
			subject = decoded
		}
	}
	tls, login := "no TLS", "not logged in"
	if message.TLS {
		tls = "TLS"
	}
	if message.AuthUser != "" {
		login = "logged in as " + message.AuthUser
	}
	return fmt.Sprintf("%-20s to %-20s %s, %s", "\""+subject+"\"", strings.Join(message.To, ", "), tls, login)
}
