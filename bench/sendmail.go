package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// sendmails compares the sendmail commands, each of which gets a message that
// its own server takes.
func (b *bench) sendmails(t *table) {
	b.scope(func(b *bench) {
		s := b.startSink(0)
		p := b.startPostfix(s.port)
		d := b.startDaemon(relay("sink", s.port))
		ours := environment("POSTILION_SOCKET="+d.httpSocket(), "POSTILION_MAILDROP_DIR="+d.path("maildrop"))
		commands := []struct {
			name string
			line []string
			env  []string
		}{
			{"Postfix's sendmail, ms", []string{"/usr/sbin/sendmail", "-C", p.path("etc"), "-t", "-i"}, environment("MAIL_CONFIG=" + p.path("etc"))},
			{"postilion-sendmail, ms", []string{filepath.Join(b.programs, "postilion-sendmail"), "-t", "-i"}, ours},
			{"postilion sendmail (the large program), ms", []string{filepath.Join(b.programs, "postilion"), "sendmail", "-t", "-i"}, ours},
			{"for scale: /bin/true, ms", []string{"/bin/true"}, nil},
		}
		message := "From: from@example.com\nTo: to@example.net\nSubject: Your order\n\n" + text(smallSize)
		times := make([]series, len(commands))
		for range b.number(60, 5) {
			for i, c := range commands {
				command := exec.Command(c.line[0], c.line[1:]...)
				command.Env, command.Stdin = c.env, strings.NewReader(message)
				began := time.Now()
				b.execute(command)
				times[i] = append(times[i], milliseconds(time.Since(began)))
			}
		}
		for i, c := range commands {
			t.row(c.name, times[i].String())
		}
		t.atMost("postilion-sendmail against Postfix's", times[1].median()/times[0].median(), 0.5, " of it")
		t.atMost("postilion sendmail against Postfix's", times[2].median()/times[0].median(), 1, " of it")
	})
}
