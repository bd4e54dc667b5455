package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// A fault is what is wrong with the transport of these tests.
type fault string

// The faults, and the test of the suite that must find each.
const (
	sound            fault = ""
	losesRecipient   fault = "loses a recipient"
	givesNoOutcome   fault = "gives a recipient no outcome"
	tooManyOutcomes  fault = "gives too many outcomes"
	echoesSecret     fault = "echoes the secret in an outcome"
	echoesInStage    fault = "echoes the secret in a stage"
	echoesInError    fault = "echoes the secret in a setting's error"
	echoesInOutput   fault = "writes the secret to its log"
	takesAnything    fault = "takes any settings"
	namesNoField     fault = "names no field"
	ignoresCancel    fault = "ignores the end of the context"
	ignoresRefusal   fault = "goes on after a refused commit"
	commitsTwice     fault = "calls committing twice"
	neverCommits     fault = "never calls committing"
	hangsAtClose     fault = "hangs at close"
	closesOnce       fault = "fails at a second close"
	closesOthers     fault = "closes other instances with it"
	keepsDelivering  fault = "does not end deliveries at close"
	acceptsLost      fault = "accepts what it loses at close"
	corruptsLarge    fault = "corrupts large content"
	mixesUp          fault = "mixes up deliveries"
	unstuffsDots     fault = "takes dots away"
	describesTwice   fault = "describes itself differently each time"
	checksNothing    fault = "reports no stage"
	forgetsTheSecond fault = "delivers only the first message"
)

// finding is a test of the suite, and what it says.
type finding struct{ test, says string }

func findings() map[fault]finding {
	return map[fault]finding{
		losesRecipient:   {"mixed recipients", "but it has reached"},
		givesNoOutcome:   {"mixed recipients", "gave no outcome"},
		tooManyOutcomes:  {"deliver", "2 outcomes for 1 recipients"},
		echoesSecret:     {"mixed recipients", "the outcome has the secret secret"},
		echoesInStage:    {"check", "a stage has the secret secret"},
		echoesInError:    {"bad settings", "the error has the secret secret"},
		echoesInOutput:   {"deliver", "the output has the secret secret"},
		takesAnything:    {"bad settings", "the settings were taken"},
		namesNoField:     {"bad settings", "which is no *plugin.SettingError"},
		ignoresCancel:    {"cancelled while stalled", "a delivery did not return"},
		ignoresRefusal:   {"refused commit", "went out though it was not to"},
		commitsTwice:     {"deliver", "committing was called 2 times"},
		neverCommits:     {"deliver", "accepted without committing"},
		hangsAtClose:     {"close twice", "close did not return"},
		closesOnce:       {"close twice", "it is closed already"},
		closesOthers:     {"reopen", "another was closed"},
		keepsDelivering:  {"close while stalled", "a delivery did not return"},
		acceptsLost:      {"close while delivering", "accepted that has not arrived"},
		corruptsLarge:    {"large content", "not as it was"},
		mixesUp:          {"parallel", "arrived 0 times"},
		unstuffsDots:     {"deliver", "not as it was"},
		describesTwice:   {"describe", "a second description differs"},
		checksNothing:    {"check", "0 stages"},
		forgetsTheSecond: {"deliver", "not as it was"},
	}
}

const faultVariable = "PLUGINTEST_FAULT"

// TestSuite runs the suite on the transport with the fault of the environment:
// as a test of its own on the sound one, and for TestFindsFaults.
func TestSuite(t *testing.T) {
	f := fault(os.Getenv(faultVariable))
	b := &broken{fault: f}
	s := Subject{
		Transport: b,
		Settings:  settings("open"),
		Recipient: "good@b.example",
		Mixed: map[string]plugin.Class{
			"good@b.example": plugin.Accepted, "other@b.example": plugin.Accepted, "never@b.example": plugin.Permanent,
		},
		Arrived: b.arrived,
		Reached: b.reached,
	}
	stalled := settings("stalled")
	s.Stalled = &stalled
	if f == ignoresCancel || f == keepsDelivering || f == hangsAtClose {
		s.Patience = time.Second
	}
	if f != sound && f != corruptsLarge {
		s.MaxContent = 1 << 20
	}
	for _, r := range Run(t, s) {
		t.Logf("%s: %s", r.Test, r.Status)
		if f == sound && r.Status != "passed" {
			t.Errorf("%s: %s", r.Test, r.Status)
		}
	}
}

