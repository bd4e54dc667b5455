package main

import (
	"net"
	"sync/atomic"
	"time"
)

// roundTrip is that of the way to the relay in tables b and c.
const roundTrip = 40 * time.Millisecond

// proxy makes a server on this machine seem far away: each octet arrives half
// a round trip late, and a connection opens a whole one late.
type proxy struct {
	listener net.Listener
	to       string
	turns    atomic.Int64 // times that a client spoke after it was spoken to
	opened   atomic.Int64 // connections
}

// startProxy starts a proxy before a port of this machine.
func (b *bench) startProxy(to int) *proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	b.fail(err)
	b.cleanup(func() { _ = listener.Close() })
	p := &proxy{listener: listener, to: address(to)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.opened.Add(1)
			go p.serve(conn)
		}
	}()
	return p
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// serve carries one connection, both ways.
func (p *proxy) serve(client net.Conn) {
	time.Sleep(roundTrip)
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	var heard atomic.Bool // the client has been spoken to since it last spoke
	heard.Store(true)
	go carry(server, client, func() {
		if heard.Swap(false) {
			p.turns.Add(1)
		}
	}, func() {})
	carry(client, server, func() {}, func() { heard.Store(true) })
}

// chunk is what was read at once.
type chunk struct {
	octets []byte
	due    time.Time
}

// carry copies from one side to the other, late. It tells of every chunk when
// it comes in and when it has gone out.
func carry(to, from net.Conn, in, out func()) {
	chunks := make(chan chunk, 4096)
	go func() {
		defer close(chunks)
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				in()
				chunks <- chunk{append([]byte(nil), buffer[:n]...), time.Now().Add(roundTrip / 2)}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		time.Sleep(time.Until(c.due))
		out()
		if _, err := to.Write(c.octets); err != nil {
			break
		}
	}
	_ = to.Close()
	for range chunks { // its reader may wait for room
	}
}
