package daemontest

import (
	"bytes"
	"sync"
)

// Output keeps what a program writes while others read it.
type Output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	from   int // what recent leaves out
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

// String gives all that was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// mark makes recent begin here.
func (o *Output) mark() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.from = o.buffer.Len()
}

func (o *Output) recent() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()[o.from:]
}