// TestFindsFaults has the suite fail, each time for the reason that is there.
// That is done in processes of their own, where tests can fail.
func TestFindsFaults(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	found := findings()
	for _, f := range slices.Sorted(maps.Keys(found)) {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			only := "^TestSuite$/^" + strings.ReplaceAll(found[f].test, " ", "_") + "$"
			command := exec.CommandContext(t.Context(), self, "-test.run="+only, "-test.v", "-test.timeout=5m")
			command.Env = append(os.Environ(), faultVariable+"="+string(f))
			var output bytes.Buffer
			command.Stdout, command.Stderr = &output, &output
			if err := command.Run(); err == nil {
				t.Fatalf("the suite passed\n%s", &output)
			}
			if m := regexp.MustCompile(`(?m)^panic:.*`).FindString(output.String()); m != "" {
				t.Fatalf("the suite panicked: %s\n%s", m, &output)
			}
			for _, want := range []string{found[f].test + ": failed", found[f].says} {
				if !strings.Contains(output.String(), want) {
					t.Errorf("no %q in\n%s", want, &output)
				}
			}
		})
	}
}

func settings(mode string) plugin.Settings {
	return plugin.Settings{
		Connection: "test", Values: map[string]any{"mode": mode}, Secrets: map[string]string{"secret": "not to be seen"},
	}
}

// broken is a transport that keeps what it delivers in memory, with a fault.
type broken struct {
	fault fault

	mu        sync.Mutex
	described int
	messages  []kept
	mixed     string // content of the last delivery
	down      bool
}

type kept struct {
	content    string
	recipients []string
}

func (b *broken) arrived(*testing.T) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, m := range b.messages {
		all = append(all, m.content)
	}
	return all
}

// Output is what a process has written.
func (b *broken) Output() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault == echoesInOutput && len(b.messages) > 0 {
		return []string{"starting", "logged in with " + settings("").Secrets["secret"]}
	}
	return nil
}

func (b *broken) reached(_ *testing.T, content string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, m := range b.messages {
		if m.content == content {
			all = append(all, m.recipients...)
		}
	}
	return all
}

func (b *broken) Describe() plugin.Description {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := plugin.Description{
		Name: "broken", Version: "1", Title: "Broken",
		Fields: []plugin.Field{
			{Name: "mode", Type: plugin.TypeEnum, Label: "Mode", Options: []string{"open", "stalled"}, Required: true},
			{Name: "secret", Type: plugin.TypeString, Label: "Secret", Secret: true},
		},
		Capabilities: plugin.Capabilities{ReportsCommit: true},
	}
	if b.described++; b.fault == describesTwice && b.described%2 == 0 {
		d.Version = "2"
	}
	return d
}

func (b *broken) Open(_ context.Context, s plugin.Settings) (plugin.Instance, error) {
	var into struct {
		Mode   string `setting:"mode"`
		Secret string `setting:"secret"`
	}
	err := s.Decode(b.Describe().Fields, &into)
	switch {
	case err == nil:
	case b.fault == takesAnything:
	case b.fault == namesNoField:
		return nil, errors.New("the settings are wrong")
	case b.fault == echoesInError:
		return nil, &plugin.SettingError{Field: err.(*plugin.SettingError).Field, Reason: "does not go with " + s.Secrets["secret"]}
	default:
		return nil, err
	}
	return &brokenInstance{broken: b, stalled: into.Mode == "stalled", secret: into.Secret, closed: make(chan struct{})}, nil
}

type brokenInstance struct {
	*broken
	stalled bool
	secret  string
	once    sync.Once
	closed  chan struct{}
}

func (i *brokenInstance) usable() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	select {
	case <-i.closed:
		return errors.New("the instance is closed")
	default:
	}
	if i.down {
		return errors.New("another was closed")
	}
	return nil
}

func (i *brokenInstance) Check(ctx context.Context, r plugin.CheckRequest, report func(plugin.Stage)) error {
	if i.fault == checksNothing {
		return nil
	}
	stage := plugin.Stage{Name: "open", Status: plugin.StagePassed}
	if i.fault == echoesInStage {
		stage.Detail = "logged in with " + i.secret
	}
	if i.stalled {
		<-ctx.Done()
		stage.Status = plugin.StageFailed
	}
	report(stage)
	if r.Message == nil {
		return nil
	}
	_, err := i.Deliver(ctx, r.Message, func() error { return nil })
	return err
}

