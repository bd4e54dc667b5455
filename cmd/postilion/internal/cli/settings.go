package cli

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
)

// setting is one flag that sets a field of a connection.
type setting struct {
	flag  string
	path  string // of the field, for the update mask
	kind  string // shown as the value's type; "bool" makes a switch
	usage string
	set   func(connection *postilionv1.Connection, values []string) error
}

// settings are the flags of configure and test, in the order of the API.
func settings() []setting {
	return []setting{
		{"display-name", "display_name", "name", "what people see", text(func(c *connection) *string { return &c.DisplayName })},
		{"provider", "smtp.provider", "id", "mail provider whose host, port, security and limits are filled in: see postilion providers", text(func(c *connection) *string { return &smtp(c).Provider })},
		{"host", "smtp.host", "name", "the SMTP server", text(func(c *connection) *string { return &smtp(c).Host })},
		{"port", "smtp.port", "number", "its port (465 with --security tls, else 587)", number(func(c *connection) *uint32 { return &smtp(c).Port })},
		{"security", "smtp.security", "how", "tls (from the first octet, port 465), starttls, opportunistic or none (starttls)", setSecurity},
		{"auth", "smtp.authentication", "how", "auto, none, plain, login, cram-md5, scram-sha-1, scram-sha-256 or xoauth2 (auto with --username)", setAuthentication},
		{"username", "smtp.username", "name", "user name of the login; the password comes by --password-file", text(func(c *connection) *string { return &smtp(c).Username })},
		{"hello-name", "smtp.hello_name", "name", "our name in EHLO", text(func(c *connection) *string { return &smtp(c).HelloName })},
		{"source-address", "smtp.source_address", "ip", "local address to connect from", text(func(c *connection) *string { return &smtp(c).SourceAddress })},
		{"ca-file", "smtp.ca_certificates", "file", "certificate authorities to trust, as PEM", file(func(c *connection) *[]byte { return &smtp(c).CaCertificates })},
		{"pin-sha256", "smtp.pin_sha256", "hash", "SHA-256 of the server's public key", text(func(c *connection) *string { return &smtp(c).PinSha256 })},
		{"client-certificate-file", "smtp.client_certificate", "file", "certificate that we show, as PEM", file(func(c *connection) *[]byte { return &smtp(c).ClientCertificate })},
		{"client-key-file", "smtp.client_key", "file", "its private key, as PEM", file(func(c *connection) *[]byte { return &smtp(c).ClientKey })},
		{"minimum-tls", "smtp.minimum_tls", "version", "1.0, 1.1, 1.2 or 1.3 (1.2)", setMinimumTLS},
		{"skip-verify", "smtp.skip_verify", "bool", "do not verify the server's certificate (dangerous)", boolean(func(c *connection) *bool { return &smtp(c).SkipVerify })},
		{"pool-size", "smtp.pool_size", "number", "sessions at a time (5)", number(func(c *connection) *uint32 { return &smtp(c).PoolSize })},
		{"allow-plain-auth", "smtp.allow_plain_auth", "bool", "send the password even without TLS", boolean(func(c *connection) *bool { return &smtp(c).AllowPlainAuth })},
		{"transport", "custom.transport", "name", "another transport than smtp, such as capture", text(func(c *connection) *string { return &custom(c).Transport })},
		{"setting", "custom.settings", "name=value", "a setting of --transport", setCustom},
		{"secret-file", "custom.secrets", "name=file", "a secret setting of --transport, from a file", setCustomSecret},
		{"from", "sender.from_address", "address", "sender of messages without From", text(func(c *connection) *string { return &sender(c).FromAddress })},
		{"from-name", "sender.from_name", "name", "its display name", text(func(c *connection) *string { return &sender(c).FromName })},
		{"force-from", "sender.force_from_address", "bool", "put --from in the place of any other", boolean(func(c *connection) *bool { return &sender(c).ForceFromAddress })},
		{"force-from-name", "sender.force_from_name", "bool", "put --from-name in the place of any other", boolean(func(c *connection) *bool { return &sender(c).ForceFromName })},
		{"force-except", "sender.force_exceptions", "address", "address or @domain that is left alone", list(func(c *connection) *[]string { return &sender(c).ForceExceptions })},
		{"reply-to", "sender.reply_to", "address", "Reply-To of messages without", list(func(c *connection) *[]string { return &sender(c).ReplyTo })},
		{"force-reply-to", "sender.force_reply_to", "bool", "put --reply-to in the place of any other", boolean(func(c *connection) *bool { return &sender(c).ForceReplyTo })},
		{"envelope-from", "sender.envelope_from", "address", "where bounces go", text(func(c *connection) *string { return &sender(c).EnvelopeFrom })},
		{"header", "sender.headers", "name: value", "header field to add", setHeaders},
		{"always-bcc", "sender.always_bcc", "address", "gets a blind copy of each message", list(func(c *connection) *[]string { return &sender(c).AlwaysBcc })},
		{"allow-from-domain", "sender.allowed_from_domains", "domain", "domain that From may have", list(func(c *connection) *[]string { return &sender(c).AllowedFromDomains })},
		{"per-second", "limits.per_second", "number", "recipients a second", number(func(c *connection) *uint32 { return &limits(c).PerSecond })},
		{"per-minute", "limits.per_minute", "number", "recipients a minute", number(func(c *connection) *uint32 { return &limits(c).PerMinute })},
		{"per-hour", "limits.per_hour", "number", "recipients an hour", number(func(c *connection) *uint32 { return &limits(c).PerHour })},
		{"per-day", "limits.per_day", "number", "recipients a day", number(func(c *connection) *uint32 { return &limits(c).PerDay })},
		{"max-recipients", "limits.recipients_per_message", "number", "recipients of one message", number(func(c *connection) *uint32 { return &limits(c).RecipientsPerMessage })},
		{"concurrency", "limits.concurrency", "number", "deliveries at a time", number(func(c *connection) *uint32 { return &limits(c).Concurrency })},
		{"fallback", "fallbacks", "connection", "tried when this one is in trouble", list(func(c *connection) *[]string { return &c.Fallbacks })},
		{"allow-destination", "allow_destinations", "cidr", "private addresses that it may reach", list(func(c *connection) *[]string { return &c.AllowDestinations })},
		{"shared", "shared", "bool", "all clients may send through it", boolean(func(c *connection) *bool { return &c.Shared })},
		{"isolation", "isolation", "where", "where the transport runs: process for one of its own, or in-process", setIsolation},
		{"retry", "retry.schedule", "duration", "waiting time after the first, second, ... failure", setSchedule},
		{"expires-after", "retry.expires_after", "duration", "how long a message is tried (120h)", setExpiry},
		{"probe-interval", "probe_interval", "duration", "how often to log in without sending mail; 0s for never (24h)", setProbeInterval},
	}
}

