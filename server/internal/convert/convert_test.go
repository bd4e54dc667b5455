package convert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/internal/registry"
	"github.com/postilion-mail/postilion/plugin"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// fill sets every field of a message, each to a value of its own, so that a
// field that a conversion forgets or mixes up shows.
func fill(m protoreflect.Message, next *int) {
	switch v := m.Interface().(type) {
	case *durationpb.Duration:
		*next++
		v.Seconds = int64(*next)
		return
	case *timestamppb.Timestamp:
		*next++
		v.Seconds = int64(*next) * 1000
		return
	case *structpb.Struct:
		*next++
		v.Fields = map[string]*structpb.Value{"setting": structpb.NewNumberValue(float64(*next))}
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.ContainingOneof() != nil && !f.HasOptionalKeyword() && m.WhichOneof(f.ContainingOneof()) != nil {
			continue
		}
		switch {
		case f.IsMap():
			*next++
			entry := m.Mutable(f).Map()
			key := protoreflect.ValueOfString(fmt.Sprint("key", *next)).MapKey()
			entry.Set(key, scalar(f.MapValue(), next))
		case f.IsList() && f.Message() != nil:
			list := m.Mutable(f).List()
			fill(list.AppendMutable().Message(), next)
		case f.IsList():
			m.Mutable(f).List().Append(scalar(f, next))
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), next)
		default:
			m.Set(f, scalar(f, next))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor, next *int) protoreflect.Value {
	*next++
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprint("text", *next))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(fmt.Sprint("bytes", *next)))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(f.Enum().Values().Get(1 + *next%(f.Enum().Values().Len()-1)).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(*next))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(*next))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(*next))
	}
	panic("no value for " + f.FullName())
}

func filled[M proto.Message](m M) M {
	next := 0
	fill(m.ProtoReflect(), &next)
	return m
}

func TestConnectionThereAndBack(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"smtp", "custom"} {
		in := filled(&postilionv1.Connection{})
		if transport == "custom" {
			in.Transport = &postilionv1.Connection_Custom{Custom: filled(&postilionv1.CustomSettings{})}
		}
		c, secrets, err := Connection(in)
		if err != nil {
			t.Fatal(err)
		}
		c.Default, c.ETag, c.OwnerName = in.Default, in.Etag, in.Owner
		c.Created, c.Updated = in.CreateTime.AsTime(), in.UpdateTime.AsTime()
		for name := range secrets {
			c.StoredSecrets = append(c.StoredSecrets, name)
		}
		if len(secrets) == 0 {
			t.Errorf("%s: no secrets were taken", transport)
		}
		out := FromConnection(&c)
		want := proto.CloneOf(in)
		want.Status = nil // the dispatcher's
		if smtp := want.GetSmtp(); smtp != nil {
			smtp.Password, smtp.ClientKey = nil, nil // write only
		}
		if custom := want.GetCustom(); custom != nil {
			custom.StoredSecrets = nil
			for name := range custom.Secrets {
				custom.StoredSecrets = []string{name}
			}
			custom.Secrets = nil
		}
		if diff := cmp.Diff(want, out, protocmp.Transform()); diff != "" {
			t.Errorf("%s differs:\n%s", transport, diff)
		}
	}
}

