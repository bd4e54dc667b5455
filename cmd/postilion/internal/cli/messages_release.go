package cli

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

// releaseParallel is how many messages are released at a time: together they
// share the daemon's commits.
const releaseParallel = 32

func (a *app) messagesRelease() *cobra.Command {
	var all bool
	var reason string
	command := a.step("release", "Let held messages go", a.release)
	command.Use = "release ID... | --all"
	command.Long = `Release lets held messages go. With --all these are all that are held, or with
--reason those that are held for a reason with these words: all of a restored
backup are held "restored from a backup of ...".`
	command.Example = `  postilion messages release --all --reason "restored from a backup"`
	command.Flags().BoolVar(&all, "all", false, "all that are held")
	command.Flags().StringVar(&reason, "reason", "", "with --all: only those whose reason has these `words`")
	named := command.RunE
	command.Args = func(command *cobra.Command, args []string) error {
		if all {
			return cobra.NoArgs(command, args)
		}
		return cobra.MinimumNArgs(1)(command, args)
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		if !all {
			return named(command, args)
		}
		return a.run(func(ctx context.Context, client *sdk.Client, _ []string) error {
			return a.releaseAll(ctx, client, reason)
		})(command, args)
	}
	return command
}

func (a *app) release(ctx context.Context, client *sdk.Client, id string) (*postilionv1.StoredMessage, error) {
	answer, err := client.Messages.ReleaseMessage(ctx, &postilionv1.ReleaseMessageRequest{Id: id})
	return answer.GetMessage(), err
}

// releaseAll releases the oldest first. What cannot be released is told and
// left; only a daemon that is gone ends it.
func (a *app) releaseAll(ctx context.Context, client *sdk.Client, reason string) error {
	ids, err := a.held(ctx, client, reason)
	if err != nil {
		return err
	}
	var (
		workers  sync.WaitGroup
		mu       sync.Mutex
		released int
		failed   []error
		work     = make(chan string)
	)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for range min(releaseParallel, len(ids)) {
		workers.Go(func() {
			for id := range work {
				message, err := a.release(ctx, client, id)
				mu.Lock()
				switch {
				case err == nil:
					released++
					if a.json {
						err = a.object(message)
					}
				case exitCode(sdk.AsError(err).Code) == exitFailed && ctx.Err() == nil:
					failed = append(failed, err)
					a.printf("%s %s\n", clean(id), clean(sdk.AsError(err).Message))
					err = nil
				}
				mu.Unlock()
				if err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for _, id := range ids {
		select {
		case work <- id:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	workers.Wait()
	if !a.json {
		a.printf("%d of %d messages are released\n", released, len(ids))
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if len(failed) > 0 {
		return exit{code: exitFailed}
	}
	return nil
}

// held gives the ids of held messages, oldest first.
func (a *app) held(ctx context.Context, client *sdk.Client, reason string) ([]string, error) {
	var ids []string
	request := &postilionv1.ListMessagesRequest{States: []postilionv1.MessageState{postilionv1.MessageState_MESSAGE_STATE_HELD}, PageSize: 500}
	for {
		answer, err := client.Messages.ListMessages(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, message := range answer.GetMessages() {
			if heldFor(message, reason) {
				ids = append(ids, message.GetId())
			}
		}
		if request.PageToken = answer.GetNextPageToken(); request.PageToken == "" {
			slices.Reverse(ids)
			return ids, nil
		}
	}
}

func heldFor(message *postilionv1.StoredMessage, reason string) bool {
	return slices.ContainsFunc(message.GetRecipients(), func(r *postilionv1.RecipientStatus) bool {
		return r.GetState() == postilionv1.MessageState_MESSAGE_STATE_HELD && strings.Contains(r.GetReason(), reason)
	})
}
