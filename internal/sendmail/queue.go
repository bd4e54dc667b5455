package sendmail

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// What -bp reads of MessageService.ListMessages.
type queuePage struct {
	Messages      []queued
	NextPageToken string
}

type queued struct {
	ID         string
	From       string
	Size       int64 `json:",string"`
	AcceptTime time.Time
	Recipients []struct {
		Address string
		State   string
		Reason  string
		Outcome struct{ Reply string }
	}
}

// waiting are the states that count as being in the queue.
var waiting = []string{"MESSAGE_STATE_QUEUED", "MESSAGE_STATE_SENDING", "MESSAGE_STATE_DEFERRED", "MESSAGE_STATE_HELD"}

// printQueue is -bp, in the form that mailq has had since sendmail: what
// monitors it looks for "empty" and for the last line.
func (a *agent) printQueue(stdout io.Writer) error {
	w := bufio.NewWriter(stdout)
	count, size := 0, int64(0)
	for token := ""; ; {
		page, err := a.queuePage(token)
		if err != nil {
			return err
		}
		for _, m := range page.Messages {
			if count++; count == 1 {
				fmt.Fprintln(w, "----------------Queue ID----------------  --Size-- ----Arrival Time---- -Sender/Recipient-------")
			}
			size += m.Size
			m.print(w)
		}
		if token = page.NextPageToken; token == "" {
			break
		}
	}
	if count == 0 {
		fmt.Fprintln(w, "Mail queue is empty")
	} else {
		fmt.Fprintf(w, "-- %d Kbytes in %d Requests.\n", (size+1023)/1024, count)
	}
	if err := w.Flush(); err != nil {
		return failf(exitSoftware, "cannot print the queue: %v", err)
	}
	return nil
}

func (m *queued) print(w io.Writer) {
	fmt.Fprintf(w, "%-40s %9d %20s  %s\n", printable(m.ID), m.Size, m.AcceptTime.Local().Format("Mon Jan _2 15:04:05"), printable(m.From))
	for _, r := range m.Recipients {
		if !isWaiting(r.State) {
			continue
		}
		why := r.Reason
		if why == "" {
			why = r.Outcome.Reply
		}
		if why != "" {
			fmt.Fprintf(w, "%72s\n", "("+printable(why)+")")
		}
		fmt.Fprintf(w, "%72s %s\n", "", printable(r.Address))
	}
	fmt.Fprintln(w)
}

func isWaiting(state string) bool {
	for _, s := range waiting {
		if s == state {
			return true
		}
	}
	return false
}

func (a *agent) queuePage(token string) (page queuePage, err error) {
	body, err := json.Marshal(map[string]any{"states": waiting, "pageSize": 1000, "pageToken": token})
	if err != nil {
		return page, err
	}
	err = a.client().post("MessageService/ListMessages", int64(len(body)), func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	}, &page)
	switch r := (*rejection)(nil); {
	case err == nil:
		return page, nil
	case !errors.As(err, &r):
		return page, failf(exitUnavailable, "the queue cannot be read, the daemon does not answer: %v", err)
	case r.code == "permission_denied", r.code == "unauthenticated":
		return page, failf(exitPermission, "the queue may not be read: %s (it takes a client with the scope read)", r.message)
	default:
		return page, failf(exitUnavailable, "the queue cannot be read: %s", r.message)
	}
}
