package convert

import (
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postilion-mail/postilion/internal/diagnose"
	"github.com/postilion-mail/postilion/internal/outbox"
	"github.com/postilion-mail/postilion/plugin"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// Names gives the names of connections and clients by their ids; what is gone
// has the name that it gives back.
type Names interface {
	ConnectionName(id string) string
	ClientName(id string) string
	// Known is what of a connection may go into diagnoses for a client.
	Known(connection, client string) diagnose.Context
}

// Outcome gives the API's view of an outcome; nil for none.
func Outcome(o plugin.Outcome) *postilionv1.Outcome {
	if o.Class == plugin.ClassUnspecified {
		return nil
	}
	return &postilionv1.Outcome{
		Class: postilionv1.OutcomeClass(o.Class), Blame: Blame(o.Blame), Code: int32(o.Code),
		EnhancedCode: o.Enhanced, Reply: o.Reply, Phase: o.Phase.String(), Inferred: o.Inferred,
		RetryAfter: duration(o.RetryAfter),
	}
}

// Blame gives the API's value; both have the same numbers, which a test holds.
func Blame(b plugin.Blame) postilionv1.Blame { return postilionv1.Blame(b) }

// State gives the API's value; both have the same numbers, which a test holds.
func State(s outbox.State) postilionv1.MessageState { return postilionv1.MessageState(s) }

// Diagnosis gives the API's view of a diagnosis.
func Diagnosis(d diagnose.Diagnosis) *postilionv1.Diagnosis {
	return &postilionv1.Diagnosis{
		Code: d.Code, Title: d.Title, Explanation: d.Explanation, Remedies: d.Remedies,
		Link: d.Link, Blame: Blame(d.Blame), RetryHelps: d.RetryHelps,
	}
}

// explainer gives the diagnoses of a message's recipients, nil where an outcome
// needs none. Most recipients fare like the one before.
func explainer(v *outbox.View, names Names) func(*outbox.RecipientView) *postilionv1.Diagnosis {
	var last outbox.RecipientView
	var diagnosis *postilionv1.Diagnosis
	return func(r *outbox.RecipientView) *postilionv1.Diagnosis {
		if r.Outcome.Class == plugin.ClassUnspecified || r.Outcome.Class == plugin.Accepted {
			return nil
		}
		if diagnosis == nil || r.Outcome != last.Outcome || r.Connection != last.Connection {
			last, diagnosis = *r, Diagnosis(diagnose.Explain(r.Outcome, names.Known(r.Connection, v.Client)))
		}
		return diagnosis
	}
}

// Stages gives the API's view of a test's stages.
func Stages(in []plugin.Stage) []*postilionv1.TestStage {
	return mapSlice(in, Stage)
}

// Stage gives the API's view of a test's stage.
func Stage(s plugin.Stage) *postilionv1.TestStage {
	out := &postilionv1.TestStage{
		Name: s.Name, Status: stageStatus[s.Status], Duration: durationpb.New(s.Duration),
		Detail: s.Detail, Server: s.Server, Facts: s.Facts,
	}
	if s.Outcome != nil {
		out.Outcome = Outcome(*s.Outcome)
	}
	return out
}

var stageStatus = map[plugin.StageStatus]postilionv1.StageStatus{
	plugin.StagePassed:  postilionv1.StageStatus_STAGE_STATUS_PASSED,
	plugin.StageWarning: postilionv1.StageStatus_STAGE_STATUS_WARNING,
	plugin.StageFailed:  postilionv1.StageStatus_STAGE_STATUS_FAILED,
	plugin.StageSkipped: postilionv1.StageStatus_STAGE_STATUS_SKIPPED,
}

// Recipients gives the API's view of a message's recipients.
func Recipients(v *outbox.View, names Names) []*postilionv1.RecipientStatus {
	explain := explainer(v, names)
	return mapSlice(v.Recipients, func(r outbox.RecipientView) *postilionv1.RecipientStatus {
		return &postilionv1.RecipientStatus{
			Address: r.Address, State: State(r.State), Outcome: Outcome(r.Outcome), Attempts: int32(r.Attempts),
			NextAttempt: timestamp(r.Next), PossibleDuplicate: r.Duplicate,
			Connection: names.ConnectionName(r.Connection), Reason: r.Reason,
			Diagnosis: explain(&r),
		}
	})
}

// StoredMessage gives the API's view of a message, without attempts and
// content.
func StoredMessage(v *outbox.View, names Names) *postilionv1.StoredMessage {
	counts := map[string]int32{}
	for _, r := range v.Recipients {
		counts[r.State.String()]++
	}
	return &postilionv1.StoredMessage{
		Id: v.ID.String(), MessageId: v.MessageID, State: State(v.Summary()), Recipients: Recipients(v, names),
		From: v.From, Subject: v.Subject, Size: v.Size, AcceptTime: timestamppb.New(v.Accepted),
		SendAt: timestamp(v.SendAt), ExpireTime: timestamp(v.Expires), DoneTime: timestamp(v.Done),
		Tags: v.Tags, Metadata: v.Metadata, Source: v.Source, Client: names.ClientName(v.Client),
		Connections: mapSlice(v.Chain, func(h outbox.Hop) string { return names.ConnectionName(h.Connection) }),
		Counts:      counts, ContentAvailable: v.ContentKept,
	}
}

// Attempts gives the API's view of attempts.
func Attempts(in []outbox.Attempt, names Names) []*postilionv1.Attempt {
	return mapSlice(in, func(a outbox.Attempt) *postilionv1.Attempt {
		return &postilionv1.Attempt{
			Number: int32(a.Number), Address: a.Address, Connection: names.ConnectionName(a.Connection),
			StartTime: timestamppb.New(a.Started), Duration: durationpb.New(a.Duration), Outcome: Outcome(a.Outcome),
		}
	})
}

var eventTypes = map[outbox.EventType]postilionv1.EventType{
	outbox.EventAccepted:  postilionv1.EventType_EVENT_TYPE_ACCEPTED,
	outbox.EventDeferred:  postilionv1.EventType_EVENT_TYPE_DEFERRED,
	outbox.EventHeld:      postilionv1.EventType_EVENT_TYPE_HELD,
	outbox.EventReleased:  postilionv1.EventType_EVENT_TYPE_RELEASED,
	outbox.EventRetried:   postilionv1.EventType_EVENT_TYPE_RETRIED,
	outbox.EventSent:      postilionv1.EventType_EVENT_TYPE_SENT,
	outbox.EventFailed:    postilionv1.EventType_EVENT_TYPE_FAILED,
	outbox.EventExpired:   postilionv1.EventType_EVENT_TYPE_EXPIRED,
	outbox.EventCancelled: postilionv1.EventType_EVENT_TYPE_CANCELLED,
}

// EventTypes takes the API's filter of event types.
func EventTypes(in []postilionv1.EventType) ([]outbox.EventType, error) {
	var out []outbox.EventType
next:
	for _, want := range in {
		for ours, theirs := range eventTypes {
			if theirs == want {
				out = append(out, ours)
				continue next
			}
		}
		return nil, unknownValue("types")
	}
	return out, nil
}

// Event gives the API's view of an event.
func Event(e outbox.Event, names Names) *postilionv1.Event {
	return &postilionv1.Event{
		Sequence: e.Sequence, Time: timestamppb.New(e.Time), Type: eventTypes[e.Type], Id: e.Message.String(),
		MessageId: e.MessageID, Address: e.Address, Outcome: Outcome(e.Outcome), Attempt: int32(e.Attempt),
		NextAttempt: timestamp(e.Next), PossibleDuplicate: e.Duplicate,
		Connection: names.ConnectionName(e.Connection), Reason: e.Reason, Client: names.ClientName(e.Client),
	}
}
