package duck

import (
	"bytes"
	"encoding/json"
	"strings"
)

// What DuckDB 1.5.5 does not survive, so that a statement with it is refused:
//
//   - TRY over an expression that computes some of its rows only, when a row fails: it corrupts its memory. The other way round is
//     safe. The optimizer moves the expression of a column to where the column is used, so in a statement with TRY such an expression is also
//     refused in the select list of a subquery, CTE or view, and beside TRY if TRY uses a column that is named there. Conditions may have it.
//   - struct_update, which ends the process or never ends.
//   - 'isoyear' differences of times with zone near the ends of the calendar, which make the instance unusable; see refuseIsoYears.

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

// hazards are what of a statement can be dangerous together.
type hazards struct {
	try       *Error          // the first TRY
	inner     *Error          // the first lazy expression in the select list of a subquery, CTE or view
	outer     *Error          // and in the outermost one
	used      map[string]bool // names inside of TRY
	named     map[string]bool // names given
	viewsLazy bool            // a view has a lazy expression
}

// lazy reports whether a relation of this definition has a lazy expression.
func (h *hazards) lazy() bool { return h.inner != nil || h.outer != nil || h.viewsLazy }

func (h *hazards) check() error {
	switch {
	case h.try == nil:
		return nil
	case h.inner != nil:
		return h.inner
	case h.viewsLazy:
		return h.try
	case h.outer == nil:
		return nil
	}
	for name := range h.used {
		if h.named[name] {
			return h.outer
		}
	}
	return nil
}

const tryHint = "TRY_CAST can be combined with everything; else compute the one in a materialized view and the other in a query over it"

// hazardGroup is what the checks know of an open parenthesis.
type hazardGroup struct {
	try       bool // inside of TRY
	condition bool // in a WHERE, HAVING, ON or QUALIFY
	nested    bool // inside of a parenthesis with a SELECT of its own
}

// inner is what they know of a parenthesis that opens after a word.
func (g hazardGroup) inner(call string) hazardGroup {
	return hazardGroup{try: g.try || call == "try", condition: g.condition, nested: g.nested}
}

// hazard refuses a token after which DuckDB may not survive, and notes what is dangerous together.
func (l *limiter) hazard(g *group, t, next token) error {
	switch t.kind {
	case tokenOp:
		if g.hazard.try && t.text == "->" {
			return l.unsupported(t, "TRY over -> cannot be computed", "write ->> or json_extract, or use TRY_CAST")
		}
	case tokenWord, tokenQuoted:
		word, call := strings.ToLower(t.text), next.punct('(')
		l.name(g, t, next, word)
		if t.kind == tokenWord || call {
			return l.hazardWord(g, t, word, call)
		}
	}
	return nil
}

func (l *limiter) hazardWord(g *group, t token, word string, call bool) error {
	h := &l.hazards
	switch {
	case call && word == "try":
		if h.try == nil {
			h.try = l.unsupported(t, "TRY cannot be over a view with CASE, COALESCE, AND, OR, IN or the like in its select list", tryHint)
		}
	case call && word == "struct_update":
		return l.unsupported(t, "the function struct_update cannot be used", "build the struct anew: {'a': s.a, 'b': 2}")
	case lazyWords[word] && g.hazard.try:
		return l.unsupported(t, "TRY over "+strings.ToUpper(word)+" cannot be computed", "use TRY_CAST, or put TRY inside: coalesce(TRY(a), TRY(b))")
	case word == "select" && len(l.groups) > 1, word == "from" && g.tokens == 1 && len(l.groups) > 1:
		g.hazard.nested = true
	case movable(word) && !g.hazard.condition && g.hazard.nested && h.inner == nil:
		h.inner = l.unsupported(t, strings.ToUpper(word)+" cannot be in the select list of a subquery in a statement with TRY", tryHint)
	case movable(word) && !g.hazard.condition && !g.hazard.nested && h.outer == nil:
		h.outer = l.unsupported(t, strings.ToUpper(word)+" cannot be beside a TRY over a column named in the same SELECT", tryHint)
	}
	switch {
	case l.before.punct('.') || l.isWord("as"): // a name
	case word == "on" && !g.inFrom: // DISTINCT ON
	case conditionKeywords[word]:
		g.hazard.condition = true
	case listKeywords[word]:
		g.hazard.condition = false
	}
	return nil
}

