package plugin

import (
	"fmt"
	"slices"
)

// Validate says what is wrong with a description, nil if nothing is. The error
// names the field.
func (d Description) Validate() error {
	if !named(d.Name, true) {
		return fmt.Errorf("name: %.80q must be lower case letters, digits, - and _, a letter first, at most 63", d.Name)
	}
	seen := make(map[string]bool, len(d.Fields))
	for _, f := range d.Fields {
		switch {
		case !named(f.Name, false):
			return fmt.Errorf("fields: the name %.80q must be lower case letters, digits and _, a letter first, at most 63", f.Name)
		case seen[f.Name]:
			return fmt.Errorf("fields: %s is there twice", f.Name)
		case !slices.Contains(fieldTypes()[1:], f.Type):
			return fmt.Errorf("fields: %s has no type that there is, %.80q", f.Name, f.Type)
		case f.Secret && f.Type != TypeString:
			return fmt.Errorf("fields: %s is a secret and must be a string", f.Name)
		case f.Type == TypeEnum && len(f.Options) == 0:
			return fmt.Errorf("fields: %s is an enum without options", f.Name)
		}
		seen[f.Name] = true
		if f.Default != "" {
			if _, err := f.parse(f.Default); err != nil {
				return fmt.Errorf("fields: the default of %s: %w", f.Name, err)
			}
		}
	}
	return nil
}

func named(name string, hyphen bool) bool {
	for n := range len(name) {
		c := name[n]
		letter := c >= 'a' && c <= 'z'
		other := c >= '0' && c <= '9' || c == '_' || c == '-' && hyphen
		if !letter && (n == 0 || !other) {
			return false
		}
	}
	return name != "" && len(name) <= 63
}
