package fault

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/smtptest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// adminToken is that of DATA/admin.token.
func (d *daemon) adminToken(t *testing.T) string {
	t.Helper()
	token, err := os.ReadFile(d.Path("data", "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

// scrape reads the metrics: values by name with labels.
func (d *daemon) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	answer, err := http.Get("http://" + d.Metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	values := make(map[string]float64)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, found := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); found && name != "#" && err == nil {
			values[name] = number
		}
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	return values
}

// established counts connections to a port of this machine.
func established(t *testing.T, port int) (n int) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) { // sl, local, remote, state, ...
		fields := strings.Fields(line)
		if len(fields) > 3 && strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", port)) && fields[3] == "01" {
			n++
		}
	}
	return n
}

// unpause does what a person does who sees an alarm.
func (d *daemon) unpause(provider *smtptest.Server) {
	d.T.Helper()
	answer, err := d.GetConnection(d.ctx(), &postilionv1.GetConnectionRequest{Name: "provider"})
	if err != nil {
		d.T.Fatal(err)
	}
	if answer.GetConnection().GetStatus().GetPaused() {
		d.deliverTo(provider)
	}
}

// all gives every message.
func (d *daemon) all() (messages []*postilionv1.StoredMessage) {
	d.T.Helper()
	for request := (&postilionv1.ListMessagesRequest{PageSize: 1000}); ; {
		page, err := d.ListMessages(d.ctx(), request)
		if err != nil {
			d.T.Fatal(err)
		}
		messages = append(messages, page.GetMessages()...)
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			return messages
		}
	}
}

// T169: after a load with faults the daemon is as it was before, and each
// message is accounted for. Every twentieth attempt meets one of five faults.
func TestSoak(t *testing.T) {
	t.Parallel()
	const rounds, senders, each = 2, 8, 50
	var attempts atomic.Int64
	provider := smtptest.Start(t, plain, func(c *smtptest.Config) {
		c.Recipient = func(address string) error {
			if strings.HasPrefix(address, "nobody") {
				return smtptest.Refuse(550, [3]int{5, 1, 1}, "No such user")
			}
			return nil
		}
		c.Content = func(smtptest.Message) error {
			switch attempts.Add(1) % 80 {
			case 0:
				return smtptest.Refuse(451, [3]int{4, 3, 0}, "Try again")
			case 20:
				return smtptest.Refuse(554, [3]int{5, 6, 0}, "Not like this")
			case 40:
				return smtptest.Refuse(421, [3]int{4, 3, 2}, "Going down")
			case 60:
				return smtptest.Refuse(452, [3]int{4, 2, 2}, "Too much")
			}
			return nil
		}
	})
	d := start(t, "--metrics-listen", "127.0.0.1:0")
	d.deliverTo(provider)
	accepted := 0
	load := func(round int) {
		var callers sync.WaitGroup
		for s := range senders {
			callers.Go(func() {
				for i := range each {
					to := "jane@example.net"
					if i%20 == s { // a fault of its own
						to = "nobody@example.net"
					}
					key, size := fmt.Sprintf("%d-%d-%d", round, s, i), 0
					if i%25 == 0 {
						size = 300_000
					}
					if _, err := d.Send(d.ctx(), letter(key, size, to)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		accepted += senders * each
		daemontest.Await(t, "every message is at its end", func() bool {
			values := d.scrape(t)
			for name, value := range values {
				if strings.HasPrefix(name, "postilion_queue_recipients") && value > 0 && !strings.Contains(name, `"sent"`) && !strings.Contains(name, `"failed"`) {
					d.unpause(provider)
					return false
				}
			}
			return true
		})
		d.deliverTo(provider) // which closes the sessions that are kept
	}
	load(0) // what is made once is made now
	level := func() (goroutines, files int) {
		return int(d.scrape(t)["go_goroutines"]), d.descriptors()
	}
	var goroutines, files int
	daemontest.Await(t, "the daemon is at rest", func() bool {
		g, f := level()
		rest := g == goroutines && f == files
		goroutines, files = g, f
		return rest && established(t, provider.Port()) == 0
	})
	for round := 1; round <= rounds; round++ {
		load(round)
	}
	daemontest.Await(t, fmt.Sprintf("the daemon is at the level of %d goroutines and %d descriptors again", goroutines, files), func() bool {
		g, f := level()
		return g <= goroutines && f <= files
	})
	counts := make(map[postilionv1.MessageState]int)
	for _, m := range d.all() {
		counts[m.GetState()]++
	}
	if counts[sent]+counts[failed]+counts[deferred] != accepted || counts[failed] == 0 {
		t.Errorf("%d messages were accepted, and are: %v", accepted, counts)
	}
	if n := provider.Count(); n != counts[sent] {
		t.Errorf("%d messages arrived, %d are sent", n, counts[sent])
	}
	if values := d.scrape(t); values["postilion_panics_total"] != 0 || values["postilion_store_healthy"] != 1 {
		t.Errorf("panics %v, healthy %v", values["postilion_panics_total"], values["postilion_store_healthy"])
	}
}

// T167: the number of series does not grow with what is sent.
func TestSeriesDoNotGrow(t *testing.T) {
	t.Parallel()
	d := start(t, "--metrics-listen", "127.0.0.1:0")
	for i := range 4 {
		request := letter(fmt.Sprint("many ", i), 0)
		for j := range 500 {
			address := &postilionv1.Address{Address: fmt.Sprintf("guest%d@h%d.example", j, i*500+j)}
			request.GetMessage().Bcc = append(request.GetMessage().Bcc, address)
		}
		request.Tags = []string{fmt.Sprint("zebra", i)}
		d.awaitState(d.send(proto.CloneOf(request)), sent)
	}
	values := d.scrape(t)
	if len(values) > 1000 || len(values) < 20 {
		t.Errorf("%d series", len(values))
	}
	for name := range values {
		if strings.Contains(name, "example") || strings.Contains(name, "guest") || strings.Contains(name, "zebra") {
			t.Errorf("the series %s tells of a message", name)
		}
	}
}
