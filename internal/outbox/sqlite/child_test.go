package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postilion-mail/postilion/internal/clock"
	"github.com/postilion-mail/postilion/internal/database"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/outbox/sqlite"
	"github.com/postilion-mail/postilion/plugin"
)

// Tests that kill a daemon, or need a file system of their own, run this test
// binary again as a child that plays the daemon.
const childRole = "POSTILION_TEST_CHILD"

func TestMain(m *testing.M) {
	switch role, arguments, _ := strings.Cut(os.Getenv(childRole), " "); role {
	case "":
		os.Exit(m.Run())
	case "killed":
		playKilled(arguments)
	case "full":
		playFullDisk(arguments)
	}
}

// child makes the command of a child with a role.
func child(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// must ends a child that cannot go on.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(3)
	}
}

func message(n int, content []byte) *outbox.Message {
	return &outbox.Message{
		ID: uuid.Must(uuid.NewV7()), Client: "a", Key: fmt.Sprint("key ", n), Fingerprint: []byte("print"), Source: "grpc",
		Priority: outbox.PriorityNormal, MessageID: fmt.Sprintf("<%d@example.com>", n), Subject: "A message", From: "from@example.com",
		Chain:      []outbox.Hop{{Connection: "l", EnvelopeFrom: "bounce@example.com", Overlay: []byte("From: from@example.com\r\n")}},
		Recipients: []outbox.Recipient{{Address: "to@example.com"}},
		Content:    content,
	}
}

func report(j outbox.Job, next outbox.State) outbox.Report {
	r := outbox.Report{Token: j.Token, Started: time.Now()}
	for _, i := range j.Indexes {
		r.Results = append(r.Results, outbox.Result{Index: i, Next: next, Due: time.Now(), Hop: j.Hop,
			Outcome: plugin.Outcome{Class: plugin.Accepted, Code: 250, Reply: "ok"}})
	}
	return r
}

// playKilled accepts and delivers messages, says so on standard output, and is
// killed at the n-th time a point of a commit is reached.
func playKilled(arguments string) {
	var dir, point string
	var n int
	_, err := fmt.Sscan(arguments, &dir, &point, &n)
	must(err)
	db, err := database.Open(context.Background(), database.Options{Dir: dir, Fault: func(p database.Point) error {
		if string(p) == point {
			if n--; n == 0 {
				must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
				select {} // the signal may take a moment
			}
		}
		return nil
	}})
	must(err)
	s, err := sqlite.Open(context.Background(), sqlite.Options{DB: db, Clock: clock.New(clock.System()), MinFree: 1, Inline: 1000})
	must(err)
	for i := 0; ; i++ {
		m := message(i, make([]byte, 500*(1+i%4)))
		_, err := s.Accept(context.Background(), m)
		must(err)
		fmt.Println("accepted", m.ID)
		c, err := s.Claim(context.Background(), outbox.Claim{Lane: "l", Limit: 1, Lease: time.Hour})
		must(err)
		if i%3 == 0 {
			continue // stays claimed
		}
		must(s.Record(context.Background(), report(c.Jobs[0], outbox.Sent)))
		fmt.Println("sent", c.Jobs[0].Message)
	}
}

// playFullDisk fills a small file system, on which everything fails in an
// orderly way, and goes on when there is space again.
func playFullDisk(dir string) {
	must(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"))
	db, err := database.Open(context.Background(), database.Options{Dir: dir})
	must(err)
	s, err := sqlite.Open(context.Background(), sqlite.Options{DB: db, Clock: clock.New(clock.System()), MinFree: -1 << 40, Inline: 50000})
	must(err)
	var promised []uuid.UUID
	failures := 0
	for i := 0; failures < 30; i++ {
		m := message(i, make([]byte, 20000*(1+i%4)))
		switch _, err := s.Accept(context.Background(), m); {
		case err == nil:
			promised = append(promised, m.ID)
		case errors.Is(err, outbox.ErrFull), errors.Is(err, outbox.ErrUnavailable):
			failures++
		default:
			must(err)
		}
	}
	// Space comes back with deliveries only if they can be written; here it is
	// a person who makes room.
	must(syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=30m"))
	m := message(-1, make([]byte, 100000))
	for end := time.Now().Add(time.Minute); ; {
		_, err := s.Accept(context.Background(), m)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			must(err)
		}
	}
	must(s.Health())
	for _, id := range append(promised, m.ID) {
		v, err := s.Get(context.Background(), "", id)
		must(err)
		raw, err := s.Raw(context.Background(), "", v.ID)
		must(err)
		must(raw.Close())
	}
	s.Close()
	db.Close()
	v, err := sqlite.Verify(context.Background(), dir)
	must(err)
	if len(v.Problems) > 0 {
		must(fmt.Errorf("%v", v.Problems))
	}
	fmt.Println("promised", len(promised))
}
