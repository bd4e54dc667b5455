package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	pluginv1 "github.com/postilion-mail/postilion/proto/gen/postilion/plugin/v1"
)

// maxText bounds each text that crosses the border, in octets. It is what a
// server's whole reply may have.
const maxText = 64 << 10

// clean makes a text fit for a protobuf string, which must be UTF-8; what
// servers say often is not.
func clean(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
		for n := 1; n < utf8.UTFMax && n < len(text); n++ { // not within a character
			if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
				if !utf8.FullRuneInString(tail) {
					text = text[:len(text)-n]
				}
				break
			}
		}
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

func durationTo(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// The values of the wire's enums are those of our types, see the test. What a
// newer version may send is as if it were not set.

func outcomeTo(o *Outcome) *pluginv1.Outcome {
	return &pluginv1.Outcome{
		Class: pluginv1.OutcomeClass(o.Class), Blame: pluginv1.Blame(o.Blame), Phase: o.Phase.String(),
		Code: int32(o.Code), EnhancedCode: clean(o.Enhanced), Reply: clean(o.Reply), Inferred: o.Inferred,
		RetryAfter: durationTo(o.RetryAfter),
	}
}

func outcomeFrom(o *pluginv1.Outcome) Outcome {
	out := Outcome{
		Phase: ParsePhase(o.GetPhase()), Code: int(o.GetCode()), Enhanced: clean(o.GetEnhancedCode()),
		Reply: clean(o.GetReply()), Inferred: o.GetInferred(), RetryAfter: max(0, o.GetRetryAfter().AsDuration()),
	}
	if c := o.GetClass(); c >= 0 && c <= pluginv1.OutcomeClass(Unknown) {
		out.Class = Class(c)
	}
	if b := o.GetBlame(); b >= 0 && b <= pluginv1.Blame(BlameLimit) {
		out.Blame = Blame(b)
	}
	return out
}

// failureTo carries an error across, nil for none.
func failureTo(err error) *pluginv1.Failure {
	if err == nil {
		return nil
	}
	f := &pluginv1.Failure{Message: clean(err.Error()), Crashed: errors.Is(err, ErrCrashed)}
	if de := (*DeliveryError)(nil); errors.As(err, &de) {
		f.Outcome = outcomeTo(&de.Outcome)
	}
	return f
}

func failureFrom(f *pluginv1.Failure) error {
	if f == nil {
		return nil
	}
	err := error(told(clean(f.GetMessage())))
	if f.GetCrashed() {
		err = crashed{err}
	}
	if f.GetOutcome() != nil {
		err = &DeliveryError{Outcome: outcomeFrom(f.GetOutcome()), Err: err}
	}
	return err
}

// told is an error of the other side, of which only the words are known.
type told string

func (e told) Error() string {
	if e == "" {
		return "the transport failed and does not say why"
	}
	return string(e)
}

// crashed is an error with ErrCrashed in its chain.
type crashed struct{ error }

func (e crashed) Unwrap() []error { return []error{ErrCrashed, e.error} }

func descriptionTo(d Description) *pluginv1.DescribeResponse {
	out := &pluginv1.DescribeResponse{
		Name: clean(d.Name), Version: clean(d.Version), Title: clean(d.Title),
		Capabilities: &pluginv1.Capabilities{ReportsCommit: d.Capabilities.ReportsCommit, SendsNothing: d.Capabilities.SendsNothing},
		Limits: &pluginv1.Limits{
			MessageBytes: d.Limits.MessageBytes, Recipients: int32(d.Limits.Recipients), Concurrency: int32(d.Limits.Concurrency),
		},
	}
	for _, f := range d.Fields {
		field := &pluginv1.Field{
			Name: clean(f.Name), Type: fieldTypeTo(f.Type), Label: clean(f.Label), Help: clean(f.Help),
			Default: clean(f.Default), Required: f.Required, Secret: f.Secret,
		}
		for _, option := range f.Options {
			field.Options = append(field.Options, clean(option))
		}
		out.Fields = append(out.Fields, field)
	}
	return out
}

func descriptionFrom(d *pluginv1.DescribeResponse) Description {
	out := Description{
		Name: d.GetName(), Version: d.GetVersion(), Title: d.GetTitle(),
		Capabilities: Capabilities{ReportsCommit: d.GetCapabilities().GetReportsCommit(), SendsNothing: d.GetCapabilities().GetSendsNothing()},
		Limits: Limits{
			MessageBytes: max(0, d.GetLimits().GetMessageBytes()), Recipients: int(max(0, d.GetLimits().GetRecipients())),
			Concurrency: int(max(0, d.GetLimits().GetConcurrency())),
		},
	}
	for _, f := range d.GetFields() {
		out.Fields = append(out.Fields, Field{
			Name: f.GetName(), Type: fieldTypeFrom(f.GetType()), Label: f.GetLabel(), Help: f.GetHelp(),
			Default: f.GetDefault(), Required: f.GetRequired(), Secret: f.GetSecret(), Options: f.GetOptions(),
		})
	}
	return out
}

// fieldTypes has the types at the place of their number on the wire.
func fieldTypes() []FieldType {
	return []FieldType{"", TypeString, TypeInteger, TypeBoolean, TypeDuration, TypeEnum}
}

func fieldTypeTo(t FieldType) pluginv1.FieldType { return pluginv1.FieldType(place(fieldTypes(), t)) }

func fieldTypeFrom(t pluginv1.FieldType) FieldType { return at(fieldTypes(), int(t)) }

// stageStatuses has the statuses at the place of their number on the wire.
func stageStatuses() []StageStatus {
	return []StageStatus{"", StagePassed, StageWarning, StageFailed, StageSkipped}
}

// place gives where a value stands, 0 if nowhere.
func place[T comparable](all []T, value T) int {
	for n := range all {
		if all[n] == value {
			return n
		}
	}
	return 0
}

// at gives the value at a place, the first one if there is no such place.
func at[T any](all []T, n int) T {
	if n < 0 || n >= len(all) {
		n = 0
	}
	return all[n]
}

func settingsTo(s Settings) (*pluginv1.OpenRequest, error) {
	values, err := structpb.NewStruct(s.Values)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return &pluginv1.OpenRequest{Connection: s.Connection, Values: values, Secrets: s.Secrets}, nil
}

func settingsFrom(r *pluginv1.OpenRequest) Settings {
	return Settings{Connection: r.GetConnection(), Values: r.GetValues().AsMap(), Secrets: r.GetSecrets()}
}

func stageTo(s Stage) *pluginv1.Stage {
	out := &pluginv1.Stage{
		Name: clean(s.Name), Status: pluginv1.StageStatus(place(stageStatuses(), s.Status)),
		Detail: clean(s.Detail), Server: clean(s.Server), Duration: durationTo(s.Duration),
	}
	if s.Outcome != nil {
		out.Outcome = outcomeTo(s.Outcome)
	}
	if len(s.Facts) > 0 {
		out.Facts = make(map[string]string, len(s.Facts))
	}
	for name, fact := range s.Facts {
		out.Facts[clean(name)] = clean(fact)
	}
	return out
}

func stageFrom(s *pluginv1.Stage) Stage {
	out := Stage{
		Name: clean(s.GetName()), Status: at(stageStatuses(), int(s.GetStatus())), Detail: clean(s.GetDetail()),
		Server: clean(s.GetServer()), Duration: s.GetDuration().AsDuration(), Facts: s.GetFacts(),
	}
	if s.GetOutcome() != nil {
		o := outcomeFrom(s.GetOutcome())
		out.Outcome = &o
	}
	return out
}

// deliveryTo gives all but the content.
func deliveryTo(instance string, timeout time.Duration, d *Delivery) *pluginv1.Delivery {
	envelope := &pluginv1.Envelope{From: d.Envelope.From, EnvelopeId: d.Envelope.EnvelopeID, Return: d.Envelope.Return}
	for _, r := range d.Envelope.Recipients {
		envelope.Recipients = append(envelope.Recipients, &pluginv1.Recipient{Address: r.Address, Notify: r.Notify})
	}
	return &pluginv1.Delivery{
		Instance: instance, Id: d.ID, Attempt: int32(d.Attempt), Envelope: envelope, Size: d.Size,
		EightBit: d.EightBit, Utf8Headers: d.UTF8Headers, Signed: d.Signed, Timeout: durationTo(timeout),
	}
}

// deliveryFrom gives all but the content.
func deliveryFrom(d *pluginv1.Delivery) *Delivery {
	out := &Delivery{
		ID: d.GetId(), Attempt: int(d.GetAttempt()), Size: d.GetSize(),
		Envelope: Envelope{
			From: d.GetEnvelope().GetFrom(), EnvelopeID: d.GetEnvelope().GetEnvelopeId(), Return: d.GetEnvelope().GetReturn(),
		},
		EightBit: d.GetEightBit(), UTF8Headers: d.GetUtf8Headers(), Signed: d.GetSigned(),
	}
	for _, r := range d.GetEnvelope().GetRecipients() {
		out.Envelope.Recipients = append(out.Envelope.Recipients, Recipient{Address: r.GetAddress(), Notify: r.GetNotify()})
	}
	return out
}

// timeLeft is how long a context still has, 0 without a deadline.
func timeLeft(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(deadline), time.Nanosecond)
}

// within ends a context after what the other side has left.
func within(ctx context.Context, left *durationpb.Duration) (context.Context, context.CancelFunc) {
	if left == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, left.AsDuration())
}
