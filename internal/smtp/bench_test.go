package smtp

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/postilion-mail/postilion/plugin"
)

// sink is a server that does the least possible.
func sink(b *testing.B) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go swallow(conn)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func swallow(conn net.Conn) {
	defer conn.Close()
	in, out := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriter(conn)
	_, _ = out.WriteString("220 sink ESMTP\r\n")
	for {
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch string(line[:4]) {
		case "EHLO":
			_, _ = out.WriteString("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n250 CHUNKING\r\n")
			continue
		case "BDAT":
			size, _ := strconv.Atoi(strings.Fields(string(line))[1])
			_, _ = io.CopyN(io.Discard, in, int64(size))
		case "QUIT":
			_, _ = out.WriteString("221 bye\r\n")
			_ = out.Flush()
			return
		}
		_, _ = out.WriteString("250 2.0.0 ok\r\n")
	}
}

func benchmark(b *testing.B, fresh bool) {
	s := setup{values: map[string]any{"host": "127.0.0.1", "port": float64(sink(b)), "security": "none", "hello_name": "x.example"}}
	i := s.open(b)
	d := delivery(bigContent(2048), "a@b.example")
	commit := func() error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		outcomes, err := i.Deliver(b.Context(), d, commit)
		if err != nil || outcomes[0].Class != plugin.Accepted {
			b.Fatal(outcomes, err)
		}
		if fresh {
			for s := i.pool.get(); s != nil; s = i.pool.get() {
				i.pool.drop(s)
			}
		}
	}
}

// One message of 2 KiB at a time, on a session that is kept.
func BenchmarkDeliverWarm(b *testing.B) { benchmark(b, false) }

// One message of 2 KiB at a time, each on a new session.
func BenchmarkDeliverNew(b *testing.B) { benchmark(b, true) }
