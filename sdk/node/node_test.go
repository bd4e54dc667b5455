// Package node_test runs the tests of the Node client against the real daemon.
package node_test

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

func TestNode(t *testing.T) {
	t.Parallel()
	folder, err := daemontest.Folder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := daemontest.Build(folder); err != nil {
		t.Fatal(err)
	}
	daemon := daemontest.New(t, folder, folder)
	daemon.Start()
	ctx, cancel := context.WithTimeout(t.Context(), 5*daemontest.Patience)
	defer cancel()
	for _, args := range [][]string{{"ci", "--ignore-scripts", "--prefer-offline"}, {"test"}} {
		npm := exec.CommandContext(ctx, "npm", args...)
		npm.Env = daemontest.Environment("POSTILION_TEST_ADMIN="+daemon.AdminSocket(), "POSTILION_TEST_SOCKET="+daemon.Socket(), "POSTILION_TEST_ADDRESS="+daemon.GRPC)
		output, err := npm.CombinedOutput()
		if err != nil {
			t.Fatalf("npm %v: %v; npm comes by scripts/setup, and fetches what package-lock.json names\n%s", args, err, output)
		}
		t.Logf("%s", output)
	}
}
