// Package lint holds the rules of this repository that no linter knows: who
// may import whom, and what only programs may do. They are tests.
package lint
