package main

import (
	"time"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

// roundTrip is that of the way to the relay in tables b and c.
const roundTrip = 40 * time.Millisecond

// startProxy has a server on a port of this machine seem far away.
func (b *bench) startProxy(to int) *smtptest.Distance {
	proxy, err := smtptest.StartDistance("127.0.0.1:0", address(to), roundTrip)
	b.fail(err)
	b.cleanup(func() { _ = proxy.Close() })
	return proxy
}
