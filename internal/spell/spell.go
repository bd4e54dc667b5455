// Package spell finds what somebody meant who has misspelt a name.
package spell

// Distance is Levenshtein's: how many octets to insert, remove or replace to
// make b of a. It takes time in proportion to the product of their lengths, so
// the caller bounds what comes from outside.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
