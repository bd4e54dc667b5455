package plugin

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

// fill gives every field of a message a value of its own, so that one that a
// conversion forgets or mixes up shows.
func fill(m protoreflect.Message, next *int) {
	*next++
	switch v := m.Interface().(type) {
	case *durationpb.Duration:
		v.Seconds = int64(*next)
		return
	case *structpb.Struct:
		v.Fields = map[string]*structpb.Value{"setting": structpb.NewNumberValue(float64(*next))}
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		*next++
		switch f := fields.Get(i); {
		case f.IsMap():
			m.Mutable(f).Map().Set(protoreflect.ValueOf(fmt.Sprint("key", *next)).MapKey(), protoreflect.ValueOf(fmt.Sprint("value", *next)))
		case f.IsList() && f.Message() != nil:
			fill(m.Mutable(f).List().AppendMutable().Message(), next)
		case f.IsList():
			m.Mutable(f).List().Append(protoreflect.ValueOf(fmt.Sprint("item", *next)))
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), next)
		default:
			m.Set(f, scalar(f, *next))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor, n int) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOf(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOf(f.Enum().Values().Get(1 + n%(f.Enum().Values().Len()-1)).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOf(int32(n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOf(int64(n))
	}
	if f.Name() == "phase" {
		return protoreflect.ValueOf(Phase(1 + n%int(PhaseQuit)).String())
	}
	return protoreflect.ValueOf(fmt.Sprint("text", n))
}

// there checks that a message is the same after a conversion there and back.
func there[M proto.Message](t *testing.T, m M, andBack func(M) (M, error)) {
	t.Helper()
	next := 0
	fill(m.ProtoReflect(), &next)
	got, err := andBack(proto.CloneOf(m))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got, protocmp.Transform()); diff != "" {
		t.Errorf("%T is not the same after there and back:\n%s", m, diff)
	}
}

func TestEveryFieldCrosses(t *testing.T) {
	t.Parallel()
	there(t, &pluginv1.DescribeResponse{}, func(m *pluginv1.DescribeResponse) (*pluginv1.DescribeResponse, error) {
		return descriptionTo(descriptionFrom(m)), nil
	})
	there(t, &pluginv1.OpenRequest{}, func(m *pluginv1.OpenRequest) (*pluginv1.OpenRequest, error) {
		return settingsTo(settingsFrom(m))
	})
	there(t, &pluginv1.Stage{}, func(m *pluginv1.Stage) (*pluginv1.Stage, error) { return stageTo(stageFrom(m)), nil })
	there(t, &pluginv1.Failure{}, func(m *pluginv1.Failure) (*pluginv1.Failure, error) {
		out := failureTo(failureFrom(m))
		out.Message = m.Message // an outcome's own words come first
		return out, nil
	})
	there(t, &pluginv1.Failure{}, func(m *pluginv1.Failure) (*pluginv1.Failure, error) {
		less := &pluginv1.Failure{Message: m.Message, Crashed: m.Crashed}
		out := failureTo(failureFrom(less))
		out.Outcome = m.Outcome
		return out, nil
	})
	there(t, &pluginv1.Delivery{}, func(m *pluginv1.Delivery) (*pluginv1.Delivery, error) {
		return deliveryTo(m.Instance, m.Timeout.AsDuration(), deliveryFrom(m)), nil
	})
}

// The enums are converted by number.
func TestEnumsAgree(t *testing.T) {
	t.Parallel()
	for c := ClassUnspecified; c <= Unknown; c++ {
		expectName(t, pluginv1.OutcomeClass(c).String(), "OUTCOME_CLASS_"+c.String())
	}
	for b := BlameRecipient; b <= BlameLimit; b++ {
		expectName(t, pluginv1.Blame(b).String(), "BLAME_"+b.String())
	}
	for n, f := range fieldTypes()[1:] {
		expectName(t, pluginv1.FieldType(n+1).String(), "FIELD_TYPE_"+string(f))
	}
	for n, s := range stageStatuses()[1:] {
		expectName(t, pluginv1.StageStatus(n+1).String(), "STAGE_STATUS_"+string(s))
	}
	for name, all := range map[string]int{
		"OutcomeClass": int(Unknown) + 1, "Blame": int(BlameLimit) + 1, "FieldType": len(fieldTypes()), "StageStatus": len(stageStatuses()),
	} {
		if got := pluginv1.File_postilion_plugin_v1_plugin_proto.Enums().ByName(protoreflect.Name(name)).Values().Len(); got != all {
			t.Errorf("%s has %d values on the wire, %d here", name, got, all)
		}
	}
}

func expectName(t *testing.T, got, want string) {
	t.Helper()
	if !strings.EqualFold(got, want) {
		t.Errorf("%s on the wire is %s here", got, want)
	}
}

func TestValuesOfLaterVersionsAreNone(t *testing.T) {
	t.Parallel()
	o := outcomeFrom(&pluginv1.Outcome{Class: 99, Blame: -1, Phase: "warp", RetryAfter: durationpb.New(-time.Hour)})
	if o != (Outcome{}) {
		t.Errorf("%+v is not empty", o)
	}
	if got := fieldTypeFrom(99); got != "" {
		t.Errorf("type %q", got)
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "250 ok", "\xff\xfe", strings.Repeat("x", maxText+1), strings.Repeat("é", maxText), "a" + strings.Repeat("é", maxText)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := clean(text)
		if !utf8.ValidString(got) {
			t.Errorf("%q is not UTF-8", got)
		}
		if utf8.ValidString(text) && (len(text) <= maxText && got != text || !strings.HasPrefix(text, got) || len(got) < min(len(text), maxText)-3) {
			t.Errorf("%d octets became %d, or others", len(text), len(got))
		}
	})
}
