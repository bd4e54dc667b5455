package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// way brings n messages to a contender with so many at a time, and returns when
// all were accepted.
type way struct {
	name string
	send func(n, sessions int) error
	size func(sessions int) int // messages of a run
}

// lead is the number of sessions that the targets are about.
const lead = 16

// measured are the rates of a way by the number of sessions.
type measured struct {
	name  string
	rates map[int]series
	// Processor time at lead in microseconds a message. Postfix's is not known:
	// its processes come and go.
	source, daemon, sink series
}

// endToEnd is table a: from the first octet of the first message to the last
// message's arrival at the sink.
func endToEnd(b *bench) *table {
	t := &table{
		Title: "a. End to end",
		About: "Messages per second of 2 KiB, from the start of the source until the last message has arrived at `smtp-sink`. Every contender but " +
			"the first accepts on stable storage before it says 250. The source is `smtp-source`, with a new connection for each message or (kept) one " +
			"for each session; for gRPC, JSON and SendBatch it is a Go client that has as many calls under way, over the Unix socket. Median of the runs " +
			"(lowest–highest). Postfix and Postilion have their default settings.",
		columns: []string{"", "1 session", "16 sessions", "50 sessions", "of Postfix at 16", "of raw at 16", "CPU µs a message: source", "daemon", "sink"},
	}
	var all []measured
	b.scope(func(b *bench) {
		s := b.startSink(0)
		all = append(all, b.rates(s, nil, sources(b, "smtp-source to smtp-sink, nothing between", address(s.port), 10000))...)
	})
	b.scope(func(b *bench) {
		s := b.startSink(0)
		p := b.startPostfix(s.port)
		all = append(all, b.rates(s, nil, sources(b, "Postfix", address(p.port), 2000))...)
	})
	for i, name := range []string{"smtp", "smtp-kept", "grpc", "json", "sendbatch"} {
		b.scope(func(b *bench) {
			b.profiled = name
			s := b.startSink(0)
			d := b.startDaemon(relay("sink", s.port))
			ways := append(sources(b, "Postilion, SMTP port", d.smtp, 6000), calls(b, d)...)
			all = append(all, b.rates(s, d, ways[i:i+1])...)
		})
	}
	t.endToEndRows(all)
	return t
}

// endToEndRows writes the rates, with the ratios to the ways of the same kind.
func (t *table) endToEndRows(all []measured) {
	raw, postfix := all[0:2], all[2:4]
	for i, m := range all {
		kept := i % 2 // for API calls, connections are kept
		if i >= 6 {
			kept = 1
		}
		at := m.rates[lead].median()
		t.row(m.name, m.rates[1].String(), m.rates[lead].String(), m.rates[50].String(),
			figure(at/postfix[kept].rates[lead].median()), figure(at/raw[kept].rates[lead].median()),
			figure(m.source.median()), figure(m.daemon.median()), figure(m.sink.median()))
	}
	ours := all[4].rates[lead].median()
	t.atLeast("SMTP port, 16 sessions, new connections, against Postfix", ours/postfix[0].rates[lead].median(), 8, " times")
	t.atLeast("the same against raw smtp-source to smtp-sink", ours/raw[0].rates[lead].median(), 0.3, " of it")
	t.bound(all[4], 8*postfix[0].rates[lead].median())
}

// bound says what rate the processor allows, and what the daemon may use of it
// if the chain is to reach a rate.
func (t *table) bound(m measured, wanted float64) {
	cores := float64(runtime.NumCPU())
	others := m.source.median() + m.sink.median()
	t.note("%s: %s cores give at most %s messages/s at these %s µs of processor time a message for source, daemon and sink. "+
		"For 8 times Postfix's rate (%s messages/s) it would have to be %s µs in all, of which source and sink leave %s µs to the daemon.",
		m.name, figure(cores), figure(cores*1e6/(others+m.daemon.median())), figure(others+m.daemon.median()),
		figure(wanted), figure(cores*1e6/wanted), figure(cores*1e6/wanted-others))
}

// sources are the two ways of smtp-source.
func sources(b *bench, name, address string, n int) []way {
	size := func(sessions int) int {
		if sessions == 1 {
			return b.number(n/4, n/100)
		}
		return b.number(n, n/20)
	}
	return []way{
		{name, func(n, sessions int) error { return smtpSource(b.ctx, address, n, sessions, false) }, size},
		{name + ", kept", func(n, sessions int) error { return smtpSource(b.ctx, address, n, sessions, true) }, size},
	}
}

// calls are the ways of the API.
func calls(b *bench, d *daemon) []way {
	client, web := d.client(b), d.web(b)
	size := func(sessions int) int {
		if sessions == 1 {
			return b.number(2000, 100)
		}
		return b.number(6000, 500)
	}
	by := func(send sender) func(n, sessions int) error {
		return func(n, sessions int) error {
			_, err := each(b.ctx, n, sessions, func(ctx context.Context, i int) error { return send(ctx, letter(i, false)) })
			return err
		}
	}
	return []way{
		{"Postilion, gRPC", by(byGRPC(client)), size},
		{"Postilion, JSON", by(byJSON(web, d.token)), size},
		{"Postilion, SendBatch", func(n, sessions int) error {
			return batch(b.ctx, client, n, sessions, func(i int) *postilionv1.SendRequest { return letter(i, false) })
		}, size},
	}
}

// rates measures ways that end at one sink.
func (b *bench) rates(s *sink, d *daemon, ways []way) []measured {
	all := make([]measured, len(ways))
	for i, w := range ways {
		all[i] = measured{name: w.name, rates: make(map[int]series)}
		for _, sessions := range []int{1, lead, 50} {
			for range b.repeats() {
				b.rate(&all[i], s, d, w, sessions)
			}
		}
	}
	return all
}

// rate makes one run.
func (b *bench) rate(m *measured, s *sink, d *daemon, w way, sessions int) {
	n, before := w.size(sessions), s.count()
	source, sinks := ownTime(), b.cpu(s.process)
	var daemons time.Duration
	if d != nil {
		daemons = b.cpu(d.process)
	}
	began := time.Now()
	if err := w.send(n, sessions); err != nil {
		b.failf("%s: %w", w.name, err)
	}
	if err := s.await(b.ctx, before+n); err != nil {
		b.failf("%s: %w", w.name, err)
	}
	m.rates[sessions] = append(m.rates[sessions], float64(n)/time.Since(began).Seconds())
	if sessions == lead {
		perMessage := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
		m.source = append(m.source, perMessage(ownTime()-source))
		m.sink = append(m.sink, perMessage(b.cpu(s.process)-sinks))
		if d != nil {
			m.daemon = append(m.daemon, perMessage(b.cpu(d.process)-daemons))
		}
	}
	if taken := s.count(); taken != before+n {
		b.fail(fmt.Errorf("%s: %d messages arrived, %d were sent", w.name, taken-before, n))
	}
}
