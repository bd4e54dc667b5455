package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

func (a *app) messagesCommand() *cobra.Command {
	return group("messages", "Show what became of messages, and step in",
		a.messagesList(), a.messagesShow(), a.messagesEvents(), a.messagesRaw(),
		a.messagesResend(), a.messagesCancel(), a.messagesHold(), a.messagesRelease())
}

// step makes a command that does the same to each message named.
func (a *app) step(use, short string, do func(ctx context.Context, client *sdk.Client, id string) (*postilionv1.StoredMessage, error)) *cobra.Command {
	return &cobra.Command{
		Use:   use + " ID...",
		Short: short,
		Args:  cobra.MinimumNArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, ids []string) error {
			for _, id := range ids {
				message, err := do(ctx, client, id)
				if err != nil {
					return err
				}
				if a.json {
					err = a.object(message)
				} else {
					a.printf("%s %s\n", clean(message.GetId()), word(message.GetState(), "MESSAGE_STATE_"))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func (a *app) messagesResend() *cobra.Command {
	request := &postilionv1.ResendMessageRequest{}
	expires := durationFlag{target: &request.ExpiresAfter}
	command := a.step("resend", "Try messages again now; what failed gets a new life",
		func(ctx context.Context, client *sdk.Client, id string) (*postilionv1.StoredMessage, error) {
			request.Id = id
			answer, err := client.Messages.ResendMessage(ctx, request)
			return answer.GetMessage(), err
		})
	command.Flags().Var(&expires, "expires-after", "how long the new life of what failed is (the connection's)")
	return command
}

func (a *app) messagesCancel() *cobra.Command {
	return a.step("cancel", "End messages that wait",
		func(ctx context.Context, client *sdk.Client, id string) (*postilionv1.StoredMessage, error) {
			answer, err := client.Messages.CancelMessage(ctx, &postilionv1.CancelMessageRequest{Id: id})
			return answer.GetMessage(), err
		})
}

func (a *app) messagesHold() *cobra.Command {
	var reason string
	command := a.step("hold", "Keep messages until they are released",
		func(ctx context.Context, client *sdk.Client, id string) (*postilionv1.StoredMessage, error) {
			answer, err := client.Messages.HoldMessage(ctx, &postilionv1.HoldMessageRequest{Id: id, Reason: reason})
			return answer.GetMessage(), err
		})
	command.Flags().StringVar(&reason, "reason", "", "why, for people")
	return command
}

func (a *app) messagesRaw() *cobra.Command {
	return &cobra.Command{
		Use:   "raw ID",
		Short: "Print a message as it is sent (RFC 5322)",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Messages.GetMessage(ctx, &postilionv1.GetMessageRequest{Id: args[0], View: postilionv1.MessageView_MESSAGE_VIEW_CONTENT})
			if err != nil {
				return err
			}
			if !answer.GetMessage().GetContentAvailable() && len(answer.GetMessage().GetContent()) == 0 {
				return exit{exitFailed, errGone}
			}
			_, err = a.Out.Write(answer.GetMessage().GetContent())
			return err
		}),
	}
}

func (a *app) messagesShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a message with its recipients and attempts",
		Args:  cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, client *sdk.Client, args []string) error {
			answer, err := client.Messages.GetMessage(ctx, &postilionv1.GetMessageRequest{Id: args[0], View: postilionv1.MessageView_MESSAGE_VIEW_FULL})
			if err != nil {
				return err
			}
			if a.json {
				return a.object(answer.GetMessage())
			}
			a.describe(answer.GetMessage())
			return nil
		}),
	}
}

