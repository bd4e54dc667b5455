package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// large is table e.
func large(b *bench) *table {
	const size = 10 << 20
	t := &table{
		Title: "e. A large message",
		About: "A message with an attachment of 10 MiB (14 MiB encoded), sent and waited for until `smtp-sink` has taken it; one after the other. Peak memory " +
			"is the most that the daemon held (VmHWM) from the call to the answer, above what it held idle before the first, in sizes of the attachment.",
		columns: []string{"", "under way", "attachment MiB/s", "idle MiB", "peak MiB", "peak above idle, of 10 MiB"},
	}
	content := make([]byte, size)
	_, _ = rand.Read(content)
	for _, face := range []string{"gRPC", "JSON"} {
		for _, callers := range []int{1, 4} {
			b.scope(func(b *bench) { b.largeRow(t, face, callers, content) })
		}
	}
	return t
}

func (b *bench) largeRow(t *table, face string, callers int, content []byte) {
	s := b.startSink(0)
	d := b.startDaemon(relay("sink", s.port))
	request := letter(0, false)
	request.GetMessage().Attachments = []*postilionv1.Attachment{{Filename: "photo.bin", Content: content}}
	request.Wait = durationpb.New(time.Minute)
	client := d.client(b)
	send := func(ctx context.Context, _ int) error { return byGRPC(client)(ctx, request) }
	if face == "JSON" {
		// The body is made once: what PHP or Node need for that is theirs.
		body := fmt.Appendf(nil, `{"wait":"60s","message":{"from":{"address":"from@example.com"},"to":[{"address":"to@example.net"}],`+
			`"subject":"Photo","text":"See there.","attachments":[{"filename":"photo.bin","content":%q}]}}`, base64.StdEncoding.EncodeToString(content))
		web := d.web(b)
		send = func(ctx context.Context, _ int) error { return postJSON(ctx, web, d.token, body) }
	}
	time.Sleep(time.Second)
	idle := d.memory(b, "VmRSS")
	var rates, peaks series
	for range b.repeats() {
		n := b.number(8, 2) * callers
		before := s.count()
		b.fail(resetPeak(d.pid()))
		began := time.Now()
		_, err := each(b.ctx, n, callers, send)
		b.fail(err)
		b.fail(s.await(before + n))
		mib := float64(len(content)) / (1 << 20)
		rates = append(rates, float64(n)*mib/time.Since(began).Seconds())
		peaks = append(peaks, d.memory(b, "VmHWM"))
	}
	above := (peaks.median() - idle) / (float64(len(content)) / (1 << 20))
	t.row(face, fmt.Sprint(callers), rates.String(), figure(idle), peaks.String(), figure(above)+" times")
	if callers == 1 {
		t.atMost("peak memory by "+face+", above idle", above, 6, " times the attachment")
	}
}
