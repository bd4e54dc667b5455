package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the table of docs/configuration.md anew")

// The table of the document is made of the settings.
func TestDocument(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../../docs/configuration.md", "<!-- settings -->\n", "<!-- end of settings -->"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(content), begin)
	_, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatalf("%s lacks the marks %q and %q", path, begin, end)
	}
	want := before + begin + table() + end + after
	if want == string(content) {
		return
	}
	if !*update {
		t.Fatalf("the table in %s is stale: go test ./internal/config -update", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func table() string {
	var b strings.Builder
	b.WriteString("| in the file | flag | environment | default | takes | meaning |\n|---|---|---|---|---|---|\n")
	defaults := Default()
	for _, s := range settings(&defaults) {
		initial := s.value.String()
		if initial != "" {
			initial = "`" + initial + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s | %s |\n", s.key, s.flag(), s.variable(), initial, s.value.expected(), s.usage)
	}
	return b.String()
}

// A field without a setting could not be set by anyone.
func TestEveryFieldHasASetting(t *testing.T) {
	t.Parallel()
	var c Config
	bound := make(map[uintptr]bool)
	for _, s := range settings(&c) {
		pointer := reflect.ValueOf(s.value)
		if pointer.Elem().Kind() == reflect.Struct { // choice and level hold the pointer
			pointer = pointer.Elem().Field(0)
		}
		bound[pointer.Pointer()] = true
		if !strings.HasSuffix(s.usage, ".") || strings.Contains(s.usage, "|") {
			t.Errorf("%s: the usage is no sentence for a table: %s", s.key, s.usage)
		}
	}
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		if field := fields.Type().Field(i); field.IsExported() && !bound[fields.Field(i).Addr().Pointer()] {
			t.Errorf("%s has no setting", field.Name)
		}
	}
}

// selfSigned writes a certificate and its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	save := func(name, kind string, octets []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: octets}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return save("cert.pem", "CERTIFICATE", der), save("key.pem", "PRIVATE KEY", pkcs8)
}
