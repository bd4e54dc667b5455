package mail

import (
	"strings"
	"testing"
)

func BenchmarkCanonicalize(b *testing.B) {
	head := "Subject: An order\r\nTo: Jane <jane@example.com>\r\n" + complete + "Content-Type: text/plain; charset=utf-8\r\n"
	line := "Some words of a message, about as long as lines are in mails.\r\n"
	body := "\r\n" + strings.Repeat(line, 2048/len(line))
	for _, c := range []struct{ name, in string }{
		{"2KiB", head + body},
		{"2KiB with From", head + "From: a@x\r\n" + body},
		{"2KiB of LF", strings.ReplaceAll(head+"From: a@x\r\n"+body, "\r\n", "\n")},
		{"10MiB", head + "\r\n" + strings.Repeat(line, 10<<20/len(line))},
		{"10MiB of LF", strings.ReplaceAll(head+"\r\n"+strings.Repeat(line, 10<<20/len(line)), "\r\n", "\n")},
	} {
		b.Run(c.name, func(b *testing.B) {
			raw := []byte(c.in)
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := Canonicalize(raw, testOptions); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSevenBit10MiB(b *testing.B) {
	content := []byte("Subject: s\r\n\r\n" + strings.Repeat("Grüße, und noch ein paar Wörter in einer Zeile wie üblich.\r\n", 10<<20/64))
	b.ReportAllocs()
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := SevenBit(content); err != nil {
			b.Fatal(err)
		}
	}
}
