package smtp

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/postilion-mail/postilion/plugin"
)

// values reads settings by name and keeps the first error.
type values struct {
	settings plugin.Settings
	err      error
}

func (v *values) fail(field, format string, args ...any) {
	if v.err == nil {
		v.err = settingError(field, format, args...)
	}
}

// known refuses names that no field has, and secrets that stand among the
// values.
func (v *values) known(fields []plugin.Field) {
	find := func(name string) *plugin.Field {
		if i := slices.IndexFunc(fields, func(f plugin.Field) bool { return f.Name == name }); i >= 0 {
			return &fields[i]
		}
		return nil
	}
	for name := range v.settings.Values {
		switch f := find(name); {
		case f == nil:
			v.fail(name, "is no setting of the smtp transport")
		case f.Secret:
			v.fail(name, "is a secret; give it among the secrets")
		}
	}
	for name := range v.settings.Secrets {
		if f := find(name); f == nil || !f.Secret {
			v.fail(name, "is no secret of the smtp transport")
		}
	}
}

func (v *values) multiline(name string) string {
	switch x := v.settings.Values[name].(type) {
	case nil:
		return ""
	case string:
		return x
	}
	v.fail(name, "must be a string")
	return ""
}

// text is a string without control characters, so that it can stand on a line
// of the protocol.
func (v *values) text(name string) string {
	s := v.multiline(name)
	v.clean(name, s)
	return s
}

func (v *values) clean(name, s string) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		v.fail(name, "must not contain control characters or line breaks")
	}
}

func (v *values) secret(name string) string {
	s := v.settings.Secrets[name]
	v.clean(name, s)
	return s
}

func (v *values) secretPEM(name string) string { return v.settings.Secrets[name] }

func (v *values) enum(name, preset string) string {
	s := v.text(name)
	if s == "" {
		return preset
	}
	for _, f := range fields() {
		if f.Name == name && !slices.Contains(f.Options, s) {
			v.fail(name, "must be one of %s", strings.Join(f.Options, ", "))
		}
	}
	return s
}

func (v *values) boolean(name string) bool {
	switch x := v.settings.Values[name].(type) {
	case nil:
		return false
	case bool:
		return x
	}
	v.fail(name, "must be true or false")
	return false
}

func (v *values) integer(name string, preset, least, most int) int {
	switch x := v.settings.Values[name].(type) {
	case nil:
		return preset
	case float64:
		if x == math.Trunc(x) && x >= float64(least) && x <= float64(most) {
			return int(x)
		}
	}
	v.fail(name, "must be a whole number from %d to %d", least, most)
	return preset
}

func (v *values) duration(name string, preset time.Duration) time.Duration {
	s := v.text(name)
	if s == "" {
		return preset
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > time.Hour {
		v.fail(name, "must be a duration above 0 and up to 1h, such as 30s")
		return preset
	}
	return d
}
