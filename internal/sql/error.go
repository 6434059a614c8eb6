package sql

import (
	"fmt"
	"unicode/utf8"
)

// The SQLSTATE codes of this package's errors.
const (
	codeSyntax        = "42601"
	codeUnsupported   = "0A000"
	codeTooLarge      = "54000"
	codeTooComplex    = "54001"
	codeTooManyItems  = "54011"
	codeNameTooLong   = "42622"
	codeBadText       = "22021"
	codeBadValue      = "22023"
	codeDuplicateName = "42701"
	codeUnknownColumn = "42703"
	codeBadDefinition = "42P16"
	codeUnknownParam  = "42P02"
)

// Error is a statement that cannot be read or is not available.
type Error struct {
	// Code is the SQLSTATE.
	Code string
	// Message is the short primary line.
	Message string
	// Detail says more, Hint says what to do; either may be empty.
	Detail string
	Hint   string
	// Position is the 1-based position in the text, counted in characters as Postgres does; 0 is none.
	Position int
}

// Error returns the primary line.
func (e *Error) Error() string { return e.Message }

// Shift returns the error as it is positioned in a longer text whose byte offset pos is where the text
// begins that the error was reported for, such as the Pos of a Fragment.
func (e *Error) Shift(text string, pos int) *Error {
	c := *e
	if c.Position > 0 {
		c.Position += PositionAt(text, pos) - 1
	}
	return &c
}

// PositionAt returns the 1-based character position of a byte offset, as Postgres reports it. An offset
// outside the text counts as its nearest end.
func PositionAt(text string, offset int) int {
	offset = max(0, min(offset, len(text)))
	return utf8.RuneCountInString(text[:offset]) + 1
}

func newError(text string, offset int, code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Position: PositionAt(text, offset)}
}

func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// suggest gives the error a hint if it has none.
func (e *Error) suggest(hint string) {
	if e.Hint == "" {
		e.Hint = hint
	}
}

func (e *Error) detail(format string, args ...any) *Error {
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// shorten cuts a long piece of the user's text for a message.
func shorten(s string) string {
	const most = 48
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// closest returns the candidate a misspelt word most likely stands for, or "".
func closest(misspelt string, candidates []string) string {
	if len(misspelt) < 2 || len(misspelt) > 24 {
		return ""
	}
	limit := 2
	if len(misspelt) <= 4 {
		limit = 1
	}
	best := ""
	for _, c := range candidates {
		if d := distance(misspelt, c); d > 0 && d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of neighbours between two
// short ASCII words, whatever their case.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		cur[0] = i + 1
		for j := range len(b) {
			cost := 1
			if lower(a[i]) == lower(b[j]) {
				cost = 0
			}
			cur[j+1] = min(prev[j]+cost, prev[j+1]+1, cur[j]+1)
			if i > 0 && j > 0 && lower(a[i]) == lower(b[j-1]) && lower(a[i-1]) == lower(b[j]) {
				cur[j+1] = min(cur[j+1], before[j-1]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
