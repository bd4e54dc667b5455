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
	// In base64, in lines of 76 with CRLF.
	encoded := float64(size) / 3 * 4 * 78 / 76 / (1 << 20)
	t := &table{
		Title: "e. A large message",
		About: "Messages with an attachment of 10 MiB (" + figure(encoded) + " MiB encoded), sent and waited for until `smtp-sink` has taken them. Peak memory is the most " +
			"that the daemon held (VmHWM) from the first call to the last answer.",
		columns: []string{"", "under way", "attachment MiB/s", "idle MiB", "peak MiB", "peak, of a message", "above idle, of a message"},
	}
	content := make([]byte, size)
	_, _ = rand.Read(content)
	for _, face := range []string{"gRPC", "JSON"} {
		for _, callers := range []int{1, 4} {
			b.scope(func(b *bench) { b.largeRow(t, face, callers, content, encoded) })
		}
	}
	return t
}

func (b *bench) largeRow(t *table, face string, callers int, content []byte, encoded float64) {
	b.profiled = fmt.Sprintf("large-%s-%d", face, callers)
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
		n := b.number(4, 2) * callers
		before := s.count()
		b.fail(resetPeak(d.pid()))
		began := time.Now()
		_, err := each(b.ctx, n, callers, send)
		b.fail(err)
		b.fail(s.await(b.ctx, before+n))
		mib := float64(len(content)) / (1 << 20)
		rates = append(rates, float64(n)*mib/time.Since(began).Seconds())
		peaks = append(peaks, d.memory(b, "VmHWM"))
	}
	t.row(face, fmt.Sprint(callers), rates.String(), figure(idle), peaks.String(), figure(peaks.median()/encoded), figure((peaks.median()-idle)/encoded))
	if callers == 1 {
		t.atMost("peak memory by "+face, peaks.median()/encoded, 6, " times the message")
	}
}
