package mail

import (
	"strings"
	"testing"
)

// Input that is made to be slow takes time in proportion to its size; were one
// of these quadratic, the test would run for minutes.
func TestAdversarial(t *testing.T) {
	t.Parallel()
	const n = 50_000 // four times that is just worked on
	for _, unit := range []string{"(", "\"\"", "<", "a ", "=?a?q?x ", "=?", "a,", "a:", ";", "\\", "[", "((", "ä, "} {
		s := strings.Repeat(unit, n/len(unit))
		_, _ = ParseAddressList(s)
		_, _ = Canonicalize([]byte("To: "+s+"\nFrom: "+s+"\nContent-Type: text/plain"+s+"\nSubject: ä"+s+"\n\nb"), testOptions)
		_, _ = ParsePath(s)
	}
	fields := func(unit string, n int) string { return strings.Repeat(unit, n) }
	for _, head := range []string{
		fields("DKIM-Signature: h=bcc\n", 2000) + fields("Bcc: a@x\n", 1990),
		fields("DKIM-Signature: h=a\n", 10) + fields("From: a@x,"+strings.Repeat("b@x,", 20)+"\n", 3900),
	} {
		_, _ = Canonicalize([]byte(head+"\nb"), testOptions)
	}
	for _, unit := range []string{"--b\r\n", "--b", "--b\r\n\r\n", "\r\n--b--", "-"} {
		body := strings.Repeat(unit, 1<<20/len(unit))
		_, _ = SevenBit([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body + "\r\nä\r\n"))
	}
}
