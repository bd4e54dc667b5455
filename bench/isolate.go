package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/plugin/host"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// isolation is table h.
func isolation(b *bench) *table {
	t := &table{
		Title: "h. A transport as a process",
		About: "Messages per second from the first call of " + strconv.Itoa(lead) + " gRPC callers until the last message has arrived at `smtp-sink`, through a connection " +
			"whose transport runs in the daemon's process, and through one that has a process of its own (`isolation`). Median of the runs (lowest–highest).",
		columns: []string{"size", "in process", "as a process", "of it", "CPU µs a message: source", "daemon, in process", "daemon with a process", "of which the process", "sink"},
	}
	for _, size := range []struct {
		name           string
		octets, n, few int
	}{{"2 KiB", smallSize, 6000, 300}, {"1 MiB", 1 << 20, 200, 20}} {
		request := letter(0, false)
		request.GetMessage().Text = text(size.octets)
		var rates [2]series
		var figures [2]isolated
		for n, where := range []postilionv1.Isolation{postilionv1.Isolation_ISOLATION_IN_PROCESS, postilionv1.Isolation_ISOLATION_PROCESS} {
			b.scope(func(b *bench) { rates[n], figures[n] = b.isolated(where, request, b.number(size.n, size.few)) })
		}
		share := rates[1].median() / rates[0].median()
		in, own := figures[0], figures[1]
		t.row(size.name, rates[0].String(), rates[1].String(), figure(share),
			figure(own.source), figure(in.daemon), figure(own.daemon+own.transport), figure(own.transport), figure(own.sink))
		t.atLeast("messages of "+size.name+" through a process", share, 0.7, " of in process")
	}
	b.fail(b.tool(b.ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", b.programs+"/", "./examples/transport-maildir"))
	plugin, own := b.starts("transport-maildir"), b.starts("postilion", "transport", "smtp")
	t.note("From the start of a plugin (`examples/transport-maildir`; copied, checksum compared, confined) to its first answer: %s ms, at most %s. Of `postilion` itself as a transport: %s ms, at most %s.",
		figure(plugin.median()), figure(plugin.quantile(1)), figure(own.median()), figure(own.quantile(1)))
	t.atMost("start of a plugin", plugin.median(), 100, " ms")
	return t
}

// isolated is processor time in microseconds a message.
type isolated struct{ source, daemon, transport, sink float64 }

// isolated measures a connection of one isolation.
func (b *bench) isolated(isolation postilionv1.Isolation, request *postilionv1.SendRequest, n int) (rates series, f isolated) {
	s := b.startSink(0)
	connection := relay("sink", s.port)
	connection.Isolation = isolation
	d := b.startDaemon(connection)
	client := d.client(b)
	send := func(ctx context.Context, _ int) error { return byGRPC(client)(ctx, request) }
	for run := range b.repeats() + 1 { // the first is to warm up
		before, source, daemon, transport, sink := s.count(), ownTime(), b.cpu(d.process), childTime(d.pid()), b.cpu(s.process)
		began := time.Now()
		_, err := each(b.ctx, n, lead, send)
		b.fail(err)
		b.fail(s.await(b.ctx, before+n))
		if run == 0 {
			continue
		}
		rates = append(rates, float64(n)/time.Since(began).Seconds())
		perMessage := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
		f = isolated{perMessage(ownTime() - source), perMessage(b.cpu(d.process) - daemon), perMessage(childTime(d.pid()) - transport), perMessage(b.cpu(s.process) - sink)}
	}
	return rates, f
}

// starts measures how long it takes to start a transport's process.
func (b *bench) starts(file string, args ...string) (all series) {
	o := host.Options{Name: "measured", Dir: b.programs, File: file, Args: args, RunDir: b.dir()}
	var err error
	o.SHA256, err = host.Checksum(o.Dir, o.File)
	b.fail(err)
	for range b.number(20, 3) {
		began := time.Now()
		p, err := host.Start(b.ctx, o)
		b.fail(err)
		all = append(all, milliseconds(time.Since(began)))
		p.Stop()
	}
	return all
}

// childTime is the processor time of the children of a process.
func childTime(pid int) (all time.Duration) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, _ := os.ReadFile(path) // empty if it has ended
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			used, _ := cpuTime(child)
			all += used
		}
	}
	return all
}
