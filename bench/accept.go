package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// acceptRates is how fast messages are accepted, without any being delivered:
// they are to be sent tomorrow.
func acceptRates(b *bench) *table {
	t := &table{
		Title: "Accepting",
		About: "Messages of 2 KiB accepted on stable storage, nothing delivered (`send_at` is tomorrow), by callers that wait for each answer, over " +
			"the Unix socket. Caller and daemon share the machine. Messages per fsync: in a run of its own under strace, over all of the daemon's fsyncs.",
		columns: []string{"", "callers", "messages/s", "p50 ms", "p99 ms", "messages per fsync"},
	}
	rates := make(map[string]float64)
	for _, face := range []string{"gRPC", "JSON"} {
		for _, callers := range []int{1, 8, 64} {
			rate, times := b.acceptRate(face, callers)
			perSync := b.perSync(face, callers)
			t.row(face, fmt.Sprint(callers), rate.String(), figure(times.quantile(0.5)), figure(times.quantile(0.99)), figure(perSync))
			key := fmt.Sprint(face, callers)
			rates[key], rates["sync"+key] = rate.median(), perSync
		}
		// Either is enough.
		gain, perSync := rates[face+"64"]/rates[face+"1"], rates["sync"+face+"64"]
		t.Targets = append(t.Targets, target{
			face + ", 64 callers", "5 times the rate of 1 caller, or 8 messages a commit",
			fmt.Sprintf("%s times, %s messages", figure(gain), figure(perSync)), gain >= 5 || perSync >= 8,
		})
	}
	return t
}

// face gives the sender of a face.
func (b *bench) face(d *daemon, name string) sender {
	if name == "gRPC" {
		return byGRPC(d.client(b))
	}
	return byJSON(d.web(b), d.token)
}

func later(send sender) func(ctx context.Context, i int) error {
	return func(ctx context.Context, i int) error { return send(ctx, letter(i, true)) }
}

// acceptRate gives messages per second, and the callers' waits in milliseconds.
func (b *bench) acceptRate(face string, callers int) (rate, waits series) {
	n := b.number(3000, 200)
	if callers > 1 {
		n *= 2
	}
	b.scope(func(b *bench) {
		d := b.startDaemon(relay("nowhere", 1))
		send := later(b.face(d, face))
		_, err := each(b.ctx, 200, callers, send) // warm up
		b.fail(err)
		for range b.repeats() {
			began := time.Now()
			times, err := each(b.ctx, n, callers, send)
			b.fail(err)
			rate = append(rate, float64(n)/time.Since(began).Seconds())
			waits = append(waits, inMilliseconds(times)...)
		}
	})
	return rate, waits
}

// perSync counts the fsyncs of a run. With seccomp strace stops the daemon at
// nothing else.
func (b *bench) perSync(face string, callers int) (messages float64) {
	n := b.number(3000, 200)
	b.scope(func(b *bench) {
		d := b.installDaemon(relay("nowhere", 1))
		trace := d.path("trace")
		b.launchBy(d, []string{"strace", "-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-o", trace})
		send := later(b.face(d, face))
		_, err := each(b.ctx, 100, callers, send)
		b.fail(err)
		before := b.syncs(trace)
		_, err = each(b.ctx, n, callers, send)
		b.fail(err)
		messages = float64(n) / float64(max(b.syncs(trace)-before, 1))
	})
	return messages
}

// syncs counts the calls; one that another thread interrupts has two lines.
func (b *bench) syncs(trace string) int {
	lines, err := os.ReadFile(trace)
	b.fail(err)
	return strings.Count(string(lines), "sync(")
}

// besideLarge is what a large message does to small ones.
func besideLarge(b *bench) *table {
	t := &table{
		Title: "Small messages beside a large one",
		About: "Wait for the acceptance of 2 KiB messages from 8 callers over gRPC, while one more caller sends messages of 25 MiB, one after the other. " +
			"As a control the large ones are refused (for a connection that is not there) after they were read: that costs the processor, not the disk.",
		columns: []string{"beside", "messages/s", "p50 ms", "p99 ms", "large ones"},
	}
	b.scope(func(b *bench) {
		b.profiled = "beside"
		d := b.startDaemon(relay("nowhere", 1))
		small, large := d.client(b), d.client(b)
		request := letter(0, true)
		head := "From: <from@example.com>\r\nTo: <to@example.net>\r\nSubject: Large\r\n\r\n"
		line := strings.Repeat("x", 76) + "\r\n"
		request.Content = &postilionv1.SendRequest_Raw{Raw: &postilionv1.RawMessage{Content: []byte(head + strings.Repeat(line, (25<<20-2000)/len(line)))}}
		p99 := make(map[string]float64)
		for _, beside := range []string{"nothing", "25 MiB, refused", "25 MiB, accepted"} {
			request.Connection = ""
			if beside == "25 MiB, refused" {
				request.Connection = "missing"
			}
			var rate, waits, passed series
			for range b.repeats() {
				r, w, n := b.besideRun(byGRPC(small), byGRPC(large), request, beside != "nothing")
				rate, waits, passed = append(rate, r), append(waits, w...), append(passed, float64(n))
			}
			p99[beside] = waits.quantile(0.99)
			t.row(beside, rate.String(), figure(waits.quantile(0.5)), figure(p99[beside]), passed.String())
		}
		t.atMost("p99 beside an accepted one against alone", p99["25 MiB, accepted"]/p99["nothing"], 3, " times")
		t.note("p99 beside an accepted one against beside a refused one: %s times; that is what storing it costs the others.",
			figure(p99["25 MiB, accepted"]/p99["25 MiB, refused"]))
	})
	return t
}

// besideRun sends small messages for some seconds.
func (b *bench) besideRun(small, large sender, request *postilionv1.SendRequest, beside bool) (rate float64, waits series, passed int) {
	ctx, stop := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() {
		for beside && ctx.Err() == nil {
			// The control is refused.
			if err := large(b.ctx, request); err != nil && request.Connection == "" {
				done <- err
				return
			}
			passed++
		}
		done <- nil
	}()
	n := b.number(4000, 400)
	began := time.Now()
	times, err := each(b.ctx, n, 8, later(small))
	rate = float64(n) / time.Since(began).Seconds()
	stop()
	b.fail(<-done)
	b.fail(err)
	return rate, inMilliseconds(times), passed
}

// startUp is what it costs to start and to be there.
func startUp(b *bench) *table {
	t := &table{
		Title:   "Starting, and being there",
		About:   "From fork to ready, and resident memory two seconds later. From fork to exit of one `sendmail -t -i` with a message of 2 KiB, from a Go program, in turns.",
		columns: []string{"", "median (lowest–highest)"},
	}
	var first, again, idle series
	for range b.number(5, 2) {
		b.scope(func(b *bench) {
			d := &daemon{folder: b.dir()}
			b.scope(func(b *bench) {
				b.launch(d)
				first = append(first, milliseconds(d.ready))
			})
			b.launch(d)
			again = append(again, milliseconds(d.ready))
			time.Sleep(2 * time.Second)
			idle = append(idle, d.memory(b, "VmRSS"))
		})
	}
	t.row("ready at the first start, which makes the store, ms", first.String())
	t.row("ready at a later start, ms", again.String())
	t.row("idle memory (RSS), MiB", idle.String())
	t.atMost("ready on an empty store", first.median(), 150, " ms")
	t.atMost("idle memory", idle.median(), 40, " MiB")
	b.sendmails(t)
	return t
}
