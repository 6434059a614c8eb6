package ingest

import (
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

const (
	// suggestColumnsMax and suggestNameMax bound the work for a suggestion.
	suggestColumnsMax = 500
	suggestNameMax    = 64
)

// closest returns the name of a column that a misspelt name may have meant, or nothing.
func closest(name string, columns row.Schema) string {
	if len(columns) > suggestColumnsMax || len(name) > suggestNameMax || len(name) < 2 {
		return ""
	}
	name = strings.ToLower(name)
	best, at := 1+len(name)/3, ""
	for _, c := range columns {
		if len(c.Name) > suggestNameMax {
			continue
		}
		if d := editDistance(name, strings.ToLower(c.Name)); d < best || d == best && at == "" {
			best, at = d, c.Name
		}
	}
	return at
}

// editDistance counts the bytes to insert, delete or change.
func editDistance(a, b string) int {
	var last, next [suggestNameMax*4 + 1]int // lower case may be longer
	if len(b) >= len(last) {
		return len(b)
	}
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			next[j+1] = min(change, last[j+1]+1, next[j]+1)
		}
		last = next
	}
	return last[len(b)]
}
