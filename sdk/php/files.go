// Package php carries the PHP client's source for those who install it.
package php

import "embed"

// Source is the folder src.
//
//go:embed src
var Source embed.FS
