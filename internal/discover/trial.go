package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

const (
	trialTime = 10 * time.Second // for one session, and for one login
	parallel  = 8                // sessions at a time
)

// Trial is how far a way was tried.
type Trial int

// The ends of a trial.
const (
	Untried  Trial = iota
	Failed         // it does not work
	Session        // a secure session came about; the login was not tried
	LoggedIn       // the login succeeded
)

// Result is a way that was tried.
type Result struct {
	Found
	Trial Trial
	// Remark is what was found, for people.
	Remark string
	// Failure is why it does not work; nil unless Failed.
	Failure *plugin.Outcome
	// Facts and Greeting are what the stages found out.
	Facts    map[string]string
	Greeting string
}

// Credentials are tried where a host may be given them.
type Credentials struct {
	Username string // empty for the one that was found with the way
	Password string // empty: no login is tried
}

// Tryer tries ways to send. It is safe for concurrent use.
type Tryer struct {
	// Open opens an instance of the smtp transport, under the guard of whoever
	// asks.
	Open func(ctx context.Context, settings plugin.Settings) (plugin.Instance, error)
	// Settings are those that all trials share, such as ca_certificates. What
	// would weaken a session is left out of them.
	Settings plugin.Settings

	limit time.Duration // in place of trialTime, for tests
}

// Try tries what was found, and if none of it works other ports of those hosts
// and the guesses. It gives the results best first: what logged in, what came
// to a secure session, what was not tried, what failed. When the context ends
// it returns soon, with the rest untried.
//
// Every session is encrypted and its certificate verified before a password is
// sent, to hosts that are Vouched for, and a server that refuses a login is not
// asked again, under another name neither.
func (t *Tryer) Try(ctx context.Context, f Findings, c Credentials) []Result {
	results := t.round(ctx, f.Found, c)
	if !slices.ContainsFunc(results, Result.settled) && ctx.Err() == nil {
		results = append(results, t.round(ctx, f.second(), c)...)
	}
	rank(results)
	return results
}

// TryAll tries ways that stand for one server alike, as Variations gives them.
func (t *Tryer) TryAll(ctx context.Context, ways []Found, c Credentials) []Result {
	results := t.round(ctx, ways, c)
	rank(results)
	return results
}

// settled tells that the server is found, so that looking for others is of no
// use: also when it is the login that it refused.
func (r Result) settled() bool {
	return r.Trial >= Session || r.Failure != nil && r.Failure.Phase == plugin.PhaseAuth && !r.Failure.Inferred
}

// second is what to try when nothing that was found works.
func (o Findings) second() []Found {
	var more []Found
	has := func(f Found) bool {
		same := func(g Found) bool { return g.key() == f.key() }
		return slices.ContainsFunc(o.Found, same) || slices.ContainsFunc(more, same)
	}
	for _, f := range o.Found {
		for _, v := range variations(f) {
			if !has(v) {
				more = append(more, v)
			}
		}
	}
	for _, g := range o.Guesses {
		if !has(g) {
			more = append(more, g)
		}
	}
	return more[:min(len(more), 2*maxFound)]
}

// rank sorts by what was reached, then by safety and confidence, which is the
// order that they were given in.
func rank(results []Result) {
	place := func(r Result) int {
		switch {
		case r.Trial == LoggedIn:
			return 0
		case r.Trial == Session:
			return 1
		case r.settled(): // a wrong password is nearer than a wrong server
			return 2
		case r.Trial == Untried:
			return 3
		}
		return 4
	}
	slices.SortStableFunc(results, func(a, b Result) int { return cmp.Compare(place(a), place(b)) })
}

// errEnough ends trials whose results no longer matter.
var errEnough = errors.New("a better way works")

