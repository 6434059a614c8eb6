package sql

import (
	"sort"
	"strconv"
	"strings"
)

// maxParam is the highest parameter number: what the Postgres protocol can carry.
const maxParam = 65535

// Param is a parameter in a text.
type Param struct {
	Number int
	// Pos and End are its byte offsets.
	Pos, End int
}

// Params finds the parameters $1, $2, … of a text, outside of strings, quoted identifiers and comments.
// It returns the highest number and all places in their order. Parameters by name and ? are refused. An
// error is an *Error.
func Params(text string) (highest int, params []Param, err error) {
	l := lexer{text: text}
	for {
		t, e := l.next()
		if e != nil {
			return 0, nil, e
		}
		switch {
		case t.kind == eof:
			return highest, params, nil
		case t.kind == param && text[t.start] == '$':
			n, conv := strconv.Atoi(text[t.start+1 : t.end])
			if conv != nil || n < 1 || n > maxParam {
				return 0, nil, newError(text, t.start, codeUnknownParam, "there is no parameter %s", shorten(text[t.start:t.end])).
					hint("Parameters are $1 to $%d.", maxParam)
			}
			highest = max(highest, n)
			params = append(params, Param{Number: n, Pos: t.start, End: t.end})
		case t.kind == param || (t.kind == other && strings.IndexByte("?$", text[t.start]) >= 0):
			return 0, nil, newError(text, t.start, codeUnsupported, "parameters are written $1, $2, …").
				hint("Number the parameters instead of using ? or names.")
		}
	}
}

// Map leads positions in a rewritten text back to the text it was made from. The zero Map is for a text
// that was not changed.
type Map struct{ pieces []piece }

// piece is a run of the original text that stands unchanged in the rewritten one.
type piece struct {
	out, in, n int
	word       bool // a parameter or name, to whose begin all that was added to it leads
}

// Original returns the byte offset in the original text for one in the rewritten text. What was added to
// a parameter or name leads to its begin.
func (m Map) Original(pos int) int {
	i := sort.Search(len(m.pieces), func(i int) bool { return m.pieces[i].out > pos }) - 1
	if i < 0 {
		return max(pos, 0)
	}
	p := m.pieces[i]
	switch {
	case pos < p.out+p.n:
		return p.in + pos - p.out
	case p.word:
		return p.in
	case i == len(m.pieces)-1:
		return p.in + p.n
	}
	return m.pieces[i+1].in
}

// TypeParams writes a type to each parameter that has one: $2 becomes ($2::types[1]). Parameters
// whose type is missing or empty stay as they are, as does a text that cannot be read.
func TypeParams(text string, types []string) (string, Map) {
	return rewrite(text, types, false)
}

// ForDuckDB makes a fragment ready for DuckDB: parameters get their types as in TypeParams, Unicode
// spaces become as many ASCII ones, and the bare word at, which DuckDB takes as a keyword, becomes the
// quoted name it is everywhere but in AT TIME ZONE.
func ForDuckDB(text string, types []string) (string, Map) {
	return rewrite(plainSpaces(text), types, true)
}

func rewrite(text string, types []string, names bool) (string, Map) {
	if len(types) == 0 && !names {
		return text, Map{}
	}
	w := writer{text: text}
	l := lexer{text: text}
	before := token{}
	for {
		t, err := l.next()
		switch {
		case err != nil:
			return text, Map{}
		case t.kind == eof:
			return w.finish()
		case t.kind == param && text[t.start] == '$':
			n, conv := strconv.Atoi(text[t.start+1 : t.end])
			if conv == nil && n >= 1 && n <= len(types) && types[n-1] != "" {
				w.wrap(t, "(", "::"+types[n-1]+")")
			}
		case names && t.kind == word && fold(text[t.start:t.end], "at") && atIsName(l, before, t):
			w.wrap(t, `"`, `"`)
		}
		before = t
	}
}

// atIsName reports whether the word at, behind which l stands, is a name. It is none in AT TIME ZONE, in
// AT (VERSION => …) and in a parameter by name.
func atIsName(l lexer, before, at token) bool {
	if before.kind == other && before.end == at.start {
		return false
	}
	next, err := l.next()
	if err != nil || (next.kind == punct && l.text[next.start] == '(') {
		return false
	}
	if next.kind != word || !fold(l.text[next.start:next.end], "TIME") {
		return true
	}
	zone, err := l.next()
	return err != nil || zone.kind != word || !fold(l.text[zone.start:zone.end], "ZONE")
}

// writer builds a rewritten text.
type writer struct {
	text   string
	out    strings.Builder
	copied int // bytes of text that are done
	pieces []piece
}

// keep copies the text up to an offset.
func (w *writer) keep(to int, word bool) {
	if to == w.copied {
		return
	}
	w.pieces = append(w.pieces, piece{out: w.out.Len(), in: w.copied, n: to - w.copied, word: word})
	w.out.WriteString(w.text[w.copied:to])
	w.copied = to
}

// wrap copies the text up to and with a token and puts something around the token.
func (w *writer) wrap(t token, left, right string) {
	w.keep(t.start, false)
	w.out.WriteString(left)
	w.keep(t.end, true)
	w.out.WriteString(right)
}

func (w *writer) finish() (string, Map) {
	if w.copied == 0 {
		return w.text, Map{}
	}
	w.keep(len(w.text), false)
	return w.out.String(), Map{pieces: w.pieces}
}

// plainSpaces replaces the Unicode spaces between tokens by ASCII spaces of the same length in bytes.
// DuckDB would replace each by one space and so shift the positions of its errors.
func plainSpaces(text string) string {
	first := -1
	for i := 0; i < len(text); i++ {
		if text[i] >= 0x80 && unicodeSpace(text[i:]) > 0 {
			first = i
			break
		}
	}
	if first < 0 {
		return text
	}
	b := []byte(text)
	l := lexer{text: text}
	for end := 0; ; {
		t, err := l.next()
		if err != nil {
			return text
		}
		for i := end; i < t.start; i++ {
			n := unicodeSpace(text[i:min(i+3, len(text))])
			for k := range n {
				b[i+k] = ' '
			}
			i += max(n-1, 0)
		}
		if t.kind == eof {
			return string(b)
		}
		end = t.end
	}
}
