package maildrop

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHostileFiles(t *testing.T) {
	t.Parallel()
	dir, outside, k := shared(t), t.TempDir(), new(taker)
	p := start(t, dir, k, func(o *Options) { o.MaxSize = 1000 })
	in := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// A good drop outside, which the links lead to.
	victim := drop(t, outside)
	target := filepath.Join(outside, victim.Key)
	must(os.Symlink(target, in(NewKey())))
	must(os.Symlink("/dev/zero", in(NewKey())))
	must(os.Symlink("nowhere", in(NewKey())))
	must(os.Link(target, in(victim.Key)))
	must(unix.Mkfifo(in(NewKey()), 0o666))
	l, err := net.Listen("unix", in(NewKey()))
	must(err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	defer l.Close()
	huge := in(NewKey())
	must(os.WriteFile(huge, []byte(magic+"\n"), 0o600))
	must(os.Truncate(huge, 1<<40))
	must(os.WriteFile(in(NewKey()), nil, 0o600))
	must(os.WriteFile(in(NewKey()), []byte("#!/bin/sh\n"), 0o700))
	must(os.WriteFile(in("line\nbreak"), encode(t, sample("x"), ""), 0o600))
	must(os.WriteFile(in(NewKey()), encode(t, sample("x"), ""), 0o600)) // another key inside
	truncated := sample("some text")
	must(os.WriteFile(in(truncated.Key), encode(t, truncated, "")[:200], 0o600))
	must(os.Mkdir(in(NewKey()), 0o700))
	bad := len(list(t, dir)) - 2 // but for the directories

	good := drop(t, dir)
	scanAll(t, p)
	if got := k.got(); !slices.Equal(got, []string{good.Key}) {
		t.Errorf("submitted %v, want only %s", got, good.Key)
	}
	if names := list(t, dir); len(names) != 2 {
		t.Errorf("left: %v", names)
	}
	if names := list(t, in(badName)); len(names) != bad {
		t.Errorf("%d of %d in bad: %v", len(names), bad, names)
	}
	if data, err := os.ReadFile(target); err != nil || len(data) == 0 {
		t.Errorf("the target of the links was touched: %v", err)
	}
	if strings.Count(k.log.String(), "cannot be sent") != bad || !strings.Contains(k.log.String(), "directories alone") {
		t.Errorf("log:\n%s", k.log.String())
	}
}

func TestThousandsOfFiles(t *testing.T) {
	t.Parallel()
	const n = 1000
	dir, k := shared(t), new(taker)
	p := start(t, dir, k, nil)
	var want []string
	for range n {
		d := sample("x") // written without fsync
		want = append(want, d.Key)
		if err := os.WriteFile(filepath.Join(dir, d.Key), encode(t, d, ""), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "junk"+NewKey()), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if turns := scanAll(t, p); turns < 2*n/100 {
		t.Errorf("%d turns: a user gets more than his share", turns)
	}
	got := k.got()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d of %d submitted, each once", len(got), n)
	}
	if lines := strings.Count(k.log.String(), "\n"); lines > 41*(maxTold+1) {
		t.Errorf("%d lines of log", lines)
	}
	p.o.MaxBad = 10
	p.prune(time.Now())
	if names := list(t, filepath.Join(dir, badName)); len(names) != 10 {
		t.Errorf("%d in bad after pruning", len(names))
	}
	p.prune(time.Now().Add(badLife))
	if names := list(t, filepath.Join(dir, badName)); len(names) != 0 {
		t.Errorf("%d in bad after two weeks", len(names))
	}
}

func TestUsersTakeTurns(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Log("only root can give files away")
		return
	}
	dir, k := shared(t), new(taker)
	p := start(t, dir, k, func(o *Options) { o.TurnFiles = 5 })
	for uid := range 3 {
		for range []int{50, 50, 1}[uid] {
			d := sample("x")
			path := filepath.Join(dir, d.Key)
			if err := os.WriteFile(path, encode(t, d, ""), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, 5000+uid, 5000); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, more, err := p.scan(t.Context()); err != nil || !more {
		t.Fatal(more, err)
	}
	count := make(map[uint32]int)
	for _, uid := range k.uids {
		count[uid]++
	}
	if count[5000] != 5 || count[5001] != 5 || count[5002] != 1 {
		t.Errorf("first turn: %v", count)
	}
}
