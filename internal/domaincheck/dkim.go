package domaincheck

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// commonSelectors are tried when nobody names one.
var commonSelectors = []string{"default", "dkim", "mail", "google", "selector1", "selector2", "s1", "s2", "k1", "k2", "key1", "smtp", "mta", "pm", "sig1"}

// dkim looks at the keys that mail of the domain is signed with (RFC 6376,
// RFC 8301).
func (k *check) dkim(ctx context.Context) {
	k.signer = k.Domain
	given := k.lookAround(ctx, k.Selectors)
	if len(given) > 0 {
		k.reportKeys(given, false)
		return
	}
	usual, keys := k.Known, k.lookAround(ctx, k.Known)
	if len(usual) == 0 {
		usual = commonSelectors
		keys = k.look(ctx, k.Domain, usual)
	}
	if keys = slices.DeleteFunc(keys, (*dkimKey).missing); len(keys) > 0 {
		k.reportKeys(keys, true)
		return
	}
	where := usual[0] + "._domainkey." + k.Domain
	if len(k.Known) > 0 {
		k.dkimFound = no
		k.add(Finding{
			Name: "dkim", Code: "dkim.provider_missing", Status: Warning, Record: where,
			Detail: fmt.Sprintf("%s has no key under a selector of %s (%s), so mail is not signed in the name of the domain.", k.Domain, k.senderName(), strings.Join(k.Known, ", ")),
			Remedies: []string{"Switch DKIM on at " + k.senderName() + " and publish the record that it shows.",
				"If you chose another selector, name it for this check."},
		})
		return
	}
	k.add(Finding{
		Name: "dkim", Code: "dkim.selector_unknown", Status: Unknown, Record: "*._domainkey." + k.Domain,
		Detail: "Which DKIM selector the mail is signed with is not known, and there is no key under the usual ones.",
		Remedies: []string{"Look for s= in the header field DKIM-Signature of a mail that you got from the domain, and name it for this check.",
			"If there is no such field, switch DKIM on where your mail is sent."},
	})
}

// dkimKey is what was found under one selector.
type dkimKey struct {
	selector, record string
	texts            []string
	code             string // empty for a key that is well
	err              error  // the lookup's
	alias            string // the name that the record stands under
	misplaced        string
	tags             tags
	kind             string // "RSA" or "Ed25519"
	bits             int
	fault            string // a sentence about a syntax error
}

func (key *dkimKey) missing() bool { return key.code == "dkim.missing" }

// lookAround gets the keys of selectors at the domain; if it has none, those at
// another one whose signatures DMARC takes for the domain's unless its record
// says adkim=s (RFC 7489 section 3.1.1), which becomes the signer: that of the
// envelope sender, as services have it, or the organisational one.
func (k *check) lookAround(ctx context.Context, selectors []string) []*dkimKey {
	there := func(key *dkimKey) bool { return !key.missing() }
	keys := k.look(ctx, k.Domain, selectors)
	for _, domain := range []string{k.Envelope, organisational(k.Domain)} {
		if slices.ContainsFunc(keys, there) {
			break
		}
		if strings.EqualFold(domain, k.Domain) || !aligned(k.Domain, domain, "r") {
			continue
		}
		if others := k.look(ctx, domain, selectors); slices.ContainsFunc(others, there) {
			keys, k.signer = others, domain
		}
	}
	return keys
}

// look gets the keys of selectors at a domain, at most 20.
func (k *check) look(ctx context.Context, domain string, selectors []string) []*dkimKey {
	keys := make([]*dkimKey, min(20, len(selectors)))
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() { keys[i] = k.lookKey(ctx, domain, selectors[i]) })
	}
	all.Wait()
	return keys
}

func (k *check) lookKey(ctx context.Context, domain, selector string) *dkimKey {
	key := &dkimKey{selector: selector, record: selector + "._domainkey." + domain}
	key.texts, key.err = k.dns.txt(ctx, key.record)
	given := slices.Contains(k.Selectors, selector)
	if !given {
		key.texts = those(key.texts, likeKey)
	}
	switch {
	case key.err != nil:
		key.code = "dkim.unknown"
	case len(key.texts) == 0:
		key.code = "dkim.missing"
		if given {
			key.alias = k.dns.alias(ctx, key.record)
			key.misplaced = k.misplaced(ctx, key.record, "p=")
		}
	case len(key.texts) > 1:
		key.code = "dkim.multiple"
	default:
		key.alias = k.dns.alias(ctx, key.record)
		key.judge(key.texts[0])
	}
	return key
}

