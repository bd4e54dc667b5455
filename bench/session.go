package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

// far is a receiver behind a proxy, which notes at each message the time and
// the round trips so far.
type far struct {
	*receiver
	proxy *smtptest.Distance

	mu    sync.Mutex
	turns []int64
	times []time.Time
}

func (b *bench) startFar(o receiverOptions) *far {
	f := &far{}
	o.called = func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.turns = append(f.turns, f.proxy.Turns())
		f.times = append(f.times, time.Now())
	}
	f.receiver = b.startReceiver(o)
	f.proxy = b.startProxy(f.receiver.port)
	return f
}

// steady gives round trips a message and messages per second from the
// skipped-th message on.
func (f *far) steady(skip int) (turns, rate float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := len(f.times) - 1
	n := float64(last - skip)
	return float64(f.turns[last]-f.turns[skip]) / n, n / f.times[last].Sub(f.times[skip]).Seconds()
}

// sessionWay is a client that sends n messages over one connection.
type sessionWay struct {
	name    string
	options receiverOptions
	send    func(b *bench, f *far, n int)
}

// roundTrips is table c.
func roundTrips(b *bench) *table {
	t := &table{
		Title: "c. One connection, 40 ms away",
		About: "Messages of 2 KiB over one connection to the provider of table b, with STARTTLS, from the third message on. A round trip is counted in the " +
			"proxy each time that the client speaks after it was spoken to. Postfix sends without a login and has connection reuse under TLS switched on, which it has not by default.",
		columns: []string{"client", "round trips a message", "messages/s", "against PHPMailer", "connections"},
	}
	var first, last series
	for _, w := range sessionWays() {
		var turns, rates, opened series
		for range b.repeats() {
			b.scope(func(b *bench) {
				f := b.startFar(w.options)
				n := b.number(13, 6)
				w.send(b, f, n)
				b.arrival(f.receiver, n)
				turn, rate := f.steady(2)
				turns, rates, opened = append(turns, turn), append(rates, rate), append(opened, float64(f.proxy.Opened()))
			})
		}
		if first == nil {
			first = rates
		}
		last = rates
		t.row(w.name, figure(turns.median()), rates.String(), figure(rates.median()/first.median())+" times", figure(opened.median()))
		if w.name == chunked {
			t.atMost("round trips with CHUNKING", turns.median(), 1.01, "")
		}
	}
	t.atLeast("with CHUNKING against PHPMailer", last.median()/first.median(), 3.5, " times")
	return t
}

const chunked = "Postilion, CHUNKING"

func sessionWays() []sessionWay {
	secure := receiverOptions{login: true, tls: true}
	chunking := receiverOptions{login: true, tls: true, chunking: true}
	return []sessionWay{
		{"PHPMailer, keep-alive", secure, func(b *bench, f *far, n int) {
			b.php(b.installPHP(f.receiver, f.proxy.Port(), nil), phpWay{"PHPMailer", "kept", "", n})
		}},
		{"go-mail", secure, func(b *bench, f *far, n int) { b.fail(goMail(b.ctx, f, n)) }},
		{"Postfix", receiverOptions{tls: true}, func(b *bench, f *far, n int) {
			p := b.startPostfix(f.proxy.Port(), "default_destination_concurrency_limit = 1", "smtp_tls_security_level = encrypt",
				"smtp_tls_connection_reuse = yes", fmt.Sprintf("smtp_connection_cache_destinations = [127.0.0.1]:%d", f.proxy.Port()))
			b.fail(smtpSource(b.ctx, address(p.port), n, 1, true))
			b.arrival(f.receiver, n)
		}},
		{"Postilion, PIPELINING", secure, ownSession},
		{chunked, chunking, ownSession},
	}
}

// ownSession sends over one session of the daemon.
func ownSession(b *bench, f *far, n int) {
	connection := provider(f.receiver, f.proxy.Port())
	connection.GetSmtp().PoolSize = 1
	d := b.startDaemon(connection)
	client := d.client(b)
	_, err := each(b.ctx, n, 4, func(ctx context.Context, i int) error { return byGRPC(client)(ctx, letter(i, false)) })
	b.fail(err)
	b.arrival(f.receiver, n)
}

// goMail sends with the library go-mail, as its documentation shows it.
func goMail(ctx context.Context, f *far, n int) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(f.ca))
	client, err := mail.NewClient("localhost", mail.WithPort(f.proxy.Port()), mail.WithTLSPolicy(mail.TLSMandatory),
		mail.WithTLSConfig(&tls.Config{RootCAs: pool, ServerName: "localhost"}),
		mail.WithSMTPAuth(mail.SMTPAuthPlain), mail.WithUsername(account), mail.WithPassword(password), mail.WithTimeout(patience))
	if err != nil {
		return err
	}
	messages := make([]*mail.Msg, n)
	for i := range messages {
		m := mail.NewMsg()
		if err := errors.Join(m.From("from@example.com"), m.To("to@example.net")); err != nil {
			return err
		}
		m.Subject("Your order")
		m.SetBodyString(mail.TypeTextPlain, text(smallSize))
		messages[i] = m
	}
	return client.DialAndSendWithContext(ctx, messages...)
}