func TestClientThereAndBack(t *testing.T) {
	t.Parallel()
	in := filled(&postilionv1.Client{})
	c, err := Client(in)
	if err != nil {
		t.Fatal(err)
	}
	c.Created = in.CreateTime.AsTime()
	c.Tokens = []registry.Token{{ID: in.Tokens[0].Id, Hint: in.Tokens[0].Hint, Created: in.Tokens[0].CreateTime.AsTime()}}
	if diff := cmp.Diff(in, FromClient(&c), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestRouteThereAndBack(t *testing.T) {
	t.Parallel()
	in := filled(&postilionv1.Route{})
	if diff := cmp.Diff(in, FromRoute(Route(in)), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

// Every field of a structured message reaches the message that is composed.
func TestMessageIsTakenWhole(t *testing.T) {
	t.Parallel()
	full := filled(&postilionv1.StructuredMessage{})
	whole, err := Message(full)
	if err != nil {
		t.Fatal(err)
	}
	eachField(full, func(name string, without *postilionv1.StructuredMessage) {
		m, err := Message(without)
		if err != nil {
			t.Fatal(err)
		}
		if cmp.Equal(m, whole) {
			t.Errorf("without %s the message is the same: the field is not taken", name)
		}
	})
}

// eachField calls f with copies of a message, each with one field less; also
// one level down.
func eachField[M proto.Message](m M, f func(name string, without M)) {
	fields := m.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		less := proto.CloneOf(m)
		less.ProtoReflect().Clear(field)
		f(string(field.Name()), less)
		if field.Message() == nil || field.IsMap() || strings.HasPrefix(string(field.Message().FullName()), "google.") {
			continue
		}
		inner := field.Message().Fields()
		for j := range inner.Len() {
			less := proto.CloneOf(m)
			sub := less.ProtoReflect().Mutable(field)
			if field.IsList() {
				sub.List().Get(0).Message().Clear(inner.Get(j))
			} else {
				sub.Message().Clear(inner.Get(j))
			}
			f(string(field.Name())+"."+string(inner.Get(j).Name()), less)
		}
	}
}

func TestEnvelopeIsTakenWhole(t *testing.T) {
	t.Parallel()
	full := filled(&postilionv1.Envelope{})
	whole, err := EnvelopeFrom(full)
	if err != nil {
		t.Fatal(err)
	}
	eachField(full, func(name string, without *postilionv1.Envelope) {
		e, err := EnvelopeFrom(without)
		if err != nil {
			t.Fatal(err)
		}
		if cmp.Equal(e, whole) {
			t.Errorf("without %s the envelope is the same", name)
		}
	})
}

type names struct{}

func (names) ConnectionName(id string) string { return "name of " + id }
func (names) ClientName(id string) string     { return "name of " + id }

func (names) Known(connection, client string) diagnose.Context {
	return diagnose.Context{Host: "smtp.office365.com"}
}

var anOutcome = plugin.Outcome{
	Class: plugin.Temporary, Blame: plugin.BlameServer, Phase: plugin.PhaseData, Code: 451,
	Enhanced: "4.3.0", Reply: "later", Inferred: true, RetryAfter: time.Minute,
}

// Views leave no field of the API unset when all is known.
func TestViewsAreComplete(t *testing.T) {
	t.Parallel()
	when := time.Unix(1000, 0)
	view := &outbox.View{
		ID: uuid.New(), Client: "c", Source: "grpc", Accepted: when, SendAt: when, Expires: when, Done: when, MessageID: "<m@x>",
		Subject: "s", From: "f@x", Tags: []string{"t"}, Metadata: map[string]string{"k": "v"}, Size: 1, ContentKept: true,
		Chain: []outbox.Hop{{Connection: "one"}},
		Recipients: []outbox.RecipientView{{
			Address: "a@x", State: outbox.Deferred, Duplicate: true, Attempts: 2, Next: when, Connection: "one",
			Outcome: anOutcome, Reason: "r",
		}},
	}
	attempt := outbox.Attempt{Number: 1, Address: "a@x", Connection: "one", Started: when, Duration: time.Second, Outcome: anOutcome}
	event := outbox.Event{
		Sequence: 1, Time: when, Type: outbox.EventDeferred, Client: "c", Message: uuid.New(), MessageID: "<m@x>", Address: "a@x",
		Connection: "one", Attempt: 2, Duplicate: true, Next: when, Outcome: anOutcome, Reason: "r",
	}
	stage := plugin.Stage{
		Name: "tls", Status: plugin.StageFailed, Detail: "d", Server: "s", Duration: time.Second, Outcome: &anOutcome,
		Facts: map[string]string{"k": "v"},
	}
	field := plugin.Field{Name: "n", Type: plugin.TypeEnum, Label: "l", Help: "h", Default: "d", Required: true, Secret: true, Options: []string{"o"}}
	for _, c := range []struct {
		m      proto.Message
		except string
	}{
		{StoredMessage(view, names{}), "attempts content"},
		{Attempts([]outbox.Attempt{attempt}, names{})[0], ""},
		{Event(event, names{}), ""},
		{Stage(stage), ""},
		{Diagnosis(diagnose.Diagnosis{Code: "c", Title: "t", Explanation: "e", Remedies: []string{"r"}, Link: "l", Blame: plugin.BlameAuth, RetryHelps: true}), ""},
		{Transport(plugin.Description{Name: "n", Version: "1", Title: "t", Fields: []plugin.Field{field}, Capabilities: plugin.Capabilities{SendsNothing: true}}), ""},
	} {
		for _, path := range unset(c.m.ProtoReflect(), "") {
			if !strings.Contains(" "+c.except+" ", " "+path+" ") {
				t.Errorf("%s: %s is not set", c.m.ProtoReflect().Descriptor().Name(), path)
			}
		}
	}
}

func unset(m protoreflect.Message, at string) []string {
	var out []string
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		path := at + string(f.Name())
		switch {
		case !m.Has(f):
			out = append(out, path)
		case f.Message() == nil || f.IsMap() || strings.HasPrefix(string(f.Message().FullName()), "google."):
		case f.IsList():
			out = append(out, unset(m.Get(f).List().Get(0).Message(), path+".")...)
		default:
			out = append(out, unset(m.Get(f).Message(), path+".")...)
		}
	}
	return out
}

// The numbers of the API's enums are those of the daemon's own types.
func TestEnumsHaveTheSameNumbers(t *testing.T) {
	t.Parallel()
	check := func(ours fmt.Stringer, theirs protoreflect.Enum, prefix string) {
		t.Helper()
		name := theirs.Descriptor().Values().ByNumber(theirs.Number())
		if name == nil || string(name.Name()) != prefix+strings.ToUpper(ours.String()) {
			t.Errorf("%v has the number %d, which is %v", ours, theirs.Number(), name)
		}
	}
	for s := outbox.Queued; s <= outbox.Suppressed; s++ {
		check(s, State(s), "MESSAGE_STATE_")
	}
	for b := plugin.BlameRecipient; b <= plugin.BlameLimit; b++ {
		check(b, Blame(b), "BLAME_")
	}
	for c := plugin.Accepted; c <= plugin.Unknown; c++ {
		check(c, postilionv1.OutcomeClass(c), "OUTCOME_CLASS_")
	}
}

func TestPatch(t *testing.T) {
	t.Parallel()
	password := "new"
	stored := &postilionv1.Connection{Name: "shop", DisplayName: "Shop", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "a", Username: "u"}}}
	wanted := &postilionv1.Connection{Name: "shop", Transport: &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{Host: "b", Password: &password}}}
	out, err := Patch(stored, wanted, []string{"smtp.host", "smtp.password", "display_name"})
	if err != nil {
		t.Fatal(err)
	}
	smtp := out.GetSmtp()
	if smtp.GetHost() != "b" || smtp.GetPassword() != "new" || smtp.GetUsername() != "u" || out.GetDisplayName() != "" {
		t.Errorf("got %v", out)
	}
	if stored.GetSmtp().GetHost() != "a" {
		t.Error("the stored connection was changed")
	}
	for _, bad := range []string{"smtp.hosts", "smtp.host.x", "etag", "status.paused", "", "smtp..host"} {
		if _, err := Patch(stored, wanted, []string{bad}); err == nil {
			t.Errorf("the path %q was taken", bad)
		}
	}
	if _, err := Patch(stored, wanted, nil); err == nil {
		t.Error("an empty mask was taken")
	}
}
