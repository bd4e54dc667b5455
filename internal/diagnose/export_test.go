package diagnose

// Codes gives the codes of the table, in its order.
func Codes() []string {
	var all []string
	for _, family := range tables {
		for _, e := range family {
			all = append(all, e.code)
		}
	}
	return all
}
