package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/postilion-mail/postilion/internal/daemontest"
	"github.com/postilion-mail/postilion/internal/postfixtest"
	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/sdk"
)

const (
	letterText = "Grüße an Zoë — 日本\n.\nEnde\n"
	letterFile = "Rechnung für Zoë.bin"
)

// attachment has every octet, and what is special in SMTP.
func attachment() []byte {
	var content []byte
	for i := range 256 * 64 {
		content = append(content, byte(i), byte(i>>8))
	}
	return append(content, "\r\n.\r\nRSET\r\n\n.\nFrom me\r\r\n"...)
}

// sending is a way to hand over the same letter.
type sending struct {
	name string
	send func(t testing.TB, r *postfixRig, subject, domain string)
	// What this way cannot say: nothing else about the sender than the daemon
	// knows; no attachment and HTML; no envelope sender beside From.
	anonymous, bare, noEnvelope bool
}

func sendings() []sending {
	return []sending{
		{name: "PHP mail", send: php("mail.php"), bare: true},
		{name: "PHP mail without headers", send: php("plainmail.php"), bare: true, anonymous: true},
		{name: "PHPMailer", send: php("phpmailer.php", "FILE")},
		{name: "Symfony -bs", send: php("symfony.php", "FILE", "SENDMAIL -bs")},
		{name: "Symfony -t", send: php("symfony.php", "FILE", "SENDMAIL -t -i")},
		{name: "curl", send: sendByCurl, noEnvelope: true},
		{name: "gRPC from Go", send: sendByGo, noEnvelope: true},
		{name: "gRPC from Python", send: sendByPython, noEnvelope: true},
	}
}

// postfixRig is what the ways of sending need.
type postfixRig struct {
	*daemon
	folder string
	file   string // the attachment
	stubs  string // Python's
}

// Every way of sending, as the user www-data, through a server that offers
// everything and through one without 8BITMIME and SMTPUTF8. What is checked is
// what Postfix has stored.
func TestSendersToPostfix(t *testing.T) {
	folder := scenario(t)
	need(t, "php", "curl", "protoc", "grpc_python_plugin", "/usr/bin/python3")
	needFile(t, "/usr/share/php/libphp-phpmailer/autoload.php", "/usr/share/php/Symfony/Component/Mailer/autoload.php")
	p := startPostfix(t, folder)
	r := &postfixRig{daemon: startDaemon(t, folder), folder: folder}
	p.configure(r.daemon)
	r.file = write(t, filepath.Join(folder, "attachment"), string(attachment()), 0o644)
	r.stubs = pythonStubs(t, folder)

	for _, connection := range []string{"modern", "old"} {
		if done := r.try("", "test", connection, "--send-to", "test@example.net"); done.code != 0 {
			t.Errorf("the test of %s: exit %d\n%s%s", connection, done.code, done.out, done.err)
		}
	}
	for _, domain := range []string{"example.net", "old.example"} {
		for _, way := range sendings() {
			t.Run(way.name+" to "+domain, func(t *testing.T) {
				subject := "Grüße: " + way.name
				way.send(t, r, subject, domain)
				checkLetter(t, p, way, subject, domain)
			})
		}
	}
	sent := r.awaitAll(2*len(sendings()), postilionv1.MessageState_MESSAGE_STATE_SENT)
	for _, message := range sent {
		if message.GetRecipients()[0].GetPossibleDuplicate() {
			t.Errorf("possibly sent twice: %v", message)
		}
	}
}

// checkLetter looks at all copies of the letter.
func checkLetter(t testing.TB, p *postfix, way sending, subject, domain string) {
	t.Helper()
	recipients := []string{"to@" + domain, "copy@" + domain, "hidden@" + domain}
	if way.anonymous {
		recipients = recipients[:1]
	}
	for _, recipient := range recipients {
		s := p.Await(t, subject, recipient)
		checkEnvelope(t, way, s)
		checkContent(t, way, s)
		if s.Header.Has("Bcc") || !strings.HasPrefix(recipient, "hidden@") && bytes.Contains(s.Raw, []byte("hidden@")) {
			t.Errorf("%s can see the blind copy", recipient)
		}
		if octet := slices.IndexFunc(s.Raw, func(b byte) bool { return b >= 0x80 }); domain == "old.example" && octet >= 0 {
			t.Errorf("8-bit octets went to a server without 8BITMIME: %q", s.Raw[max(0, octet-40):octet+20])
		}
		if t.Failed() {
			t.Logf("stored for %s:\n%.6000s", recipient, s.Raw)
			return
		}
	}
}

func checkEnvelope(t testing.TB, way sending, s *postfixtest.Letter) {
	t.Helper()
	from, envelope, name := "from@shop.example", "bounce@shop.example", "Lädchen"
	switch {
	case way.anonymous:
		from, envelope, name = "default@shop.example", "default@shop.example", "The Shop"
	case way.noEnvelope:
		envelope = from
	}
	if s.From != envelope {
		t.Errorf("the envelope sender is %s, want %s", s.From, envelope)
	}
	if author := s.Addresses(t, "From"); len(author) != 1 || author[0].Address != from || author[0].Name != name {
		t.Errorf("From is %v, want %s <%s>", author, name, from)
	}
	if to := s.Addresses(t, "To"); len(to) != 1 || to[0].Name != "Grüße" || !strings.HasPrefix(to[0].Address, "to@") {
		t.Errorf("To is %v", to)
	}
	received := s.Header.Get("Received")
	if !strings.Contains(received, "SMTPSA id") || !strings.Contains(received, "Authenticated sender: "+account) || !strings.Contains(received, "TLSv1.3") {
		t.Errorf("not by STARTTLS and login: %s", received)
	}
	for _, name := range []string{"Date", "Message-Id", "Mime-Version"} {
		if fields := s.Header.Values(name); len(fields) != 1 || fields[0] == "" {
			t.Errorf("%s is %q", name, fields)
		}
	}
}

