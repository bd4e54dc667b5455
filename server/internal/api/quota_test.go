package api

import (
	"testing"
	"time"
)

func TestQuotaOfTests(t *testing.T) {
	t.Parallel()
	var q quota
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for i := range testsPerMinute {
		if wait := q.take("a", now); wait != 0 {
			t.Fatalf("test %d has to wait for %v", i, wait)
		}
	}
	if wait := q.take("a", now.Add(20*time.Second)); wait != 40*time.Second {
		t.Errorf("the next one has to wait for %v", wait)
	}
	if wait := q.take("b", now); wait != 0 {
		t.Errorf("another client has to wait for %v", wait)
	}
	if wait := q.take("a", now.Add(time.Minute)); wait != 0 {
		t.Errorf("after a minute it has to wait for %v", wait)
	}
	if n := len(q.use); n != 1 {
		t.Errorf("%d windows are kept", n)
	}
}