type connection = postilionv1.Connection

func smtp(c *connection) *postilionv1.SmtpSettings {
	if c.GetSmtp() == nil {
		c.Transport = &postilionv1.Connection_Smtp{Smtp: &postilionv1.SmtpSettings{}}
	}
	return c.GetSmtp()
}

func custom(c *connection) *postilionv1.CustomSettings {
	if c.GetCustom() == nil {
		c.Transport = &postilionv1.Connection_Custom{Custom: &postilionv1.CustomSettings{}}
	}
	return c.GetCustom()
}

func sender(c *connection) *postilionv1.SenderPolicy {
	if c.Sender == nil {
		c.Sender = &postilionv1.SenderPolicy{}
	}
	return c.Sender
}

func limits(c *connection) *postilionv1.Limits {
	if c.Limits == nil {
		c.Limits = &postilionv1.Limits{}
	}
	return c.Limits
}

func retry(c *connection) *postilionv1.RetryPolicy {
	if c.Retry == nil {
		c.Retry = &postilionv1.RetryPolicy{}
	}
	return c.Retry
}

type setter = func(*connection, []string) error

// last is the value that counts if a flag is given twice.
func last(values []string) string { return values[len(values)-1] }

func text(field func(*connection) *string) setter {
	return func(c *connection, values []string) error {
		*field(c) = last(values)
		return nil
	}
}

// list takes a flag several times; an empty value empties the list.
func list(field func(*connection) *[]string) setter {
	return func(c *connection, values []string) error {
		target := field(c)
		for _, value := range values {
			if value != "" {
				*target = append(*target, value)
			}
		}
		return nil
	}
}

func boolean(field func(*connection) *bool) setter {
	return func(c *connection, values []string) error {
		value, err := strconv.ParseBool(last(values))
		*field(c) = value
		return err
	}
}

func number(field func(*connection) *uint32) setter {
	return func(c *connection, values []string) error {
		value, err := strconv.ParseUint(last(values), 10, 32)
		if err != nil {
			return usage("%q is not a number from 0 to 4294967295", last(values))
		}
		*field(c) = uint32(value)
		return nil
	}
}

func file(field func(*connection) *[]byte) setter {
	return func(c *connection, values []string) error {
		content, err := os.ReadFile(last(values))
		*field(c) = content
		return err
	}
}

