// Command launch has the daemon as its child and sends a mail through it:
//
//	go run ./examples/launch
//
// It builds the daemon's program, unless -binary names one. The mail is kept instead of sent, since nothing else is configured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

func main() {
	binary := flag.String("binary", "", "the daemon's program; it is built if there is none")
	flag.Parse()
	to := "you@example.com"
	if flag.NArg() > 0 {
		to = flag.Arg(0)
	}
	if err := run(context.Background(), *binary, to); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, to string) (err error) {
	dir, err := os.MkdirTemp("", "launch") // an application has a directory that stays
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary == "" {
		binary = filepath.Join(dir, "postilion")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/postilion")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building the daemon: %w", err)
		}
	}
	daemon, err := sdk.Launch(ctx, sdk.LaunchOptions{Binary: binary, DataDir: filepath.Join(dir, "mail")})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if stopped := daemon.Stop(ctx); err == nil {
			err = stopped
		}
		fmt.Println("the daemon has stopped")
	}()
	fmt.Println("the daemon runs as process", daemon.PID())

	_, err = daemon.Client.Mailer.Configure(ctx, &postilionv1.ConfigureRequest{
		Connection: &postilionv1.Connection{
			Name:      "kept",
			Transport: &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{Transport: "capture"}},
		},
		SetDefault: true,
	})
	if err != nil {
		return err
	}
	receipt, err := daemon.Client.Send(ctx, &sdk.Message{
		From: "Shop <shop@example.com>", To: []string{to}, Subject: "Your order", Text: "Thank you for your order.\n",
		Options: sdk.Options{Wait: 30 * time.Second},
	})
	if err != nil {
		return err
	}
	for _, r := range receipt.GetRecipients() {
		fmt.Println(r.GetAddress(), r.GetState(), r.GetOutcome().GetReply())
	}
	return nil
}
