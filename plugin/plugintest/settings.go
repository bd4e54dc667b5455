package plugintest

import (
	"maps"
	"reflect"
	"testing"

	"github.com/postilion-mail/postilion/plugin"
)

// describe: valid, and always the same.
func describe(t *testing.T, s *Subject) {
	d := s.Transport.Describe()
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	if d.Version == "" || d.Title == "" {
		t.Errorf("version %q, title %q: both are to be given", d.Version, d.Title)
	}
	for _, f := range d.Fields {
		if f.Label == "" {
			t.Errorf("the field %s has no label", f.Name)
		}
	}
	if !reflect.DeepEqual(s.Transport.Describe(), d) {
		t.Error("a second description differs")
	}
}

// badSettings: each is refused with the name of its field, and no secret is
// in the error.
func badSettings(t *testing.T, s *Subject) {
	const unknown = "no_such_setting"
	s.settingError(t, "an unknown setting", unknown, s.with(unknown, "x"))
	secret := s.Settings
	secret.Secrets = maps.Clone(secret.Secrets)
	if secret.Secrets == nil {
		secret.Secrets = make(map[string]string)
	}
	secret.Secrets[unknown] = "x"
	s.settingError(t, "an unknown secret", unknown, secret)
	for _, f := range s.Transport.Describe().Fields {
		if f.Secret {
			s.settingError(t, "the secret "+f.Name+" among the values", f.Name, s.with(f.Name, "x"))
			continue
		}
		var wrong any = true
		if f.Type == plugin.TypeBoolean {
			wrong = "perhaps"
		}
		s.settingError(t, f.Name+" of a wrong type", f.Name, s.with(f.Name, wrong))
		if f.Type == plugin.TypeEnum || f.Type == plugin.TypeDuration {
			s.settingError(t, f.Name+" that makes no sense", f.Name, s.with(f.Name, "no such thing"))
		}
		if f.Type == plugin.TypeInteger {
			s.settingError(t, f.Name+" with a fraction", f.Name, s.with(f.Name, 1.5))
		}
		if f.Required {
			missing := s.with(f.Name, nil)
			delete(missing.Values, f.Name)
			s.settingError(t, f.Name+" missing", f.Name, missing)
		}
	}
	for field, settings := range s.Bad {
		s.settingError(t, "bad "+field, field, settings)
	}
}

// with gives the good settings with another value.
func (s *Subject) with(name string, value any) plugin.Settings {
	settings := s.Settings
	settings.Values = maps.Clone(settings.Values)
	if settings.Values == nil {
		settings.Values = make(map[string]any)
	}
	settings.Values[name] = value
	return settings
}

// check: the stages of a connection that works have passed, and with a message
// one arrives.
func check(t *testing.T, s *Subject) {
	i := s.open(t, s.Settings)
	for _, m := range []*plugin.Delivery{nil, delivery(message("check"), s.Recipient)} {
		stages := 0
		err := i.Check(t.Context(), plugin.CheckRequest{Sender: "sender@a.example", Recipient: s.Recipient, Message: m}, func(stage plugin.Stage) {
			stages++
			if stage.Name == "" || stage.Status == plugin.StageFailed || stage.Duration < 0 {
				t.Errorf("stage %+v", stage)
			}
			s.checkSecrets(t, "a stage", stage.Detail+stage.Server)
			for _, fact := range stage.Facts {
				s.checkSecrets(t, "a fact", fact)
			}
		})
		if err != nil || stages == 0 {
			t.Errorf("%d stages, error %v", stages, err)
		}
	}
	if n := s.arrived(t, message("check")); n != 1 && n != -1 {
		t.Errorf("the test message arrived %d times", n)
	}
}