func setSecurity(c *connection, values []string) error {
	name := last(values)
	switch name {
	case "tls", "ssl", "implicit":
		name = "implicit-tls"
	}
	value, err := enum(postilionv1.Security_value, "SECURITY_", name, "--security")
	smtp(c).Security = postilionv1.Security(value)
	return err
}

func setAuthentication(c *connection, values []string) error {
	value, err := enum(postilionv1.Authentication_value, "AUTHENTICATION_", last(values), "--auth")
	smtp(c).Authentication = postilionv1.Authentication(value)
	return err
}

func setMinimumTLS(c *connection, values []string) error {
	value, err := enum(postilionv1.TlsVersion_value, "TLS_VERSION_", last(values), "--minimum-tls")
	smtp(c).MinimumTls = postilionv1.TlsVersion(value)
	return err
}

func setIsolation(c *connection, values []string) error {
	value, err := enum(postilionv1.Isolation_value, "ISOLATION_", last(values), "--isolation")
	c.Isolation = postilionv1.Isolation(value)
	return err
}

// setCustom takes numbers and booleans as JSON has them, all else as text.
func setCustom(c *connection, values []string) error {
	fields := map[string]any{}
	for _, value := range values {
		name, content, found := strings.Cut(value, "=")
		if !found || name == "" {
			return usage("--setting %q: write name=value", value)
		}
		var decoded any
		if json.Unmarshal([]byte(content), &decoded) != nil {
			decoded = content
		}
		fields[name] = decoded
	}
	settings, err := structpb.NewStruct(fields)
	custom(c).Settings = settings
	return err
}

func setCustomSecret(c *connection, values []string) error {
	custom(c).Secrets = map[string]string{}
	for _, value := range values {
		name, path, found := strings.Cut(value, "=")
		if !found || name == "" {
			return usage("--secret-file: write name=file")
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		custom(c).Secrets[name] = strings.TrimRight(string(content), "\r\n")
	}
	return nil
}

func setHeaders(c *connection, values []string) error {
	for _, value := range values {
		if value == "" {
			continue
		}
		name, content, err := header(value)
		if err != nil {
			return err
		}
		sender(c).Headers = append(sender(c).Headers, &postilionv1.Header{Name: name, Value: content})
	}
	return nil
}

func header(text string) (name, value string, err error) {
	name, value, found := strings.Cut(text, ":")
	if !found || name == "" {
		return "", "", usage("--header %q: write \"Name: value\"", text)
	}
	return name, strings.TrimSpace(value), nil
}

func setSchedule(c *connection, values []string) error {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			duration, err := time.ParseDuration(part)
			if err != nil {
				return usage("--retry %q: write a duration such as 5m", part)
			}
			retry(c).Schedule = append(retry(c).Schedule, durationpb.New(duration))
		}
	}
	return nil
}

func setExpiry(c *connection, values []string) error {
	duration, err := time.ParseDuration(last(values))
	if err != nil {
		return usage("--expires-after %q: write a duration such as 24h", last(values))
	}
	retry(c).ExpiresAfter = durationpb.New(duration)
	return nil
}

func setProbeInterval(c *connection, values []string) error {
	duration, err := time.ParseDuration(last(values))
	if err != nil {
		return usage("--probe-interval %q: write a duration such as 24h, or 0s for never", last(values))
	}
	c.ProbeInterval = durationpb.New(duration)
	return nil
}

// settingFlags are the settings as given on a command line.
type settingFlags struct {
	given map[string]*values
}

// values is a flag that may be given several times.
type values struct {
	kind   string
	values []string
}

// String implements pflag.Value.
func (v *values) String() string { return strings.Join(v.values, ", ") }

// Set implements pflag.Value.
func (v *values) Set(value string) error {
	v.values = append(v.values, value)
	return nil
}

// Type implements pflag.Value.
func (v *values) Type() string { return v.kind }

func (s *settingFlags) register(flags *pflag.FlagSet) {
	s.given = map[string]*values{}
	for _, setting := range settings() {
		value := &values{kind: setting.kind}
		s.given[setting.flag] = value
		flag := flags.VarPF(value, setting.flag, "", setting.usage)
		if setting.kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
}

// apply puts what was given into a connection and gives the paths of its
// fields.
func (s *settingFlags) apply(c *connection) ([]string, error) {
	var paths []string
	for _, setting := range settings() {
		given := s.given[setting.flag].values
		if len(given) == 0 {
			continue
		}
		if err := setting.set(c, given); err != nil {
			return nil, err
		}
		paths = append(paths, setting.path)
	}
	return paths, nil
}
