package registry

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Client is an application that may use the daemon. The values that the
// registry gives out share their slices with it: they are read, never changed.
type Client struct {
	ID        string    `json:"-"` // a UUID, never used again
	Name      string    `json:"-"`
	Scopes    Scopes    `json:"scopes"`
	UnixUsers []string  `json:"unix_users,omitempty"` // names or numbers
	Limits    Limits    `json:"limits,omitzero"`
	Created   time.Time `json:"created"`
	// MaxQueuedMessages and MaxQueuedBytes bound what it may have waiting;
	// 0 stands for the defaults: see QueueCaps.
	MaxQueuedMessages int64    `json:"max_queued_messages,omitempty"`
	MaxQueuedBytes    int64    `json:"max_queued_bytes,omitempty"`
	Transports        []string `json:"transports,omitempty"` // empty allows smtp and capture
	Tokens            []Token  `json:"tokens,omitempty"`
	// Origin is where the application is, such as the URL of a site; empty if
	// that is not known. Mail from elsewhere is held.
	Origin string `json:"origin,omitempty"`
	Guard  Guard  `json:"guard,omitzero"`
	// Default is the id of its own default connection, empty for none.
	Default string `json:"default,omitempty"`
}

// The names of the built-in clients.
const (
	// AdminName is the client of the admin socket and of DATA/admin.token.
	AdminName = "admin"
	// LocalName is the client of Unix users without one of their own.
	LocalName = "local"
)

// The most that a client may have waiting, unless it has caps of its own.
const (
	DefaultQueuedMessages = 100_000
	DefaultQueuedBytes    = 2 << 30
)

// BuiltIn says whether the client is one of those that always exist.
func (c *Client) BuiltIn() bool { return c.Name == AdminName || c.Name == LocalName }

// QueueCaps gives the number of messages and of octets that the client may
// have waiting, with the defaults filled in.
func (c *Client) QueueCaps() (messages, bytes int64) {
	messages, bytes = c.MaxQueuedMessages, c.MaxQueuedBytes
	if messages == 0 {
		messages = DefaultQueuedMessages
	}
	if bytes == 0 {
		bytes = DefaultQueuedBytes
	}
	return messages, bytes
}

// MayUse says whether the client's connections may use a transport.
func (c *Client) MayUse(transport string) bool {
	if c.Scopes.Has(ScopeAdmin) {
		return true
	}
	if len(c.Transports) == 0 {
		return transport == transportSMTP || transport == transportCapture
	}
	return slices.Contains(c.Transports, transport)
}

// Guard keeps the mail of a test installation from real recipients. At most
// one of Hold, Capture and RedirectTo is set.
type Guard struct {
	Hold       bool   `json:"hold,omitempty"`
	Capture    bool   `json:"capture,omitempty"`
	RedirectTo string `json:"redirect_to,omitempty"`
	// Allowed are addresses and "@domain" that may get mail all the same.
	Allowed []string `json:"allowed,omitempty"`
}

// Active says whether the guard keeps back anything.
func (g *Guard) Active() bool {
	return g.Hold || g.Capture || g.RedirectTo != "" || len(g.Allowed) > 0
}

// Token is a password of a client, without the password.
type Token struct {
	ID      string    `json:"id"`
	Hint    string    `json:"hint"` // the first characters
	Created time.Time `json:"created"`
}

// The transports that the rules know by name.
const (
	transportSMTP    = "smtp"
	transportCapture = "capture"
)

// Connection is a named, configured way out. Like Client it shares its slices
// and maps with the registry: whoever wants to change one uses Clone. Its
// secrets are never part of it.
type Connection struct {
	ID          string         `json:"-"` // a UUID, never used again; the id of the lane
	Name        string         `json:"-"`
	DisplayName string         `json:"display_name,omitempty"`
	Transport   string         `json:"transport"`
	Settings    map[string]any `json:"settings,omitempty"` // JSON's types, by the transport's field names
	Provider    string         `json:"provider,omitempty"` // id of the preset that filled settings and limits in
	Sender      SenderPolicy   `json:"sender,omitzero"`
	Limits      Limits         `json:"limits,omitzero"`
	// Fallbacks are names, seen from the owner: its own first, then shared.
	Fallbacks []string `json:"fallbacks,omitempty"`
	// AllowDestinations are CIDR ranges that may be reached though they are
	// loopback, private or link-local.
	AllowDestinations []string    `json:"allow_destinations,omitempty"`
	Shared            bool        `json:"shared,omitempty"` // all clients may send through it
	Retry             RetryPolicy `json:"retry,omitzero"`
	// ProbeInterval is how often it is logged into without sending mail; nil
	// for once a day, 0 for never: see ProbeEvery.
	ProbeInterval *time.Duration `json:"probe_interval,omitempty"`
	Isolation     string         `json:"isolation,omitempty"` // "" in the daemon, "process" in one of its own

	// What follows is the registry's own; Configure ignores it.

	Owner     string `json:"-"` // id of the client
	OwnerName string `json:"-"`
	// StoredSecrets are the names of the secrets, sorted.
	StoredSecrets []string `json:"-"`
	// AdminConfigured: an admin chose where it leads, so it may reach every
	// address.
	AdminConfigured bool `json:"admin_configured,omitempty"`
	// Default says whether messages that name no connection go here, for the
	// client that asked. It is false in answers to ids.
	Default bool      `json:"-"`
	ETag    string    `json:"etag"` // random at every change
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// Generation grows with every change.
	Generation uint64 `json:"generation"`
}

