package sdk

import "context"

// SendMail hands over a message that is composed already: it is net/smtp's
// SendMail with the daemon in the place of the server and of its login. Target
// is what Dial takes; empty for the daemon of this machine. From is where
// bounces go, empty for nowhere. The error is an *Error, or says what is wrong
// with target.
//
// It connects for each message. A program that sends many has a Client.
func SendMail(target, from string, to []string, content []byte) error {
	client, err := Dial(target)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	_, err = client.SendRaw(context.Background(), &Raw{Content: content, EnvelopeFrom: &from, Recipients: to})
	return err
}