// round opens a session each way at once, and then tries the logins one after
// another. The ways are in the order of their worth.
func (t *Tryer) round(ctx context.Context, ways []Found, c Credentials) []Result {
	results := make([]Result, len(ways))
	for i, f := range ways {
		results[i] = Result{Found: f, Remark: "not tried for lack of time"}
	}
	for more := true; more && ctx.Err() == nil; {
		t.sessions(ctx, results)
		t.logins(ctx, results, c)
		// Those left out for a better one are tried when that was none.
		more = slices.ContainsFunc(results, func(r Result) bool { return r.Trial == Untried }) && !slices.ContainsFunc(results, Result.settled)
	}
	return results
}

func (t *Tryer) sessions(ctx context.Context, results []Result) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var mu sync.Mutex
	done := make([]bool, len(results))
	for i, r := range results {
		done[i] = r.Trial != Untried
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range results {
		if done[i] {
			continue
		}
		all.Go(func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
			}
			r := results[i]
			if ctx.Err() == nil {
				t.session(ctx, &r)
			}
			if context.Cause(ctx) == errEnough && r.Trial != Session {
				r = Result{Found: r.Found, Remark: "not tried, since a better way works"}
			}
			mu.Lock()
			defer mu.Unlock()
			results[i], done[i] = r, true
			if best := slices.Index(done, false); best < 0 || slices.ContainsFunc(results[:best], func(r Result) bool { return r.Trial == Session && r.Vouched }) {
				stop(errEnough)
			}
		})
	}
	all.Wait()
}

// session tries a way without a login.
func (t *Tryer) session(ctx context.Context, r *Result) {
	if t.check(ctx, t.settings(r.Found), r); r.Trial == Session {
		r.Remark = "a secure session by " + cmp.Or(r.Facts["tls_version"], "TLS") + "; the login was not tried"
	}
}

// logins tries the credentials at the sessions that came about, until they are
// taken.
func (t *Tryer) logins(ctx context.Context, results []Result, c Credentials) {
	if c.Password == "" {
		return
	}
	refused := map[string]*Result{} // by server and user name
	for i := range results {
		r := &results[i]
		if r.Trial != Session || ctx.Err() != nil {
			continue
		}
		names := r.usernames(c)
		switch {
		case r.Auth == "none":
			r.Remark = "it takes mail from you without a login"
			continue
		case !r.Vouched:
			r.Remark = "a secure session came about; the password was not sent, because only DNS names this server, which can be forged: if you know " + r.Host + " as your provider's, give it as host"
			continue
		case len(names) == 0:
			r.Remark = "a secure session came about; there is no user name to log in with"
			continue
		}
		if earlier := refused[r.server()+" "+names[0]]; earlier != nil {
			r.Trial, r.Failure, r.Remark = Failed, earlier.Failure, earlier.Remark
			continue
		}
		session := *r
		for n, name := range names {
			attempt := session
			t.login(ctx, &attempt, Credentials{name, c.Password})
			if n == 0 || attempt.Trial == LoggedIn {
				*r = attempt
			}
			if attempt.Trial == LoggedIn {
				return
			}
			if !attempt.settled() {
				break // it was not the name
			}
			refused[session.server()+" "+name] = r
		}
	}
}

// server tells a server from others by its address: one machine that has several
// names counts failed logins by all of them together.
func (r *Result) server() string {
	if at, err := netip.ParseAddrPort(r.Facts["remote_address"]); err == nil {
		return at.Addr().Unmap().String()
	}
	return r.Host
}

// usernames are those to log in with. Where nobody has said what it is, RFC
// 6186 section 4 has the whole address first, then its local part.
func (r *Result) usernames(c Credentials) []string {
	switch {
	case c.Username != "":
		return []string{c.Username}
	case r.Username == "":
		return nil
	case r.Provider == "" && (r.Source == FromSRV || r.Source == FromGuess):
		if i := strings.LastIndexByte(r.Username, '@'); i > 0 {
			return []string{r.Username, r.Username[:i]}
		}
	}
	return []string{r.Username}
}

