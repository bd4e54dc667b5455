package mail

// Header gives the decoded values of the fields with a name, as they stand in
// the content; without those that the overlay has.
func (c *Content) Header(name string) []string {
	var values []string
	for _, f := range c.Identity.fields {
		if f.is(name) {
			values = append(values, decodeName(f.value()))
		}
	}
	return values
}