// defaultProbe is how often a connection is logged into.
const defaultProbe = 24 * time.Hour

// ProbeEvery gives how often the connection is logged into without sending
// mail, with the default filled in; 0 for never.
func (c *Connection) ProbeEvery() time.Duration {
	if c.ProbeInterval == nil {
		return defaultProbe
	}
	return *c.ProbeInterval
}

// Clone gives a copy that may be changed.
func (c *Connection) Clone() Connection {
	d := *c
	d.Settings = cloneMap(c.Settings)
	d.Sender.ForceExceptions = slices.Clone(c.Sender.ForceExceptions)
	d.Sender.ReplyTo = slices.Clone(c.Sender.ReplyTo)
	d.Sender.Headers = slices.Clone(c.Sender.Headers)
	d.Sender.AlwaysBcc = slices.Clone(c.Sender.AlwaysBcc)
	d.Sender.AllowedFromDomains = slices.Clone(c.Sender.AllowedFromDomains)
	d.Fallbacks = slices.Clone(c.Fallbacks)
	d.AllowDestinations = slices.Clone(c.AllowDestinations)
	d.Retry.Schedule = slices.Clone(c.Retry.Schedule)
	d.StoredSecrets = slices.Clone(c.StoredSecrets)
	return d
}

func cloneMap(m map[string]any) map[string]any {
	d := maps.Clone(m)
	for k, v := range d {
		d[k] = cloneValue(v)
	}
	return d
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneMap(v)
	case []any:
		d := slices.Clone(v)
		for i := range d {
			d[i] = cloneValue(d[i])
		}
		return d
	}
	return v
}

// redacted is what others than the owner see of a shared connection: that it
// is there, not where it leads.
func (c *Connection) redacted() Connection {
	return Connection{
		ID: c.ID, Name: c.Name, DisplayName: c.DisplayName, Transport: c.Transport, Shared: true,
		Owner: c.Owner, OwnerName: c.OwnerName, ETag: c.ETag,
		Created: c.Created, Updated: c.Updated, Generation: c.Generation,
	}
}

// SenderPolicy says what is done to the sender of each message. Its fields
// are those of the API's message of this name.
type SenderPolicy struct {
	FromAddress        string   `json:"from_address,omitempty"`
	FromName           string   `json:"from_name,omitempty"`
	ForceFromAddress   bool     `json:"force_from_address,omitempty"`
	ForceFromName      bool     `json:"force_from_name,omitempty"`
	ForceExceptions    []string `json:"force_exceptions,omitempty"` // addresses and "@domain"
	ReplyTo            []string `json:"reply_to,omitempty"`
	ForceReplyTo       bool     `json:"force_reply_to,omitempty"`
	EnvelopeFrom       string   `json:"envelope_from,omitempty"`
	Headers            []Header `json:"headers,omitempty"`
	AlwaysBcc          []string `json:"always_bcc,omitempty"`
	AllowedFromDomains []string `json:"allowed_from_domains,omitempty"`
}

// Header is one field of a message's header.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// Limits of a connection or client, counted in recipients over windows that
// begin with the UTC second, minute, hour and day. 0 stands for no limit.
type Limits struct {
	PerSecond            uint32 `json:"per_second,omitempty"`
	PerMinute            uint32 `json:"per_minute,omitempty"`
	PerHour              uint32 `json:"per_hour,omitempty"`
	PerDay               uint32 `json:"per_day,omitempty"`
	RecipientsPerMessage uint32 `json:"recipients_per_message,omitempty"`
	Concurrency          uint32 `json:"concurrency,omitempty"` // deliveries at a time
}

// RetryPolicy says when failed attempts are repeated. The zero value stands
// for the defaults, which the dispatcher knows.
type RetryPolicy struct {
	Schedule     []time.Duration `json:"schedule,omitempty"` // the last repeats
	ExpiresAfter time.Duration   `json:"expires_after,omitempty"`
}

// Route sends the messages that match it through a connection. Empty
// conditions match all; within a list one match is enough.
type Route struct {
	Clients          []string `json:"clients,omitempty"` // names; only for the routes of admin
	From             []string `json:"from,omitempty"`    // addresses or "@domain"
	RecipientDomains []string `json:"recipient_domains,omitempty"`
	Headers          []Header `json:"headers,omitempty"` // an empty value matches any
	Tags             []string `json:"tags,omitempty"`
	Connection       string   `json:"connection"` // name, seen from the owner of the route
}

// Secrets are secret settings by the transport's field name. They print as
// their names only.
type Secrets map[string]string

// String names the secrets.
func (s Secrets) String() string { return fmt.Sprintf("secrets%q", slices.Sorted(maps.Keys(s))) }

// GoString is String, so that %#v shows no secret either.
func (s Secrets) GoString() string { return s.String() }

// MarshalJSON gives the names, also to the handlers of log/slog.
func (s Secrets) MarshalJSON() ([]byte, error) { return json.Marshal(slices.Sorted(maps.Keys(s))) }
