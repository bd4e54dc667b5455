package diagnose

import (
	"context"
	"maps"

	"github.com/postilion-mail/postilion/plugin"
)

// Report is what a connection test has found.
type Report struct {
	Stages    []plugin.Stage
	Failed    *plugin.Outcome // of the stage that failed; nil if none did
	Diagnosis *Diagnosis      // of that outcome
	Warnings  []string        // what is not wrong but worth knowing, in sentences
}

// Test goes through the stages of an instance and explains the one that
// failed. What is known of the connection beforehand is c; its Stage, Greeting
// and Facts come from the test. The error is for what could not be tested at
// all; it is that of Check.
func Test(ctx context.Context, instance plugin.Instance, request plugin.CheckRequest, c Context) (Report, error) {
	var r Report
	var failed *plugin.Stage
	c.Facts = maps.Clone(c.Facts)
	if c.Facts == nil {
		c.Facts = map[string]string{}
	}
	err := instance.Check(ctx, request, func(s plugin.Stage) {
		r.Stages = append(r.Stages, s)
		if failed != nil {
			return
		}
		maps.Copy(c.Facts, s.Facts)
		if s.Name == plugin.PhaseGreeting.String() && (s.Outcome == nil || !s.Outcome.Inferred) {
			c.Greeting = s.Server
		}
		if s.Status == plugin.StageFailed {
			failed = &s
		}
	})
	if err != nil {
		return r, err
	}
	if failed != nil {
		c.Stage = failed.Name
		o := plugin.Outcome{Class: plugin.Temporary, Phase: plugin.ParsePhase(failed.Name), Inferred: true, Reply: failed.Detail}
		if failed.Outcome != nil {
			o = *failed.Outcome
		}
		d := Explain(o, c)
		r.Failed, r.Diagnosis = &o, &d
	}
	r.Warnings = warnings(r.Stages, &c)
	return r, nil
}
