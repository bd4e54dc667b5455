package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// setting is one entry of the configuration. Its key in the file is
// snake_case, its flag the same with hyphens, its variable in capitals with
// POSTILION_ in front.
type setting struct {
	key   string
	value value
	usage string // one sentence, for --help and the documentation
}

// value is a pflag.Value that also says what it takes.
type value interface {
	pflag.Value
	// expected says which texts Set takes, as in "a duration such as 90s".
	expected() string
}

func (s setting) flag() string     { return strings.ReplaceAll(s.key, "_", "-") }
func (s setting) variable() string { return prefix + strings.ToUpper(s.key) }

// settings lists all entries, bound to the fields of c.
func settings(c *Config) []setting {
	return []setting{
		{"data_dir", (*path)(&c.DataDir), "Folder of the database, the key and large messages; made at the first start with mode 0700. Required."},
		{"run_dir", (*path)(&c.RunDir), "Folder of the public sockets postilion.sock and postilion-http.sock. Default: run in data_dir."},
		{"maildrop_dir", (*path)(&c.MaildropDir), "Folder where sendmail puts messages while the daemon is down. Default: maildrop in data_dir."},
		{"key_file", (*path)(&c.KeyFile), "File with the key that stored secrets are encrypted with, instead of data_dir/key."},

		{"grpc_listen", (*address)(&c.GRPCListen), "TCP address of the gRPC face."},
		{"http_listen", (*address)(&c.HTTPListen), "TCP address of the HTTP face (JSON)."},
		{"smtp_listen", (*address)(&c.SMTPListen), "TCP address of the submission port, for software that speaks only SMTP."},
		{"smtp_local_client", (*text)(&c.SMTPLocalClient), "Client whose mail everything is that comes to smtp_listen from this machine without AUTH: every local user and every container with the host's network may then send as it. Default: AUTH is required."},
		{"metrics_listen", (*address)(&c.MetricsListen), "TCP address that serves Prometheus metrics at /metrics without a token."},
		{"tls_cert_file", (*path)(&c.TLSCertFile), "Certificate chain in PEM for the TCP listeners. Required to listen beyond loopback."},
		{"tls_key_file", (*path)(&c.TLSKeyFile), "Private key in PEM of tls_cert_file."},

		{"socket_group", (*text)(&c.SocketGroup), "Group that may connect to the public sockets. Default: every user of the machine."},
		{"local_users", &choice{&c.LocalUsers, []string{LocalUsersAllow, LocalUsersDeny}}, "Whether a Unix user without a client of its own may send, as the client local."},
		{"allow_destinations", (*prefixes)(&c.AllowDestinations), "Ranges that connections of clients may reach although they are loopback, private or otherwise not public, on every port."},
		{"dns_server", (*server)(&c.DNSServer), "DNS server for all that the daemon looks up. Default: those of the system."},

		{"hostname", (*text)(&c.Hostname), "Name of this machine in EHLO and Message-ID. Default: the system's host name."},
		{"max_message_size", (*size)(&c.MaxMessageSize), "Largest message that is accepted, attachments encoded. At most 50MiB."},
		{"retention", (*duration)(&c.Retention), "How long what became of a message can be looked up after its end."},
		{"delay_notice", (*duration)(&c.DelayNotice), "After what time the sender of a message of sendmail or the SMTP port is told by mail that it still waits, such as 4h. 0s for never."},
		{"drain", (*duration)(&c.Drain), "How long deliveries under way may go on when the daemon is told to stop."},

		{"log_level", &level{&c.LogLevel}, "How much is logged."},
		{"log_format", &choice{&c.LogFormat, []string{LogText, LogJSON}}, "Form of the log lines on standard error."},
	}
}
