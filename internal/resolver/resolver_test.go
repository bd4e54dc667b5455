package resolver

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
)

func TestAsksTheServer(t *testing.T) {
	t.Parallel()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	var asked atomic.Int32
	go func() {
		packet := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			asked.Add(1)
			packet[2] |= 0x80             // an answer
			packet[3] = packet[3]&^15 | 3 // NXDOMAIN
			_, _ = server.WriteTo(packet[:n], from)
		}
	}()
	_, err = New(server.LocalAddr().String()).LookupTXT(t.Context(), "example.org.")
	var no *net.DNSError
	if !errors.As(err, &no) || !no.IsNotFound || asked.Load() == 0 {
		t.Errorf("got %v after %d questions", err, asked.Load())
	}
}

func TestSystem(t *testing.T) {
	t.Parallel()
	if New("") != net.DefaultResolver {
		t.Error("without a server the system's resolver is not taken")
	}
}
