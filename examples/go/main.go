// Command go sends a mail through the daemon of this machine:
//
//	go run ./examples/go you@example.com
//
// It finds the daemon by POSTILION_SOCKET or POSTILION_ADDRESS, else at the
// system's socket.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/postilion-mail/postilion/sdk"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./examples/go ADDRESS")
		os.Exit(64)
	}
	if err := send(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "not accepted:", err)
		os.Exit(1)
	}
}

func send(ctx context.Context, to string) error {
	client, err := sdk.Dial("")
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()

	receipt, err := client.Send(ctx, &sdk.Message{
		From:    "Shop <shop@example.com>",
		To:      []string{to},
		Subject: "Your order, with greetings from Go: Grüße",
		Text:    "Thank you for your order.\n",
		HTML:    "<p>Thank you for your <b>order</b>.</p>",
		Attachments: []sdk.Attachment{
			{Filename: "invoice.txt", ContentType: "text/plain", Content: []byte("12.50 EUR\n")},
		},
		Options: sdk.Options{Wait: 5 * time.Second, Tags: []string{"receipt"}},
	})
	if err != nil {
		return err
	}
	fmt.Println("accepted", receipt.GetId())
	for _, recipient := range receipt.GetRecipients() {
		fmt.Println(" ", recipient.GetAddress(), recipient.GetState(), recipient.GetOutcome().GetReply())
	}
	return nil
}