func (a *app) describe(message *postilionv1.StoredMessage) {
	for _, line := range [][2]string{
		{"id", message.GetId()},
		{"state", word(message.GetState(), "MESSAGE_STATE_")},
		{"subject", message.GetSubject()},
		{"from", message.GetFrom()},
		{"message id", message.GetMessageId()},
		{"size", bytesText(message.GetSize())},
		{"accepted", a.when(message.GetAcceptTime())},
		{"not before", a.when(message.GetSendAt())},
		{"expires", a.when(message.GetExpireTime())},
		{"done", a.when(message.GetDoneTime())},
		{"came by", message.GetSource()},
		{"client", message.GetClient()},
		{"through", strings.Join(message.GetConnections(), ", then ")},
		{"tags", strings.Join(message.GetTags(), ", ")},
	} {
		if line[1] != "" {
			a.printf("%-11s %s\n", line[0], clean(line[1]))
		}
	}
	a.printf("\n")
	recipients := table{head: []string{"RECIPIENT", "STATE", "ATTEMPTS", "CONNECTION"}, shrink: []int{0}}
	for _, recipient := range message.GetRecipients() {
		recipients.add(recipient.GetAddress(), word(recipient.GetState(), "MESSAGE_STATE_"), decimal(recipient.GetAttempts()), recipient.GetConnection())
		if note := a.recipientNote(recipient); note != "" {
			recipients.note(note)
		}
	}
	recipients.print(a.Out, a.style)
	explained := map[string]bool{}
	for _, recipient := range message.GetRecipients() {
		if d := recipient.GetDiagnosis(); d != nil && !explained[d.GetCode()] {
			explained[d.GetCode()] = true
			a.printDiagnosis(d)
		}
	}
	if len(message.GetAttempts()) == 0 {
		return
	}
	a.printf("\n")
	attempts := table{head: []string{"#", "STARTED", "TOOK", "RECIPIENT", "CONNECTION", "OUTCOME"}, shrink: []int{3, 5}}
	for _, attempt := range message.GetAttempts() {
		attempts.add(decimal(attempt.GetNumber()), attempt.GetStartTime().AsTime().Local().Format("2006-01-02 15:04:05"),
			milliseconds(attempt.GetDuration()), attempt.GetAddress(), attempt.GetConnection(),
			word(attempt.GetOutcome().GetClass(), "OUTCOME_CLASS_")+": "+reply(attempt.GetOutcome()))
	}
	attempts.print(a.Out, a.style)
}

// recipientNote says what a person wants to know about a recipient that is
// not simply on its way.
func (a *app) recipientNote(recipient *postilionv1.RecipientStatus) string {
	var parts []string
	switch recipient.GetState() {
	case postilionv1.MessageState_MESSAGE_STATE_DEFERRED:
		if next := recipient.GetNextAttempt(); next != nil {
			distance := next.AsTime().Sub(a.Now())
			if distance > 0 {
				parts = append(parts, "next attempt in "+age(distance))
			} else {
				parts = append(parts, "next attempt now")
			}
		}
	case postilionv1.MessageState_MESSAGE_STATE_HELD, postilionv1.MessageState_MESSAGE_STATE_FAILED,
		postilionv1.MessageState_MESSAGE_STATE_EXPIRED, postilionv1.MessageState_MESSAGE_STATE_SUPPRESSED:
	default:
		if !recipient.GetPossibleDuplicate() {
			return ""
		}
	}
	if recipient.GetReason() != "" {
		parts = append(parts, recipient.GetReason())
	}
	if recipient.GetOutcome() != nil {
		parts = append(parts, reply(recipient.GetOutcome()))
	}
	if recipient.GetPossibleDuplicate() {
		parts = append(parts, "possible duplicate")
	}
	return strings.Join(parts, "; ")
}

// reply is what the server said, or what was concluded.
func reply(outcome *postilionv1.Outcome) string {
	text := outcome.GetReply()
	if code := outcome.GetCode(); code != 0 && !strings.HasPrefix(text, decimal(code)) {
		prefix := decimal(code) + " "
		if enhanced := outcome.GetEnhancedCode(); enhanced != "" && !strings.HasPrefix(text, enhanced) {
			prefix += enhanced + " "
		}
		text = prefix + text
	}
	if text == "" {
		text = word(outcome.GetClass(), "OUTCOME_CLASS_")
	}
	if phase := outcome.GetPhase(); phase != "" && outcome.GetClass() != postilionv1.OutcomeClass_OUTCOME_CLASS_ACCEPTED {
		text += " (at " + phase + ")"
	}
	return text
}