func checkContent(t testing.TB, way sending, s *postfixtest.Letter) {
	t.Helper()
	if text := strings.ReplaceAll(s.Texts["text/plain"], "\r\n", "\n"); strings.TrimRight(text, "\n") != strings.TrimRight(letterText, "\n") {
		t.Errorf("the text is %q", text)
	}
	if way.bare {
		return
	}
	if html := s.Texts["text/html"]; !strings.Contains(html, "<p>Grüße an Zoë — 日本</p>") {
		t.Errorf("the HTML is %q", html)
	}
	if content, found := s.Files[letterFile]; !found || !bytes.Equal(content, attachment()) {
		t.Errorf("the attachment is another: found %v, %d octets; there are %d files", found, len(content), len(s.Files))
	}
}

// php runs a script by the subject, the domain and further arguments, as
// www-data, with our sendmail in sendmail_path.
func php(name string, args ...string) func(testing.TB, *postfixRig, string, string) {
	return func(t testing.TB, r *postfixRig, subject, domain string) {
		t.Helper()
		program, env := r.sendmail()
		all := []string{"-d", "sendmail_path=" + program + " -t -i", script(t, r.Folder, name), subject, domain}
		for _, arg := range args {
			all = append(all, strings.NewReplacer("FILE", r.file, "SENDMAIL", program).Replace(arg))
		}
		command := exec.Command("php", all...)
		command.Env = env
		r.asWWW(t, command)
	}
}

// asWWW runs a command as www-data; it must succeed, and say nothing.
func (r *postfixRig) asWWW(t testing.TB, command *exec.Cmd) {
	t.Helper()
	as(t, "www-data", command)
	if done := execute(t, command); done.code != 0 || done.err != "" {
		t.Fatalf("%s: exit %d\n%s%s", command.Path, done.code, done.out, done.err)
	}
}

func sendByCurl(t testing.TB, r *postfixRig, subject, domain string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"message": map[string]any{
		"from":        map[string]string{"address": "from@shop.example", "name": "Lädchen"},
		"to":          []map[string]string{{"address": "to@" + domain, "name": "Grüße"}},
		"cc":          []map[string]string{{"address": "copy@" + domain}},
		"bcc":         []map[string]string{{"address": "hidden@" + domain}},
		"subject":     subject,
		"text":        letterText,
		"html":        "<p>Grüße an Zoë — 日本</p>",
		"attachments": []map[string]string{{"filename": letterFile, "content": base64.StdEncoding.EncodeToString(attachment())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("curl", "--silent", "--show-error", "--fail-with-body", "--unix-socket", r.HTTPSocket(),
		"http://postilion/postilion.v1.MailerService/Send", "-H", "Content-Type: application/json", "--data-binary", "@-")
	command.Stdin = bytes.NewReader(body)
	r.asWWW(t, command)
}

func sendByGo(t testing.TB, r *postfixRig, subject, domain string) {
	t.Helper()
	client, err := sdk.Dial(r.Socket(), sdk.WithToken(""))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Send(t.Context(), &sdk.Message{
		From: "Lädchen <from@shop.example>", To: []string{"Grüße <to@" + domain + ">"}, Cc: []string{"copy@" + domain}, Bcc: []string{"hidden@" + domain},
		Subject: subject, Text: letterText, HTML: "<p>Grüße an Zoë — 日本</p>",
		Attachments: []sdk.Attachment{{Filename: letterFile, Content: attachment()}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sendByPython(t testing.TB, r *postfixRig, subject, domain string) {
	t.Helper()
	command := exec.Command("/usr/bin/python3", "-B", script(t, r.Folder, "send.py"), subject, domain, r.file, r.Socket(), r.stubs)
	command.Env = daemontest.Environment("GRPC_VERBOSITY=ERROR")
	r.asWWW(t, command)
}

// pythonStubs makes the stubs with Debian's protoc and plugin. They are made
// from descriptors, since protoc before 22 does not know the option
// debug_redact of our sources.
func pythonStubs(t testing.TB, folder string) string {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	seen := make(map[string]bool)
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	add(postilionv1.File_postilion_v1_mailer_proto)
	content, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	stubs := filepath.Join(folder, "stubs")
	if err := os.Mkdir(stubs, 0o755); err != nil {
		t.Fatal(err)
	}
	plugin, err := exec.LookPath("grpc_python_plugin")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--descriptor_set_in=" + write(t, filepath.Join(folder, "api.binpb"), string(content), 0o644),
		"--python_out=" + stubs, "--grpc_out=" + stubs, "--plugin=protoc-gen-grpc=" + plugin,
	}
	for path := range seen {
		if strings.HasPrefix(path, "postilion/") {
			args = append(args, path)
		}
	}
	if done := execute(t, exec.Command("protoc", args...)); done.code != 0 {
		t.Fatalf("protoc: %s", done.err)
	}
	return stubs
}