func (i *brokenInstance) Close() error {
	err := errors.New("it is closed already")
	i.once.Do(func() {
		err = nil
		if i.fault != keepsDelivering {
			close(i.closed)
		}
	})
	switch i.fault {
	case hangsAtClose:
		select {}
	case closesOthers:
		i.mu.Lock()
		i.down = true
		i.mu.Unlock()
	case closesOnce:
		return err
	}
	return nil
}

func (i *brokenInstance) Deliver(ctx context.Context, d *plugin.Delivery, committing func() error) ([]plugin.Outcome, error) {
	if i.stalled {
		return nil, i.stall(ctx)
	}
	content, err := i.read(d)
	if err != nil {
		return nil, err
	}
	late := i.fault == acceptsLost && strings.Contains(content, "Subject: close ")
	if err := i.usable(); err != nil && !late {
		return nil, err
	}
	if err := i.commit(committing); err != nil && i.fault != ignoresRefusal {
		return nil, err
	}
	if late {
		<-i.closed
		return plugin.ForAll(d, plugin.AcceptedOutcome("")), nil
	}
	return i.keep(d, content), nil
}

// stall returns when it is told to.
func (i *brokenInstance) stall(ctx context.Context) error {
	done := ctx.Done()
	if i.fault == ignoresCancel {
		done = nil
	}
	select {
	case <-done:
		return ctx.Err()
	case <-i.closed:
		return errors.New("the instance was closed")
	}
}

// read gives the content, spoilt by some faults.
func (i *brokenInstance) read(d *plugin.Delivery) (string, error) {
	octets, err := io.ReadAll(io.NewSectionReader(d.Content, 0, d.Size))
	content := string(octets)
	switch {
	case i.fault == corruptsLarge && len(octets) > 16<<20:
		octets[16<<20]++
		content = string(octets)
	case i.fault == unstuffsDots:
		content = strings.ReplaceAll(content, "\r\n..", "\r\n.")
	case i.fault == mixesUp:
		i.mu.Lock()
		i.mixed, content = content, max(content, i.mixed) // that of another, sometimes
		i.mu.Unlock()
	}
	return content, err
}

func (i *brokenInstance) commit(committing func() error) error {
	switch i.fault {
	case neverCommits:
		return nil
	case commitsTwice:
		return errors.Join(committing(), committing())
	}
	return committing()
}

// keep delivers, and gives the outcomes.
func (i *brokenInstance) keep(d *plugin.Delivery, content string) []plugin.Outcome {
	m := kept{content: content}
	var outcomes []plugin.Outcome
	for n, r := range d.Envelope.Recipients {
		o := plugin.AcceptedOutcome("")
		if strings.HasPrefix(r.Address, "never@") {
			o = plugin.PermanentOutcome(plugin.BlameRecipient, plugin.PhaseRecipient, "no such user")
			if i.fault == echoesSecret {
				o.Reply += ", says the server to " + i.secret
			}
		} else if i.fault != losesRecipient || n == 0 {
			m.recipients = append(m.recipients, r.Address)
		}
		outcomes = append(outcomes, o)
	}
	i.mu.Lock()
	if i.fault != forgetsTheSecond || len(i.messages) == 0 {
		i.messages = append(i.messages, m)
	}
	i.mu.Unlock()
	switch {
	case i.fault == tooManyOutcomes:
		outcomes = append(outcomes, plugin.AcceptedOutcome(""))
	case i.fault == givesNoOutcome && len(outcomes) > 1:
		outcomes = outcomes[:1]
	}
	return outcomes
}

// Results have a place for each test, also for those that do not apply.
func TestResults(t *testing.T) {
	var results []Result
	t.Run("capable of less", func(t *testing.T) {
		b := &broken{}
		results = Run(t, Subject{Transport: b, Settings: settings("open"), Recipient: "good@b.example", MaxContent: 1 << 20})
	})
	said := make(map[string]string)
	for _, r := range results {
		said[r.Test] = r.Status
	}
	if len(said) != 15 || said["deliver"] != "passed" || said["deadline"] != "skipped" || said["mixed recipients"] != "skipped" {
		t.Error(fmt.Sprint(said))
	}
}