// likeKey tells whether a text is meant as a key. At a selector that nobody has
// named there may be anything else, by a wildcard (RFC 4592).
func likeKey(text string) bool {
	list, err := parseTags(text)
	if err != nil {
		return strings.Contains(text, "DKIM1")
	}
	return list.has("p") && (!list.has("v") || list.get("v") == "DKIM1")
}

// misplaced tells of a record that stands under the domain twice, as it comes
// of giving a whole name to a form that adds the domain by itself.
func (k *check) misplaced(ctx context.Context, name, mark string) string {
	twice := name + "." + k.Domain
	texts, err := k.dns.txt(ctx, twice)
	if err == nil && slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, mark) }) {
		return twice
	}
	return ""
}

// judge reads a key record (RFC 6376 section 3.6.1).
func (key *dkimKey) judge(text string) {
	list, err := parseTags(text)
	key.tags = list
	switch {
	case err != nil:
		key.code, key.fault = "dkim.syntax", err.Error()
	case list.has("v") && list.get("v") != "DKIM1":
		key.code, key.fault = "dkim.syntax", "v= is not DKIM1"
	case list.has("v") && list[0].name != "v":
		key.code, key.fault = "dkim.syntax", "v= does not stand first"
	case !list.has("p"):
		key.code, key.fault = "dkim.syntax", "there is no p=, the key"
	case list.get("p") == "":
		key.code = "dkim.revoked"
	case list.has("h") && !slices.Contains(words(list.get("h")), "sha256"):
		key.code = "dkim.sha1"
	case list.has("s") && !slices.Contains(words(list.get("s")), "email") && !slices.Contains(words(list.get("s")), "*"):
		key.code = "dkim.not_for_mail"
	default:
		key.judgeKey()
	}
}

func words(list string) []string {
	parts := strings.Split(list, ":")
	for i := range parts {
		parts[i] = strings.ToLower(strings.TrimSpace(parts[i]))
	}
	return parts
}

func (key *dkimKey) judgeKey() {
	if err := key.parse(); err != nil {
		key.code, key.fault = "dkim.syntax", err.Error()
		return
	}
	switch {
	case key.kind == "RSA" && key.bits < 1024:
		key.code = "dkim.short_key"
	case slices.Contains(words(key.tags.get("t")), "y"):
		key.code = "dkim.testing"
	case key.kind == "RSA" && key.bits < 2048:
		key.code = "dkim.weak_key"
	}
}

// parse reads the public key.
func (key *dkimKey) parse() error {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(key.tags.get("p")), ""))
	if err != nil {
		return errors.New("p= is no base64; perhaps a part of it was cut off, or quotation marks are in it")
	}
	switch kind := strings.ToLower(key.tags.get("k")); kind {
	case "", "rsa":
		public, err := x509.ParsePKIXPublicKey(data)
		if err != nil {
			public, err = x509.ParsePKCS1PublicKey(data)
		}
		rsaKey, ok := public.(*rsa.PublicKey)
		if err != nil || !ok {
			return errors.New("p= holds no RSA key; perhaps a part of it was cut off")
		}
		key.kind, key.bits = "RSA", rsaKey.N.BitLen()
	case "ed25519":
		if len(data) != ed25519.PublicKeySize {
			return errors.New("p= holds no Ed25519 key, which is 32 octets long (RFC 8463)")
		}
		key.kind, key.bits = "Ed25519", 256
	default:
		return fmt.Errorf("k=%s is not known", kind)
	}
	return nil
}

