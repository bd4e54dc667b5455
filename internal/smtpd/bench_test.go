package smtpd

import (
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody takes messages and forgets them.
type nobody struct{}

func (nobody) Name() string                    { return "bench" }
func (nobody) Submit(*Message) (string, error) { return "OK", nil }

func benchOptions() Options {
	o := options(nil)
	o.MaxSize, o.Login, o.Trace = 25<<20, nil, true
	o.Anonymous = func(net.Addr) Account { return nobody{} }
	return o
}

// BenchmarkMessage is a message of 2 KiB, on a new connection, from a client
// that waits for each reply. cpu-us/op is the time of both sides.
func BenchmarkMessage(b *testing.B) {
	for _, bench := range []struct {
		name  string
		steps []string
		keep  bool
	}{
		{"connection", []string{"HELO me\r\n", "MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.com>\r\n", "DATA\r\n", text(2048) + ".\r\n", "QUIT\r\n"}, false},
		{"kept", []string{"MAIL FROM:<a@example.com>\r\n", "RCPT TO:<b@example.com>\r\n", "DATA\r\n", text(2048) + ".\r\n"}, true},
		{"chunked", []string{"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nBDAT 2048 LAST\r\n" + text(2048)}, true},
		{"10 MiB", []string{"MAIL FROM:<a@example.com> SIZE=10485760\r\n", "RCPT TO:<b@example.com>\r\n", "DATA\r\n", text(10<<20) + ".\r\n"}, true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			address := serve(b, New(benchOptions()))
			buffer := make([]byte, 4096)
			var conn net.Conn
			read := func() {
				if _, err := conn.Read(buffer); err != nil {
					b.Fatal(err)
				}
			}
			open := func() {
				var err error
				if conn, err = net.Dial("tcp", address); err != nil {
					b.Fatal(err)
				}
				read()
			}
			if bench.keep {
				open()
				defer conn.Close()
				_, _ = io.WriteString(conn, "HELO me\r\n")
				read()
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(bench.steps[len(bench.steps)-1])))
			begin := cpu()
			for b.Loop() {
				if !bench.keep {
					open()
				}
				for _, step := range bench.steps {
					_, _ = io.WriteString(conn, step)
					read()
				}
				if !bench.keep {
					_ = conn.Close()
				}
			}
			b.ReportMetric(float64((cpu()-begin).Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}

func text(octets int) string {
	const line = "0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
	s := strings.Repeat(line, octets/len(line)+1)[:octets-2]
	return strings.TrimRight(s, "\r\n") + strings.Repeat("x", len(s)-len(strings.TrimRight(s, "\r\n"))) + "\r\n"
}

// cpu is the time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIdle is what a session costs that has been greeted and waits; half
// of the sockets are the client's.
func BenchmarkIdle(b *testing.B) {
	const sessions = 400
	for b.Loop() {
		address := serve(b, New(benchOptions()))
		before := memory()
		for range sessions {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			buffer := make([]byte, 512)
			_, _ = conn.Read(buffer)
			_, _ = io.WriteString(conn, "HELO me\r\n")
			_, _ = conn.Read(buffer)
		}
		b.ReportMetric(float64(memory()-before)/sessions, "B/session")
	}
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
