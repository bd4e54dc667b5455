package intake

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/internal/mail"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	s := subject{
		client: "shop", from: "Orders@Shop.example", recipients: []string{"a@one.example", "b@two.example"}, tags: []string{"order", "vip"},
		header: func(name string) []string {
			if name == "X-Kind" {
				return []string{"receipt", "copy"}
			}
			return nil
		},
	}
	for _, c := range []struct {
		about string
		route registry.Route
		want  bool
	}{
		{"no condition", registry.Route{}, true},
		{"the client", registry.Route{Clients: []string{"other", "shop"}}, true},
		{"another client", registry.Route{Clients: []string{"other"}}, false},
		{"the address in another case", registry.Route{From: []string{"orders@shop.example"}}, true},
		{"its domain", registry.Route{From: []string{"@shop.example"}}, true},
		{"a domain that ends alike", registry.Route{From: []string{"@hop.example"}}, false},
		{"all recipients' domains", registry.Route{RecipientDomains: []string{"one.example", "TWO.example"}}, true},
		{"one recipient's domain", registry.Route{RecipientDomains: []string{"one.example"}}, false},
		{"a tag", registry.Route{Tags: []string{"vip"}}, true},
		{"another tag", registry.Route{Tags: []string{"VIP"}}, false},
		{"a header's value", registry.Route{Headers: []registry.Header{{Name: "X-Kind", Value: "copy"}}}, true},
		{"any value of a header", registry.Route{Headers: []registry.Header{{Name: "X-Kind"}}}, true},
		{"another value", registry.Route{Headers: []registry.Header{{Name: "X-Kind", Value: "cop"}}}, false},
		{"a header that is not there", registry.Route{Headers: []registry.Header{{Name: "X-Other"}}}, false},
		{"all at once", registry.Route{Clients: []string{"shop"}, From: []string{"@shop.example"}, Tags: []string{"order"}}, true},
		{"all but one", registry.Route{Clients: []string{"shop"}, From: []string{"@shop.example"}, Tags: []string{"none"}}, false},
	} {
		if got := matches(&c.route, s); got != c.want {
			t.Errorf("%s: %v", c.about, got)
		}
	}
	if matches(&registry.Route{Tags: []string{"x"}}, subject{}) {
		t.Error("a route for a tag matches a message without tags")
	}
}

// full is a submission with every field set that belongs to the request.
func full() *Submission {
	life := time.Hour
	return &Submission{
		Raw: []byte("raw"), From: "a@b", FromGiven: true, Recipients: []outbox.Recipient{{Address: "c@d", Notify: "NEVER"}},
		EnvelopeID: "e", Return: "FULL", Connection: "x", SendAt: time.Unix(1, 0), ExpiresAfter: &life,
		Priority: outbox.PriorityBulk, Tags: []string{"t"}, Metadata: map[string]string{"k": "v"}, KeepContent: true, Notify: true,
	}
}

func fullMessage() *Submission {
	a := mail.Address{Addr: "a", Name: "n"}
	return &Submission{Message: &mail.Message{
		From: a, Sender: a, ReplyTo: []mail.Address{a}, To: []mail.Address{a}, Cc: []mail.Address{a}, Bcc: []mail.Address{a},
		Subject: "s", Text: "t", HTML: "h", Attachments: []mail.Attachment{{Filename: "f", ContentType: "c", Content: []byte("x"), ContentID: "i", Inline: true}},
		Headers: []mail.Header{{Name: "n", Value: "v"}}, ListUnsubscribe: mail.ListUnsubscribe{URLs: []string{"u"}, OneClick: true},
		Importance: mail.ImportanceHigh, Date: time.Unix(1, 0), MessageID: "m", InReplyTo: "r", References: []string{"x"},
	}}
}

// Each part of a request counts in its fingerprint, save those that say how it
// came in or what becomes of it. A field that is added later must be sorted
// into one of the two, or this test fails.
func TestFingerprintCoversTheRequest(t *testing.T) {
	t.Parallel()
	except := map[string]string{
		"Client": "keys are per client", "Source": "sendmail comes in by two ways", "Key": "it stands for the rest", "Parent": "not of a request",
		"Written": "only the maildrop knows it", "Message": "the other kind of content", "Reserved": "memory", "Trace": "of the way in",
		"Origin": "where, not what", "Via": "of bounces", "Hold": "of bounces", "Notice": "of bounces",
	}
	whole := full().fingerprint()
	fields := reflect.TypeFor[Submission]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if except[name] != "" {
			continue
		}
		s := full()
		reflect.ValueOf(s).Elem().Field(i).SetZero()
		if bytes.Equal(s.fingerprint(), whole) {
			t.Errorf("%s does not count", name)
		}
	}
	whole = fullMessage().fingerprint()
	var walk func(at string, get func(*Submission) reflect.Value)
	walk = func(at string, get func(*Submission) reflect.Value) {
		if v := get(fullMessage()); v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				walk(at+"."+v.Type().Field(i).Name, func(s *Submission) reflect.Value { return get(s).Field(i) })
			}
			return
		} else if v.Kind() == reflect.Slice && v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct {
			walk(at+"[0]", func(s *Submission) reflect.Value { return get(s).Index(0) })
		}
		s := fullMessage()
		get(s).SetZero()
		if bytes.Equal(s.fingerprint(), whole) {
			t.Errorf("%s does not count", at)
		}
	}
	walk("message", func(s *Submission) reflect.Value { return reflect.ValueOf(s.Message).Elem() })
}

// What stands in one field must not be read as part of the next.
func TestFingerprintTellsFieldsApart(t *testing.T) {
	t.Parallel()
	a := &Submission{Message: &mail.Message{Subject: "ab", Text: "c"}}
	b := &Submission{Message: &mail.Message{Subject: "a", Text: "bc"}}
	if bytes.Equal(a.fingerprint(), b.fingerprint()) {
		t.Error("two messages have one fingerprint")
	}
}

func TestMergeGivesEachRecipientOnce(t *testing.T) {
	t.Parallel()
	got := merge([]outbox.Recipient{{Address: "a@x", Notify: "NEVER"}, {Address: "b@x"}, {Address: "a@x"}}, []string{"b@x", "c@x"})
	var names []string
	for _, r := range got {
		names = append(names, r.Address)
	}
	if strings.Join(names, " ") != "a@x b@x c@x" || got[0].Notify != "NEVER" {
		t.Errorf("got %v", got)
	}
}
