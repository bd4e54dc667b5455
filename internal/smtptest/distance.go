package smtptest

import (
	"net"
	"sync/atomic"
	"time"
)

// Distance makes a server seem far away: each octet arrives half a round trip
// late, and a connection opens a whole one late. Its methods are safe for
// concurrent use.
type Distance struct {
	listener  net.Listener
	to        string
	roundTrip time.Duration
	turns     atomic.Int64
	opened    atomic.Int64
}

// StartDistance listens on a port of 127.0.0.1, or the given address, in front
// of the server at to, until Close.
func StartDistance(listen, to string, roundTrip time.Duration) (*Distance, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	d := &Distance{listener: listener, to: to, roundTrip: roundTrip}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			d.opened.Add(1)
			go d.serve(conn)
		}
	}()
	return d, nil
}

// Port is where it listens.
func (d *Distance) Port() int { return d.listener.Addr().(*net.TCPAddr).Port }

// Turns is how many times a client spoke after it was spoken to.
func (d *Distance) Turns() int64 { return d.turns.Load() }

// Opened is the number of connections.
func (d *Distance) Opened() int64 { return d.opened.Load() }

// Close ends it; connections go on.
func (d *Distance) Close() error { return d.listener.Close() }

// serve carries one connection, both ways.
func (d *Distance) serve(client net.Conn) {
	time.Sleep(d.roundTrip)
	server, err := net.Dial("tcp", d.to)
	if err != nil {
		_ = client.Close()
		return
	}
	var heard atomic.Bool // the client has been spoken to since it last spoke
	heard.Store(true)
	go d.carry(server, client, func() {
		if heard.Swap(false) {
			d.turns.Add(1)
		}
	}, func() {})
	d.carry(client, server, func() {}, func() { heard.Store(true) })
}

// chunk is what was read at once.
type chunk struct {
	octets []byte
	due    time.Time
}

// carry copies from one side to the other, late. It tells of every chunk when
// it comes in and when it has gone out.
func (d *Distance) carry(to, from net.Conn, in, out func()) {
	chunks := make(chan chunk, 4096)
	go func() {
		defer close(chunks)
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				in()
				chunks <- chunk{append([]byte(nil), buffer[:n]...), time.Now().Add(d.roundTrip / 2)}
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
