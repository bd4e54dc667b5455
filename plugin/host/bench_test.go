package host

import (
	"context"
	"testing"

	"github.com/postilion-mail/postilion/plugin"
)

// From nothing to the first answer, and to the end.
func BenchmarkStart(b *testing.B) {
	o := options(b, "good")
	for b.Loop() {
		p, err := Start(context.Background(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		p.Stop()
		b.StartTimer()
	}
}

// What the border between the processes costs a delivery.
func BenchmarkDeliver(b *testing.B) {
	p, err := Start(context.Background(), options(b, "good"))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Stop()
	i, err := p.Transport().Open(context.Background(), plugin.Settings{})
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int64{2 << 10, 1 << 20} {
		b.Run(map[int64]string{2 << 10: "2KiB", 1 << 20: "1MiB"}[size], func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				d := &plugin.Delivery{Envelope: plugin.Envelope{Recipients: []plugin.Recipient{{Address: "a@x"}}}, Content: zeros{}, Size: size}
				if _, err := i.Deliver(context.Background(), d, func() error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// zeros is content of any size.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
