package plugin

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode checks settings against the fields that a transport describes, and
// sets those fields of the struct that target points to which have the tag
// `setting:"name"`. It fills in defaults; an empty string counts as not set.
//
// Strings and enums go into a string, integers into any signed integer,
// booleans into a bool and durations into a time.Duration. A bad setting is a
// *SettingError that names the field and never holds a value. Any other error
// says that struct and description do not fit, which is the author's mistake.
func (s Settings) Decode(fields []Field, target any) error {
	into, err := tagged(target)
	if err != nil {
		return err
	}
	if err := s.known(fields); err != nil {
		return err
	}
	for n := range fields {
		f := &fields[n]
		value, err := s.value(f)
		if err != nil {
			return &SettingError{Field: f.Name, Reason: err.Error()}
		}
		if field, ok := into[f.Name]; ok {
			delete(into, f.Name)
			if err := set(f, field, value); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(into)) {
		return fmt.Errorf("the struct has the setting %s, which the description has not", name)
	}
	return nil
}

// tagged gives the fields of a struct by their tag.
func tagged(target any) (map[string]reflect.Value, error) {
	v := reflect.ValueOf(target)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("settings are decoded into a pointer to a struct, not into %T", target)
	}
	v = v.Elem()
	fields := make(map[string]reflect.Value)
	for n := range v.NumField() {
		if name := v.Type().Field(n).Tag.Get("setting"); name != "" {
			if !v.Field(n).CanSet() {
				return nil, fmt.Errorf("the struct's field of the setting %s is not exported", name)
			}
			fields[name] = v.Field(n)
		}
	}
	return fields, nil
}

// known refuses names that no field has, and what stands on the wrong side.
func (s Settings) known(fields []Field) error {
	find := func(name string) *Field {
		if n := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name }); n >= 0 {
			return &fields[n]
		}
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Values)) {
		switch f := find(name); {
		case f == nil:
			return &SettingError{Field: name, Reason: "there is no such setting"}
		case f.Secret:
			return &SettingError{Field: name, Reason: "is a secret; give it among the secrets"}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		if f := find(name); f == nil || !f.Secret {
			return &SettingError{Field: name, Reason: "there is no such secret"}
		}
	}
	return nil
}

// value is what was set, or the default, or nil.
func (s Settings) value(f *Field) (any, error) {
	raw := s.Values[f.Name]
	if f.Secret {
		raw = s.Secrets[f.Name]
	}
	if raw == nil || raw == "" {
		if f.Default != "" {
			return f.parse(f.Default)
		}
		if f.Required {
			return nil, errors.New("is required")
		}
		return nil, nil
	}
	switch raw := raw.(type) {
	case string:
		if f.Type != TypeInteger && f.Type != TypeBoolean {
			return f.parse(raw)
		}
	case float64:
		if f.Type == TypeInteger && raw == math.Trunc(raw) && math.Abs(raw) < 1<<53 {
			return int64(raw), nil
		}
	case bool:
		if f.Type == TypeBoolean {
			return raw, nil
		}
	}
	return nil, f.unfit()
}

// parse reads the textual form.
func (f *Field) parse(text string) (any, error) {
	switch f.Type {
	case TypeInteger:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	case TypeBoolean:
		if text == "true" || text == "false" {
			return text == "true", nil
		}
	case TypeDuration:
		if d, err := time.ParseDuration(text); err == nil && d >= 0 {
			return d, nil
		}
	case TypeEnum:
		if slices.Contains(f.Options, text) {
			return text, nil
		}
	default:
		return text, nil
	}
	return nil, f.unfit()
}

// unfit says what the value has to be.
func (f *Field) unfit() error {
	switch f.Type {
	case TypeInteger:
		return errors.New("must be a whole number")
	case TypeBoolean:
		return errors.New("must be true or false")
	case TypeDuration:
		return errors.New("must be a duration such as 30s")
	case TypeEnum:
		return errors.New("must be one of " + strings.Join(f.Options, ", "))
	}
	return errors.New("must be a string")
}

// set puts a value into a struct's field.
func set(f *Field, field reflect.Value, value any) error {
	mistake := fmt.Errorf("the struct's field of the setting %s has type %s, which is none for %s", f.Name, field.Type(), f.Type)
	if value == nil {
		return nil
	}
	switch v := value.(type) {
	case time.Duration:
		if field.Type() != reflect.TypeFor[time.Duration]() {
			return mistake
		}
		field.SetInt(int64(v))
	case int64:
		if !field.CanInt() || field.Type() == reflect.TypeFor[time.Duration]() {
			return mistake
		}
		if field.OverflowInt(v) {
			return &SettingError{Field: f.Name, Reason: "is too large"}
		}
		field.SetInt(v)
	case string:
		if field.Kind() != reflect.String {
			return mistake
		}
		field.SetString(v)
	case bool:
		if field.Kind() != reflect.Bool {
			return mistake
		}
		field.SetBool(v)
	}
	return nil
}
