// Package dnstest has a DNS server for tests: a real one, on loopback, that
// knows the records that it is given and no others.
package dnstest

import (
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/postilion-mail/postilion/internal/resolver"
)

// Server is a DNS server by UDP and TCP.
type Server struct {
	address string
	records map[string][]dns.RR // by owner
	answer  func(*dns.Msg) *dns.Msg
}

// Start starts a server with records in the syntax of zone files, one a line,
// such as "example.org. MX 10 mail.example.org.". It ends with the test. What
// it knows nothing of does not exist.
func Start(t testing.TB, records string) *Server {
	t.Helper()
	return serve(t, records, nil)
}

// StartFunc starts a server that leaves answers to a function; where that gives
// nil it is silent. The function is called concurrently.
func StartFunc(t testing.TB, answer func(question *dns.Msg) *dns.Msg) *Server {
	t.Helper()
	return serve(t, "", answer)
}

func serve(t testing.TB, records string, answer func(*dns.Msg) *dns.Msg) *Server {
	t.Helper()
	s := &Server{records: map[string][]dns.RR{}, answer: answer}
	zone := dns.NewZoneParser(strings.NewReader("$ORIGIN .\n$TTL 60\n"+records), "", "")
	for r, ok := zone.Next(); ok; r, ok = zone.Next() {
		owner := strings.ToLower(r.Header().Name)
		s.records[owner] = append(s.records[owner], r)
	}
	if err := zone.Err(); err != nil {
		t.Fatalf("records: %v", err)
	}
	packets, streams := listen(t)
	s.address = packets.LocalAddr().String()
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: streams, Handler: s}} {
		started, ended := make(chan struct{}), make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() {
			defer close(ended)
			_ = server.ActivateAndServe() // ends with the test
		}()
		<-started
		t.Cleanup(func() {
			_ = server.Shutdown()
			<-ended
		})
	}
	return s
}

// listen takes the same port for UDP and TCP.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		streams, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		packets, err := net.ListenPacket("udp", streams.Addr().String())
		if err == nil {
			return packets, streams
		}
		_ = streams.Close() // another has the port by UDP
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// Address gives host and port.
func (s *Server) Address() string { return s.address }

// Resolver gives a resolver that asks this server alone.
func (s *Server) Resolver() *net.Resolver { return resolver.New(s.address) }

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	answer := s.reply(question)
	if answer == nil {
		return
	}
	if w.RemoteAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if o := question.IsEdns0(); o != nil {
			size = int(o.UDPSize())
		}
		answer.Truncate(size)
	}
	_ = w.WriteMsg(answer)
}

func (s *Server) reply(question *dns.Msg) *dns.Msg {
	if s.answer != nil {
		return s.answer(question)
	}
	answer := new(dns.Msg)
	answer.SetReply(question)
	answer.Authoritative, answer.RecursionAvailable = true, true
	name, seen := strings.ToLower(question.Question[0].Name), 0
	for ; ; seen++ {
		next := ""
		for _, r := range s.records[name] {
			alias, isAlias := r.(*dns.CNAME)
			if r.Header().Rrtype == question.Question[0].Qtype {
				answer.Answer = append(answer.Answer, r)
			} else if isAlias {
				answer.Answer = append(answer.Answer, r)
				next = strings.ToLower(alias.Target)
			}
		}
		if next == "" || seen == 20 { // a loop
			break
		}
		name = next
	}
	if !s.exists(name) {
		answer.Rcode = dns.RcodeNameError
	}
	return answer
}

// exists: a name above others exists too, without records (RFC 8020).
func (s *Server) exists(name string) bool {
	for owner := range s.records {
		if owner == name || strings.HasSuffix(owner, "."+name) {
			return true
		}
	}
	return false
}
