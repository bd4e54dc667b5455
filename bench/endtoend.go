package main

import (
	"context"
	"fmt"
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
	cpu   series // of the daemon at lead, in microseconds a message
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
		columns: []string{"", "1 session", "16 sessions", "50 sessions", "of Postfix at 16", "of raw at 16", "daemon CPU/message"},
	}
	var all []measured
	b.scope(func(b *bench) {
		s := b.startSink(0)
		all = append(all, b.rates(s, nil, sources(b, "smtp-source to smtp-sink, nothing between", address(s.port), 20000))...)
	})
	b.scope(func(b *bench) {
		s := b.startSink(0)
		p := b.startPostfix(s.port)
		all = append(all, b.rates(s, nil, sources(b, "Postfix", address(p.port), 2000))...)
	})
	b.scope(func(b *bench) {
		s := b.startSink(0)
		d := b.startDaemon(relay("sink", s.port))
		all = append(all, b.rates(s, d, append(sources(b, "Postilion, SMTP port", d.smtp, 10000), calls(b, d)...))...)
	})
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
			figure(at/postfix[kept].rates[lead].median()), figure(at/raw[kept].rates[lead].median()), microseconds(m.cpu))
	}
	ours := all[4].rates[lead].median()
	t.atLeast("SMTP port, 16 sessions, new connections, against Postfix", ours/postfix[0].rates[lead].median(), 8, " times")
	t.atLeast("the same against raw smtp-source to smtp-sink", ours/raw[0].rates[lead].median(), 0.3, " of it")
}

func microseconds(s series) string {
	if len(s) == 0 {
		return ""
	}
	return figure(s.median()) + " µs"
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
		{name, func(n, sessions int) error { return smtpSource(address, n, sessions, false) }, size},
		{name + ", kept", func(n, sessions int) error { return smtpSource(address, n, sessions, true) }, size},
	}
}

// calls are the ways of the API.
func calls(b *bench, d *daemon) []way {
	client, web := d.client(b), d.web(b)
	size := func(sessions int) int {
		if sessions == 1 {
			return b.number(3000, 100)
		}
		return b.number(10000, 500)
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
	var used time.Duration
	if d != nil {
		used = d.cpu(b)
	}
	began := time.Now()
	if err := w.send(n, sessions); err != nil {
		b.failf("%s: %w", w.name, err)
	}
	if err := s.await(before + n); err != nil {
		b.failf("%s: %w", w.name, err)
	}
	m.rates[sessions] = append(m.rates[sessions], float64(n)/time.Since(began).Seconds())
	if d != nil && sessions == lead {
		m.cpu = append(m.cpu, float64((d.cpu(b)-used).Microseconds())/float64(n))
	}
	if taken := s.count(); taken != before+n {
		b.fail(fmt.Errorf("%s: %d messages arrived, %d were sent", w.name, taken-before, n))
	}
}