// keyFindings say what the codes of keys mean. The verb is the selector.
var keyFindings = map[string]struct {
	status   Status
	detail   string
	remedies []string
}{
	"dkim.missing": {Failed, "There is no DKIM key under the selector %s, so signatures with it are invalid.",
		[]string{"Publish the record that who signs your mail shows for this selector.", "If mail is signed with another selector, name that one for this check."}},
	"dkim.multiple": {Failed, "There are several records under the selector %s, and receivers choose one at random or none (RFC 6376 section 3.6.2.2).",
		[]string{"Delete all but the one that who signs your mail shows."}},
	"dkim.revoked": {Failed, "The key of the selector %s is revoked: p= is empty.",
		[]string{"Publish the present key, or sign with another selector."}},
	"dkim.sha1": {Failed, "The record of the selector %s allows SHA-1 only, which receivers no longer take (RFC 8301).",
		[]string{"Remove h= from the record."}},
	"dkim.not_for_mail": {Failed, "The key of the selector %s is not for mail: s= lacks email.",
		[]string{"Remove s= from the record."}},
	"dkim.short_key": {Failed, "The key of the selector %s is so short that receivers do not take it (RFC 8301: at least 1024 bits).",
		[]string{"Make a new key of 2048 bits where your mail is signed, and publish it."}},
	"dkim.testing": {Warning, "The record of the selector %s says t=y, testing: receivers treat the mail as if it were not signed.",
		[]string{"Replace the record by the one below, without y in t=."}},
	"dkim.weak_key": {Warning, "The key of the selector %s is shorter than 2048 bits, which can be broken before long.",
		[]string{"Make a new key of 2048 bits where your mail is signed, and publish it."}},
}

// well tells whether receivers take signatures with the key.
func (key *dkimKey) well() bool { return key.code == "" || key.code == "dkim.weak_key" }

// reportKeys reports keys, and keeps for DMARC whether mail can be signed: it
// can by a good key, and cannot only if all of them are known. Of selectors
// that are guessed a good key is enough: the others may be old ones, all of
// them where nobody knows those of the sender.
func (k *check) reportKeys(keys []*dkimKey, guessed bool) {
	k.dkimFound = no
	switch {
	case slices.ContainsFunc(keys, (*dkimKey).well):
		k.dkimFound = yes
	case guessed && len(k.Known) == 0, slices.ContainsFunc(keys, func(key *dkimKey) bool { return key.code == "dkim.unknown" }):
		k.dkimFound = open
	}
	for _, key := range keys {
		k.reportKey(key, guessed && k.dkimFound == yes)
	}
}

// reportKey reports a key; spare says that mail may well be signed with another.
func (k *check) reportKey(key *dkimKey, spare bool) {
	f := Finding{Name: "dkim", Code: key.code, Record: key.record, Found: key.texts}
	switch key.code {
	case "dkim.unknown":
		k.unknown("dkim", key.record, key.err)
		return
	case "":
		f.Code, f.Status = "dkim.ok", OK
		f.Detail = fmt.Sprintf("The key of the selector %s is well: %s, %d bits.", key.selector, key.kind, key.bits)
		if key.alias != "" {
			f.Detail = strings.TrimSuffix(f.Detail, ".") + ", kept at " + key.alias + "."
		}
	case "dkim.syntax":
		f.Status, f.Detail = Failed, fmt.Sprintf("The record of the selector %s is wrong: %s.", key.selector, key.fault)
		f.Remedies = []string{"Publish the record exactly as who signs your mail shows it."}
	default:
		known := keyFindings[key.code]
		f.Status, f.Detail, f.Remedies = known.status, fmt.Sprintf(known.detail, key.selector), known.remedies
	}
	switch {
	case key.code == "dkim.testing":
		f.Publish = withoutTesting(key.texts[0])
	case key.code == "dkim.missing" && key.misplaced != "":
		f.Code, f.Detail = "dkim.misplaced", "The key stands at "+key.misplaced+", under the domain twice."
		f.Remedies = []string{fmt.Sprintf("Move it to %s: most forms want %s alone as the name.", key.record, strings.TrimSuffix(key.record, "."+k.Domain))}
	case key.code == "dkim.missing" && key.alias != "":
		f.Code = "dkim.alias_dangling"
		f.Detail = fmt.Sprintf("%s stands for %s (CNAME), and there is no key.", key.record, key.alias)
		f.Remedies = []string{"Compare the CNAME with what who signs your mail shows, and have the domain verified there."}
	}
	if spare && f.Status == Failed {
		f.Status, f.Remedies = Notice, nil
		f.Detail += " That does not matter unless mail is signed with it."
	}
	k.add(f)
}

// withoutTesting gives a key record without the flag for tests.
func withoutTesting(text string) string {
	var parts []string
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(name), "t") {
			flags := slices.DeleteFunc(words(value), func(w string) bool { return w == "y" })
			if len(flags) == 0 {
				continue
			}
			part = " t=" + strings.Join(flags, ":")
		}
		parts = append(parts, part)
	}
	return strings.TrimSpace(strings.Join(parts, ";"))
}
