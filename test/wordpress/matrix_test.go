package wordpress

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-message"

	"github.com/postilion-mail/postilion/internal/smtptest"
)

// All that plugins do to a mail arrives as if WordPress had sent it itself.
func TestMatrix(t *testing.T) {
	folder := scenario(t)
	server := smtptest.Start(t, func(c *smtptest.Config) { c.Security = smtptest.Plain })
	d := startDaemon(t, subfolder(t, folder, "daemon"))
	d.bind("blog")
	host, port := split(t, server.Address())
	d.cli("", "configure", "main", "--host", host, "--port", port, "--security", "none", "--shared")
	s := newSite(t, folder, "")
	s.install()
	s.set(`"socket" => "` + d.HTTPSocket() + `"`)

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	files := subfolder(t, folder, "files")
	s.chown(files)
	command := s.command(script(t, "matrix.php"))
	command.Env = append(command.Env, "SMTP_PORT="+port, "FILES="+files, "RUN="+s.database, "DKIM_KEY="+encodeKey(t, key))
	out, err := command.output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cases := casesOf(t, out)
	if len(cases) < 20 {
		t.Fatalf("%d cases:\n%s", len(cases), out)
	}
	arms := map[string]map[string]*arrival{"stock": {}, "postilion": {}}
	for _, m := range server.Messages(2 * len(cases)) {
		a := arrive(t, m)
		arms[a.arm][a.name] = a
	}
	for _, name := range cases {
		if arms["stock"][name] == nil || arms["postilion"][name] == nil {
			t.Errorf("%s: has not arrived", name)
			continue
		}
		want, got := arms["stock"][name].parsed, arms["postilion"][name].parsed
		same := "same"
		if want != got {
			same = "DIFFERENT"
			t.Errorf("%s: WordPress sends\n%s\nand through Postilion\n%s\nraw:\n%s", name, want, got, arms["postilion"][name].raw)
		}
		t.Logf("%-18s %s", name, same)
	}
	for arm, arrivals := range arms {
		if err := verifyDKIM(arrivals["DKIM"].raw, &key.PublicKey); err != nil {
			t.Errorf("the DKIM signature of %s: %v", arm, err)
		}
	}
}

// casesOf reads what the script has printed.
func casesOf(t testing.TB, out string) (names []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 || fields[2] != "true" {
			t.Errorf("wp_mail(): %s", line)
			continue
		}
		if fields[1] == "postilion" {
			names = append(names, fields[0])
		}
	}
	return names
}

// arrival is a message as it came to the server.
type arrival struct {
	name, arm string
	parsed    string // all that readers see, in one text
	raw       []byte
}

// volatile are the fields that differ from message to message.
var volatile = []string{"Date", "Received", "X-Arm", "Message-Id", "Dkim-Signature", "Mime-Version"}

func arrive(t testing.TB, m smtptest.Message) *arrival {
	t.Helper()
	entity, err := message.Read(bytes.NewReader(m.Content))
	if err != nil && !message.IsUnknownCharset(err) {
		t.Fatalf("%v\n%s", err, m.Content)
	}
	a := &arrival{name: entity.Header.Get("X-Case"), arm: entity.Header.Get("X-Arm"), raw: m.Content}
	var b strings.Builder
	slices.Sort(m.To)
	fmt.Fprintf(&b, "envelope: %s -> %s\n", m.From, m.To)
	if a.name == "MessageID" {
		fmt.Fprintf(&b, "Message-Id: %s\n", entity.Header.Get("Message-Id"))
	}
	if signature := entity.Header.Get("Dkim-Signature"); signature != "" {
		fmt.Fprintf(&b, "DKIM: %s\n", regexp.MustCompile(`\b(b|t|z)=[^;]*`).ReplaceAllString(strings.Join(strings.Fields(signature), ""), "$1="))
	}
	describe(t, &b, entity, "", true)
	a.parsed = b.String()
	return a
}

// describe writes the fields and the decoded content of a part, and what is in
// it.
func describe(t testing.TB, b *strings.Builder, part *message.Entity, indent string, top bool) {
	t.Helper()
	fields := make(map[string][]string)
	for f := part.Header.Fields(); f.Next(); {
		text, err := f.Text()
		if err != nil {
			text = f.Value()
		}
		fields[f.Key()] = append(fields[f.Key()], strings.Join(strings.Fields(text), " "))
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if top && slices.Contains(volatile, key) || key == "Content-Type" || key == "Content-Transfer-Encoding" {
			continue
		}
		slices.Sort(fields[key])
		fmt.Fprintf(b, "%s%s: %s\n", indent, key, strings.Join(fields[key], " | "))
	}
	kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if err != nil {
		kind = part.Header.Get("Content-Type") // as WordPress makes it at times
	}
	delete(params, "boundary")
	fmt.Fprintf(b, "%s[%s %v]\n", indent, strings.ToLower(kind), params)
	if parts := part.MultipartReader(); parts != nil {
		for {
			inner, err := parts.NextPart()
			if err == io.EOF {
				return
			}
			if err != nil && !message.IsUnknownCharset(err) {
				t.Fatal(err)
			}
			describe(t, b, inner, indent+"  ", false)
		}
	}
	content, err := io.ReadAll(part.Body)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(b, "%s%q\n", indent, strings.TrimRight(strings.ReplaceAll(string(content), "\r\n", "\n"), "\n"))
}

// encodeKey gives a private key in PEM.
func encodeKey(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// verifyDKIM checks a signature with the canonicalization relaxed/simple (RFC
// 6376), which is the one that PHPMailer makes.
func verifyDKIM(content []byte, key *rsa.PublicKey) error {
	header, body, _ := bytes.Cut(content, []byte("\r\n\r\n"))
	fields := make(map[string]string) // relaxed, by name
	unfolded := regexp.MustCompile(`\r\n([ \t])`).ReplaceAllString(string(header), "$1")
	for field := range strings.SplitSeq(unfolded, "\r\n") {
		name, value, _ := strings.Cut(field, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		fields[name] = name + ":" + strings.Join(strings.Fields(value), " ")
	}
	signature := fields["dkim-signature"]
	tag := func(name string) string {
		found := regexp.MustCompile(`[:;] ?` + name + `=([^;]*)`).FindStringSubmatch(signature)
		if found == nil {
			return ""
		}
		return strings.ReplaceAll(found[1], " ", "")
	}
	sum := sha256.Sum256(append(bytes.TrimRight(body, "\r\n"), "\r\n"...))
	if tag("bh") != base64.StdEncoding.EncodeToString(sum[:]) {
		return errors.New("the body is another")
	}
	var signed strings.Builder
	for _, name := range strings.Split(tag("h"), ":") {
		signed.WriteString(fields[strings.ToLower(name)] + "\r\n")
	}
	signed.WriteString(regexp.MustCompile(`(; ?b=)[^;]*`).ReplaceAllString(signature, "$1"))
	octets, err := base64.StdEncoding.DecodeString(tag("b"))
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(signed.String()))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], octets)
}

func split(t testing.TB, address string) (host, port string) {
	t.Helper()
	i := strings.LastIndexByte(address, ':')
	if _, err := strconv.Atoi(address[i+1:]); err != nil {
		t.Fatal(err)
	}
	return address[:i], address[i+1:]
}
