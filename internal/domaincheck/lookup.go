package domaincheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Resolver looks up records; *net.Resolver is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupCNAME(ctx context.Context, name string) (string, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupAddr(ctx context.Context, address string) ([]string, error)
}

const (
	// maxLookups bounds a check: no sound domain needs a quarter of it.
	maxLookups = 200
	// lookupLimit is how long one may take.
	lookupLimit = 8 * time.Second
	maxShown    = 1000 // octets of a record
	maxFound    = 10   // records
)

// lookups asks each question once, and no more than so many. It is a
// spf.DNSResolver.
type lookups struct {
	resolver Resolver

	mu    sync.Mutex
	left  int
	asked map[string]func() (any, error)
}

// ask gives the answer to a question, which whoever asks first looks up.
func ask[T any](ctx context.Context, l *lookups, kind, name string, look func(context.Context, string) (T, error)) (T, error) {
	key := kind + " " + strings.ToLower(name)
	l.mu.Lock()
	answer := l.asked[key]
	if answer == nil {
		if l.left == 0 {
			l.mu.Unlock()
			var none T
			return none, &net.DNSError{Err: fmt.Sprintf("the records of the domain lead to more than %d lookups", maxLookups), Name: name, IsTemporary: true}
		}
		l.left--
		answer = sync.OnceValues(func() (any, error) {
			ctx, cancel := context.WithTimeout(ctx, lookupLimit)
			defer cancel()
			found, err := look(ctx, name)
			return found, err
		})
		if l.asked == nil {
			l.asked = make(map[string]func() (any, error))
		}
		l.asked[key] = answer
	}
	l.mu.Unlock()
	found, err := answer()
	return found.(T), err
}

// rooted keeps the search list of the system away from a name.
func rooted(name string) string { return strings.TrimSuffix(name, ".") + "." }

func (l *lookups) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return ask(ctx, l, "TXT", rooted(name), l.resolver.LookupTXT)
}

func (l *lookups) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return ask(ctx, l, "MX", rooted(name), l.resolver.LookupMX)
}

func (l *lookups) LookupIPAddr(ctx context.Context, name string) ([]net.IPAddr, error) {
	return ask(ctx, l, "A", rooted(name), l.resolver.LookupIPAddr)
}

func (l *lookups) LookupAddr(ctx context.Context, address string) ([]string, error) {
	return ask(ctx, l, "PTR", address, l.resolver.LookupAddr)
}

// txt gives the texts at a name; none is no error.
func (l *lookups) txt(ctx context.Context, name string) ([]string, error) {
	found, err := l.LookupTXT(ctx, name)
	return found, known(err)
}

// alias gives the name that a name stands for, empty for none. It is for
// people, so an error is none either.
func (l *lookups) alias(ctx context.Context, name string) string {
	target, err := ask(ctx, l, "CNAME", rooted(name), l.resolver.LookupCNAME)
	target = strings.TrimSuffix(target, ".")
	if err != nil || strings.EqualFold(target, strings.TrimSuffix(name, ".")) {
		return ""
	}
	return target
}

// addresses gives those of a host; none is no error.
func (l *lookups) addresses(ctx context.Context, host string) ([]net.IPAddr, error) {
	found, err := l.LookupIPAddr(ctx, host)
	return found, known(err)
}

// known leaves out the error that says that there is nothing: that is an
// answer. Others become a few words without the address of our name server.
func known(err error) error {
	if err == nil || notFound(err) {
		return nil
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		return errors.New("it took too long")
	case dns != nil:
		return errors.New(dns.Err)
	}
	return err
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// printable makes a text of strangers fit to be shown: without control
// characters or what is no UTF-8, and not longer than so many octets.
func printable(text string, most int) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case b.Len() >= most:
			return b.String() + "…"
		case r == utf8.RuneError || r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			b.WriteByte('?') // ANSI sequences, and marks that turn the direction of a text
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
