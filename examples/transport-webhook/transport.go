package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// transport implements plugin.Transport.
type transport struct{ allowLocal bool }

// Describe implements plugin.Transport.
func (transport) Describe() plugin.Description {
	return plugin.Description{
		Name: "webhook", Version: "1", Title: "Post to a URL",
		Fields: []plugin.Field{{
			Name: "url", Type: plugin.TypeString, Label: "URL", Required: true,
			Help: "Where messages are posted, such as https://example.com/mail.",
		}, {
			Name: "secret", Type: plugin.TypeString, Label: "Secret", Required: true, Secret: true,
			Help: "What the receiver verifies the signature with. At least 16 characters.",
		}, {
			Name: "timeout", Type: plugin.TypeDuration, Label: "Timeout", Default: "30s",
			Help: "How long the receiver has to answer.",
		}},
		Capabilities: plugin.Capabilities{ReportsCommit: true},
		Limits:       plugin.Limits{Concurrency: 16},
	}
}

// settings of a connection, as Describe names them.
type settings struct {
	URL     string        `setting:"url"`
	Secret  string        `setting:"secret"`
	Timeout time.Duration `setting:"timeout"`
}

// Open implements plugin.Transport.
func (t transport) Open(_ context.Context, s plugin.Settings) (plugin.Instance, error) {
	i := &instance{}
	if err := s.Decode(t.Describe().Fields, &i.settings); err != nil {
		return nil, err
	}
	u, err := url.Parse(i.URL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, &plugin.SettingError{Field: "url", Reason: "must be a URL such as https://example.com/mail"}
	case u.User != nil:
		return nil, &plugin.SettingError{Field: "url", Reason: "must not have a user or password; the secret is what shows who posts"}
	case len(i.Secret) < 16:
		return nil, &plugin.SettingError{Field: "secret", Reason: "must have at least 16 characters"}
	case i.Timeout <= 0:
		return nil, &plugin.SettingError{Field: "timeout", Reason: "must be more than 0"}
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	if !t.allowLocal {
		dialer.Control = refuseLocal
	}
	i.transport = &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}
	i.open, i.close = context.WithCancel(context.Background())
	// A redirect would take the message to somebody whom nobody has named.
	i.client = &http.Client{Transport: i.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return i, nil
}

// refuseLocal is asked by the dialer for each address, after names were
// resolved.
func refuseLocal(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := a.Addr().Unmap(); !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return fmt.Errorf("%s is in this machine's own network; whoever adds the plugin allows that with the argument -allow-local", ip)
	}
	return nil
}

// instance implements plugin.Instance.
type instance struct {
	settings
	transport *http.Transport
	client    *http.Client
	open      context.Context // ends with the instance
	close     context.CancelFunc
}

// call bounds a call of the receiver.
func (i *instance) call(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	stop := context.AfterFunc(i.open, cancel)
	return ctx, func() { stop(); cancel() }
}

// Check implements plugin.Instance: the receiver's address must answer at all.
// Only a message shows whether it takes messages.
func (i *instance) Check(ctx context.Context, r plugin.CheckRequest, report func(plugin.Stage)) error {
	stage := func(name string, do func() (detail string, o plugin.Outcome)) bool {
		began := time.Now()
		detail, o := do()
		s := plugin.Stage{Name: name, Status: plugin.StagePassed, Detail: detail, Duration: time.Since(began)}
		if o.Class != plugin.Accepted {
			s.Status, s.Outcome = plugin.StageFailed, &o
		}
		report(s)
		return s.Status == plugin.StagePassed
	}
	passed := stage("connect", func() (string, plugin.Outcome) {
		ctx, cancel := i.call(ctx)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodHead, i.URL, nil)
		if err != nil {
			return cause(err), unreachable(err)
		}
		response, err := i.client.Do(request)
		if err != nil {
			return cause(err), unreachable(err)
		}
		_ = response.Body.Close()
		return request.URL.Host + " answers", plugin.AcceptedOutcome("")
	})
	if passed && r.Message != nil {
		stage("content", func() (string, plugin.Outcome) {
			outcomes, err := i.Deliver(ctx, r.Message, func() error { return nil })
			o := plugin.Settle(outcomes, err, 1, true)[0]
			return o.Reply, o
		})
	}
	return nil
}

// Close implements plugin.Instance. It cuts off what is under way.
func (i *instance) Close() error {
	i.close()
	i.transport.CloseIdleConnections()
	return nil
}
