// Package python_test runs the tests of the Python client against the real
// daemon.
package python_test

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/postilion-mail/postilion/internal/daemontest"
)

func TestPython(t *testing.T) {
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
	ctx, cancel := context.WithTimeout(t.Context(), 4*daemontest.Patience)
	defer cancel()
	// The distribution's Python, which has the distribution's grpcio.
	for _, test := range []string{"test_postilion", "test_django"} {
		python := exec.CommandContext(ctx, "/usr/bin/python3", "-W", "error::DeprecationWarning:postilion", "-m", "unittest", "-v", "tests."+test)
		python.Env = daemontest.Environment("PYTHONDONTWRITEBYTECODE=1", "POSTILION_TEST_ADMIN="+daemon.AdminSocket(),
			"POSTILION_TEST_SOCKET="+daemon.Socket(), "POSTILION_TEST_ADDRESS="+daemon.GRPC)
		output, err := python.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v; run scripts/setup if a module is missing\n%s", test, err, output)
		}
		t.Logf("%s", output)
	}
}
