package duck

import "strings"

// What DuckDB 1.5.5 does not survive, so that a statement with it is refused:
//
//   - TRY over an expression that computes some of its rows only, when a row fails: it corrupts its memory.
//     The optimizer also moves an expression of a select list to where its column is used, so such an expression in any select list of a
//     statement with TRY is refused too, while conditions may have them.
//   - struct_update, which ends the process or never ends.
//   - 'isoyear' differences of times with zone near the ends of the calendar, which make the instance unusable.

// lazyWords name or make expressions that compute some of their rows only; some are macros of DuckDB that have a CASE inside.
var lazyWords = map[string]bool{
	"case": true, "coalesce": true, "and": true, "or": true, "in": true, "between": true, "if": true, "ifnull": true, "nullif": true,
	"any": true, "all": true, "some": true, "exists": true, "select": true, "from": true, "values": true, "lambda": true, "for": true,
	"split_part": true, "round_even": true, "roundbankers": true, "array_to_string": true, "array_to_string_comma_default": true,
	"weighted_avg": true, "json_group_array": true, "json_group_object": true, "format_pg_type": true, "format_type": true, "map_to_pg_oid": true,
}

// movable are the lazyWords that matter outside of TRY: the others are clauses there.
func movable(word string) bool {
	switch word {
	case "select", "from", "values", "all":
		return false
	}
	return lazyWords[word]
}

var conditionKeywords = map[string]bool{"where": true, "having": true, "on": true, "qualify": true}

var listKeywords = map[string]bool{
	"select": true, "from": true, "join": true, "group": true, "order": true, "limit": true, "union": true, "except": true, "intersect": true, "values": true, "set": true, "window": true,
}

// isoYearFunctions compute differences of times by a named unit.
var isoYearFunctions = map[string]bool{"date_diff": true, "datediff": true, "date_sub": true, "datesub": true}

// hazards are what together is dangerous in a statement; the errors are nil for what it does not have. Those of a view that it reads have no position.
type hazards struct{ try, lazy *Error }

func (h *hazards) add(other hazards) {
	if h.try == nil && other.try != nil {
		h.try = unplaced(other.try)
	}
	if h.lazy == nil && other.lazy != nil {
		h.lazy = unplaced(other.lazy)
	}
}

func unplaced(e *Error) *Error {
	out := *e
	out.Position = 0
	return &out
}

func (h *hazards) check() error {
	switch {
	case h.try == nil || h.lazy == nil:
		return nil
	case h.try.Position > 0:
		return h.try
	}
	return h.lazy
}

const tryHint = "TRY_CAST can be combined with everything; else compute the one in a materialized view and the other in a query over it"

// hazardGroup is what the checks know of an open parenthesis.
type hazardGroup struct {
	try       bool // inside of TRY
	condition bool // in a WHERE, HAVING, ON or QUALIFY
	isoYear   bool // the arguments of a difference of times
}

// inner is what they know of a parenthesis that opens after a word.
func (g hazardGroup) inner(call string) hazardGroup {
	return hazardGroup{try: g.try || call == "try", condition: g.condition, isoYear: isoYearFunctions[call]}
}

// hazard refuses a token after which DuckDB may not survive, and notes what is dangerous together.
func (l *limiter) hazard(g *group, t, next token, first bool) error {
	switch t.kind {
	case tokenString:
		if first && g.hazard.isoYear && strings.EqualFold(strings.Trim(t.text, "'"), "isoyear") {
			return l.unsupported(t, "a difference in units of 'isoyear' cannot be computed", "subtract isoyear(a) from isoyear(b)")
		}
	case tokenOp:
		if g.hazard.try && t.text == "->" {
			return l.unsupported(t, "TRY over -> cannot be computed", "write ->> or json_extract, or use TRY_CAST")
		}
	case tokenWord, tokenQuoted:
		return l.hazardWord(g, t, strings.ToLower(t.text), next.punct('('))
	}
	return nil
}

func (l *limiter) hazardWord(g *group, t token, word string, call bool) error {
	if t.kind == tokenQuoted && !call {
		return nil
	}
	switch {
	case call && word == "try":
		if l.hazards.try == nil {
			l.hazards.try = l.unsupported(t, "TRY cannot be in one statement with CASE, COALESCE, AND, OR, IN and the like in a select list", tryHint)
		}
	case call && word == "struct_update":
		return l.unsupported(t, "the function struct_update cannot be used", "build the struct anew: {'a': s.a, 'b': 2}")
	case lazyWords[word] && g.hazard.try:
		return l.unsupported(t, "TRY over "+strings.ToUpper(word)+" cannot be computed", "use TRY_CAST, or TRY around a smaller expression")
	case movable(word) && !g.hazard.condition && l.hazards.lazy == nil:
		l.hazards.lazy = l.unsupported(t, strings.ToUpper(word)+" cannot be in a select list of a statement with TRY", tryHint)
	}
	switch {
	case l.before.punct('.') || strings.EqualFold(l.before.text, "as"): // a name
	case word == "on" && !g.inFrom: // DISTINCT ON
	case conditionKeywords[word]:
		g.hazard.condition = true
	case listKeywords[word]:
		g.hazard.condition = false
	}
	return nil
}

func (l *limiter) unsupported(t token, message, hint string) *Error {
	return &Error{Kind: KindUnsupported, Message: message, Hint: hint, Position: charPosition(l.sql, t.pos)}
}