// name notes a name that TRY uses or that is given to an expression: after AS, right after an expression, or before a colon.
func (l *limiter) name(g *group, t, next token, word string) {
	h := &l.hazards
	if g.hazard.try {
		if h.used == nil {
			h.used = map[string]bool{}
		}
		h.used[word] = true
		return
	}
	given := l.isWord("as") || next.punct(':')
	switch b := l.before; b.kind {
	case tokenString, tokenNumber, tokenParam, tokenQuoted:
		given = given || b.text != ""
	case tokenPunct:
		given = given || b.punct(')') || b.punct(']') || b.punct('}')
	case tokenWord:
		before := strings.ToLower(b.text)
		given = given || !clauseKeywords[before] && !lazyWords[before] && before != "distinct" && before != "not"
	}
	if given {
		if h.named == nil {
			h.named = map[string]bool{}
		}
		h.named[word] = true
	}
}

// isWord reports whether the token before is that keyword.
func (l *limiter) isWord(keyword string) bool {
	return l.before.kind == tokenWord && strings.EqualFold(l.before.text, keyword)
}

func (l *limiter) unsupported(t token, message, hint string) *Error {
	return &Error{Kind: KindUnsupported, Message: message, Hint: hint, Position: charPosition(l.sql, t.pos)}
}

// isoYearFunctions compute differences of times by a named unit.
var isoYearFunctions = map[string]bool{"date_diff": true, "datediff": true, "date_sub": true, "datesub": true}

// refuseIsoYears refuses a plan with a difference of times with zone in units of 'isoyear'. It is the plan that tells, because times
// without zone are safe. A unit that is not a constant gets through: see definitions for what happens then.
func refuseIsoYears(plan []byte, sql string) error {
	if !bytes.Contains(bytes.ToLower(plan), []byte(`"isoyear"`)) {
		return nil
	}
	var tree any
	if err := json.Unmarshal(plan, &tree); err != nil {
		return errorf(KindInternal, "DuckDB's plan is not JSON: "+err.Error())
	}
	if at, found := findIsoYears(tree); found {
		return &Error{Kind: KindUnsupported, Message: "a difference of times with zone in units of 'isoyear' cannot be computed", Hint: "subtract isoyear(a) from isoyear(b)",
			Position: charPosition(sql, at)}
	}
	return nil
}

// findIsoYears looks for such a call, and returns its position in bytes.
func findIsoYears(tree any) (int, bool) {
	switch v := tree.(type) {
	case []any:
		for _, child := range v {
			if at, found := findIsoYears(child); found {
				return at, true
			}
		}
	case map[string]any:
		name, _ := v["name"].(string)
		children, _ := v["children"].([]any)
		if isoYearFunctions[name] && len(children) == 3 && isIsoYear(children[0]) && isZoned(v["arguments"]) {
			at, known := v["query_location"].(float64)
			if !known || at > MaxStatementBytes {
				at = -1
			}
			return int(at), true
		}
		for _, child := range v {
			if at, found := findIsoYears(child); found {
				return at, true
			}
		}
	}
	return 0, false
}

func isIsoYear(constant any) bool {
	node, _ := constant.(map[string]any)
	value, _ := node["value"].(map[string]any)
	text, _ := value["value"].(string)
	return strings.EqualFold(text, "isoyear")
}

func isZoned(arguments any) bool {
	list, _ := arguments.([]any)
	for _, a := range list {
		if t, _ := a.(map[string]any); t["id"] == "TIMESTAMP WITH TIME ZONE" {
			return true
		}
	}
	return false
}
