package sdk_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/postilion-mail/postilion/sdk"
)

func Example() {
	client, err := sdk.Dial("") // POSTILION_SOCKET, else the system's daemon
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	receipt, err := client.Send(context.Background(), &sdk.Message{
		From:    "Shop <shop@example.com>",
		To:      []string{"Jane Doe <jane@example.com>"},
		Subject: "Your order",
		Text:    "Thank you.",
		Options: sdk.Options{Key: "order-1234-receipt"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.GetId(), receipt.GetState())
}

// What happened at the first attempt is known if the call waits for it.
func ExampleClient_Send_wait() {
	client, err := sdk.Dial("127.0.0.1:9125", sdk.WithTokenFile("/etc/shop/postilion.token"))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	receipt, err := client.Send(context.Background(), &sdk.Message{
		To: []string{"jane@example.com"}, Subject: "Hello", Text: "Hello.",
		Options: sdk.Options{Wait: 10 * time.Second},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, recipient := range receipt.GetRecipients() {
		fmt.Println(recipient.GetAddress(), recipient.GetState(), recipient.GetOutcome().GetReply())
	}
}

func ExampleClient_SendRaw() {
	client, err := sdk.Dial("unix:///run/postilion/postilion.sock")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	content := []byte("From: a@example.com\r\nTo: b@example.com\r\nSubject: Hello\r\n\r\nHello.\r\n")
	if _, err := client.SendRaw(context.Background(), &sdk.Raw{Content: content}); err != nil {
		log.Fatal(err)
	}
}

func ExampleAsError() {
	client, err := sdk.Dial("")
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Send(context.Background(), &sdk.Message{To: []string{"nobody"}})
	if failure := sdk.AsError(err); failure != nil {
		fmt.Println(failure.Code, failure.Reason, failure.Fields, failure.Remedy)
	}
}