// login tries a login. If it fails the result says why.
func (t *Tryer) login(ctx context.Context, r *Result, c Credentials) {
	attempt := Result{Found: r.Found}
	attempt.Username = c.Username
	attempt.Auth = mechanism(r.Auth, r.Facts["auth_mechanisms"])
	settings := t.settings(attempt.Found)
	settings.Values["username"], settings.Secrets["password"] = c.Username, c.Password
	if attempt.Auth != "" {
		settings.Values["auth"] = attempt.Auth
	}
	t.check(ctx, settings, &attempt)
	if ctx.Err() != nil && attempt.Trial != Session {
		r.Remark = "a secure session came about; there was no time for the login"
		return
	}
	if attempt.Trial == Session {
		attempt.Trial = LoggedIn
		attempt.Remark = fmt.Sprintf("the login as %s succeeded by %s", c.Username, cmp.Or(attempt.Facts["mechanism"], "AUTH"))
	}
	*r = attempt
}

// mechanism gives the setting for a server that offers none of what automatic
// takes. CRAM-MD5 is weak, but under TLS no worse than PLAIN.
func mechanism(setting, offered string) string {
	if setting != "" {
		return setting
	}
	names := strings.Fields(strings.ToUpper(offered))
	for _, name := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"} {
		if slices.Contains(names, name) {
			return ""
		}
	}
	if slices.Contains(names, "CRAM-MD5") {
		return "cram-md5"
	}
	return ""
}

// settings are those of a way, with nothing in them that weakens it.
func (t *Tryer) settings(f Found) plugin.Settings {
	out := plugin.Settings{Connection: t.Settings.Connection, Values: maps.Clone(t.Settings.Values), Secrets: maps.Clone(t.Settings.Secrets)}
	if out.Values == nil {
		out.Values = map[string]any{}
	}
	if out.Secrets == nil {
		out.Secrets = map[string]string{}
	}
	for _, name := range []string{"skip_verify", "allow_plain_auth", "minimum_tls", "username", "auth"} {
		delete(out.Values, name)
	}
	delete(out.Secrets, "password")
	out.Values["host"], out.Values["port"], out.Values["security"] = f.Host, float64(f.Port), f.Security
	return out
}

// check runs the transport's test up to the login.
func (t *Tryer) check(ctx context.Context, settings plugin.Settings, r *Result) {
	limited, cancel := context.WithTimeout(ctx, cmp.Or(t.limit, trialTime))
	defer cancel()
	r.Trial, r.Failure = Session, nil
	r.Facts = map[string]string{}
	instance, err := t.Open(limited, settings)
	if err == nil {
		defer func() { _ = instance.Close() }()
		err = instance.Check(limited, plugin.CheckRequest{LoginOnly: true}, func(s plugin.Stage) { r.take(s) })
	}
	if err != nil && r.Failure == nil {
		r.fail(plugin.Settle(nil, err, 1, false)[0])
	}
	if ctx.Err() != nil && r.Failure != nil && r.Failure.Inferred { // it is we who ended it
		r.Trial, r.Failure, r.Remark = Untried, nil, "not tried for lack of time"
	}
}

// take notes what a stage found out.
func (r *Result) take(s plugin.Stage) {
	maps.Copy(r.Facts, s.Facts)
	if s.Name == plugin.PhaseGreeting.String() {
		r.Greeting = s.Server
	}
	if s.Status != plugin.StageFailed || r.Failure != nil || s.Name == plugin.PhaseQuit.String() {
		return
	}
	o := plugin.Outcome{Class: plugin.Temporary, Phase: plugin.ParsePhase(s.Name), Inferred: true, Reply: s.Detail}
	if s.Outcome != nil {
		o = *s.Outcome
	}
	r.fail(o)
}

func (r *Result) fail(o plugin.Outcome) {
	r.Trial, r.Failure, r.Remark = Failed, &o, o.Reply
}
