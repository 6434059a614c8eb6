package duck

import (
	"fmt"
	"strconv"
	"strings"
)

// The bounds on a statement. Planning cannot be interrupted and does not keep to memory_limit, and some shapes
// make it explode; each bound is where the measured time is still well below a second.
const (
	// MaxStatementBytes bounds the text of a statement.
	MaxStatementBytes = 1 << 20
	// maxBlockRelations bounds the relations joined in one SELECT, subqueries included: join ordering takes
	// 0.16 s for 40 and 21 s for 100.
	maxBlockRelations = 40
	// maxRelations bounds the relations of a statement with views and CTEs written out, as binding does.
	maxRelations = 4000
	// maxArrowChain bounds -> and lambdas within each other: each doubles the time of binding.
	maxArrowChain = 14
	// maxOperatorChain bounds the operators on one path of an expression: the time grows with their cube.
	maxOperatorChain = 160
	// maxConditions bounds AND and OR in one list of conditions.
	maxConditions = 5000
	// maxListItems bounds the elements of one list: the plan spells each out in 150 bytes.
	maxListItems = 50_000
	// maxConstantCount bounds number literals given to functions that make a value of that many elements.
	maxConstantCount = 10_000_000
)

// deniedFunctions change the instance instead of answering, or take SQL in which these checks do not see.
var deniedFunctions = map[string]bool{
	"enable_logging": true, "disable_logging": true, "truncate_duckdb_logs": true, "write_log": true,
	"enable_profiling": true, "disable_profiling": true, "enable_peg_parser": true, "disable_peg_parser": true,
	"checkpoint": true, "force_checkpoint": true, "query": true, "json_execute_serialized_sql": true,
	"arrow_scan": true, "arrow_scan_dumb": true, "test_vector_types": true,
	scanName: true,
}

// sizedFunctions make a value as large as an argument says.
var sizedFunctions = map[string]bool{
	"list_resize": true, "array_resize": true, "bitstring": true, "repeat": true, "lpad": true, "rpad": true,
}

// clauseKeywords begin a new expression.
var clauseKeywords = map[string]bool{
	"select": true, "from": true, "where": true, "group": true, "order": true, "having": true, "by": true, "on": true, "as": true,
	"when": true, "then": true, "else": true, "union": true, "except": true, "intersect": true, "qualify": true, "limit": true,
	"offset": true, "join": true, "values": true, "and": true, "or": true, "set": true, "using": true, "window": true,
}

// endOfFrom end a FROM clause.
var endOfFrom = map[string]bool{
	"where": true, "group": true, "order": true, "having": true, "qualify": true, "limit": true, "offset": true,
	"window": true, "union": true, "except": true, "intersect": true, "select": true, "set": true, "returning": true, "values": true,
}

// group is an open parenthesis, bracket or brace, or the whole statement.
type group struct {
	// The expression being read: operators and arrows on its deepest path, and the deepest path of groups inside it.
	ops, arrows, innerOps, innerArrows int
	maxOps, maxArrows                  int // of the expressions before it
	conditions, commas                 int

	selects   bool // a SELECT or leading FROM has been seen
	tokens    int
	inFrom    bool
	expectRel bool
	block     int // relations of the current SELECT
	weight    int // relations of the whole group, written out

	relation bool   // the group stands where a relation may
	cte      string // the group is the body of this CTE
	sized    string // the group is the argument list of this sized function
	inWith   bool
	lastWord string // candidate for a CTE's name
	named    bool   // lastWord is followed by AS
	call     string // word right before a parenthesis
	hazard   hazardGroup
}

func (g *group) endExpr() {
	g.maxOps = max(g.maxOps, g.ops+g.innerOps)
	g.maxArrows = max(g.maxArrows, g.arrows+g.innerArrows)
	g.ops, g.arrows, g.innerOps, g.innerArrows = 0, 0, 0, 0
}

// limiter checks a statement against the bounds in one pass over its tokens.
type limiter struct {
	sql    string
	groups []group
	ctes   map[string]int
	// meaning is what is behind the name of a relation.
	meaning func(name string) meaning
	hazards hazards
	before  token // the token before
}

// meaning is what a statement or a relation is made of, with views written out.
type meaning struct {
	weight int  // number of relations
	lazy   bool // see hazards
}

// checkLimits refuses a statement that could make DuckDB's planning explode, naming the bound, or end the process. It returns
// what the statement is made of. of may be nil.
func checkLimits(sql string, of func(name string) meaning) (meaning, error) {
	if len(sql) > MaxStatementBytes {
		return meaning{}, limitError(fmt.Sprintf("the statement has %d bytes, the bound is %d", len(sql), MaxStatementBytes), 0)
	}
	if err := checkText(sql); err != nil {
		return meaning{}, err
	}
	l := &limiter{sql: sql, groups: make([]group, 1, 16), ctes: map[string]int{}, meaning: of}
	lex := lexer{s: sql}
	cur, ok := lex.next()
	for ok {
		next, more := lex.next()
		if err := l.token(cur, next); err != nil {
			return meaning{}, err
		}
		l.before, cur, ok = cur, next, more
	}
	for len(l.groups) > 1 {
		if err := l.pop(len(sql)); err != nil {
			return meaning{}, err
		}
	}
	top := &l.groups[0]
	if err := l.check(top, len(sql)); err != nil {
		return meaning{}, err
	}
	if err := l.hazards.check(); err != nil {
		return meaning{}, err
	}
	return meaning{weight: max(top.weight, 1), lazy: l.hazards.lazy()}, nil
}

func limitError(message string, position int) *Error {
	return &Error{Kind: KindLimit, Message: message, Position: position}
}

func (l *limiter) errorAt(pos int, format string, args ...any) error {
	return limitError(fmt.Sprintf(format, args...), charPosition(l.sql, pos))
}

func (l *limiter) token(t, next token) error {
	g := &l.groups[len(l.groups)-1]
	first := g.tokens == 0
	g.tokens++
	if err := l.hazard(g, t, next); err != nil {
		return err
	}
	switch t.kind {
	case tokenPunct:
		return l.punct(g, t)
	case tokenOp:
		if t.text == "->" || t.text == "->>" {
			g.arrows++
		}
		g.ops++
		return nil
	case tokenNumber:
		return l.number(g, t)
	case tokenWord, tokenQuoted:
		return l.word(g, t, next, first)
	case tokenString:
		if g.expectRel {
			return l.addRelation(g, strings.Trim(t.text, "'"), t.pos)
		}
	}
	return nil
}

func (l *limiter) number(g *group, t token) error {
	if g.sized == "" {
		return nil
	}
	if v, err := strconv.ParseFloat(strings.ReplaceAll(t.text, "_", ""), 64); err == nil && v > maxConstantCount {
		return l.errorAt(t.pos, "%s() of %s elements, the bound is %d", g.sized, t.text, maxConstantCount)
	}
	return nil
}

func (l *limiter) punct(g *group, t token) error {
	switch t.text[0] {
	case '(', '[', '{':
		inner := group{relation: g.expectRel, expectRel: g.expectRel, hazard: g.hazard.inner(g.call)}
		if g.inWith && g.named {
			inner.cte = g.lastWord
		}
		inner.inFrom = g.expectRel
		switch {
		case sizedFunctions[g.call]:
			inner.sized = g.call
		case g.call == "":
			inner.sized = g.sized
		}
		g.expectRel, g.named, g.call = false, false, ""
		l.groups = append(l.groups, inner)
	case ')', ']', '}':
		if len(l.groups) > 1 {
			return l.pop(t.pos)
		}
	case ',':
		g.endExpr()
		g.expectRel = g.inFrom
		if g.commas++; g.commas >= maxListItems {
			return l.errorAt(t.pos, "more than %d elements in one list", maxListItems)
		}
	case ';':
		g.endExpr()
		g.inFrom, g.expectRel, g.block = false, false, 0
	}
	return nil
}

func (l *limiter) word(g *group, t, next token, first bool) error {
	if next.kind == tokenPunct && next.text[0] == '(' {
		g.call = strings.ToLower(t.text)
		if deniedFunctions[g.call] {
			return &Error{Kind: KindPermission, Message: "the function " + g.call + " cannot be used here", Position: charPosition(l.sql, t.pos)}
		}
	}
	if t.kind == tokenQuoted {
		if g.expectRel {
			return l.relation(g, t, next)
		}
		g.lastWord = strings.ToLower(t.text)
		return nil
	}
	kw := strings.ToLower(t.text)
	if err := l.keyword(g, kw, t.pos); err != nil {
		return err
	}
	switch kw {
	case "from":
		// extract(x FROM y), IS DISTINCT FROM and the like are not clauses.
		if g.selects || g.inWith || first {
			g.selects, g.inWith, g.inFrom, g.expectRel = true, false, true, true
		}
	case "join":
		g.inFrom, g.expectRel = true, true
	case "with":
		g.inWith = first || g.inWith
	case "as":
		g.named = g.inWith
	case "lateral", "recursive", "materialized", "not", "only":
	default:
		switch {
		case endOfFrom[kw]:
			g.inFrom, g.expectRel = false, false
		case g.expectRel:
			return l.relation(g, t, next)
		}
		g.lastWord = kw
	}
	return nil
}

func (l *limiter) keyword(g *group, kw string, pos int) error {
	switch kw {
	case "and", "or":
		if g.conditions++; g.conditions > maxConditions {
			return l.errorAt(pos, "more than %d conditions in one list", maxConditions)
		}
	case "select", "insert", "update", "delete", "merge":
		g.selects, g.inWith, g.block = true, false, 0
	case "not":
		g.ops++
	case "lambda", "for":
		g.arrows++
	}
	if clauseKeywords[kw] {
		g.endExpr()
		if kw != "and" && kw != "or" {
			g.conditions = 0
		}
	}
	return nil
}

// relation counts a relation named in FROM; of a dotted name, the last part counts.
func (l *limiter) relation(g *group, t, next token) error {
	g.lastWord = strings.ToLower(t.text)
	if next.kind == tokenPunct && next.text[0] == '.' {
		return nil
	}
	if next.kind == tokenPunct && next.text[0] == '(' {
		// A table function; its arguments are not relations.
		g.expectRel = false
	}
	return l.addRelation(g, t.text, t.pos)
}

func (l *limiter) addRelation(g *group, name string, pos int) error {
	g.expectRel = false
	weight := 1
	if w, ok := l.ctes[strings.ToLower(name)]; ok {
		weight = w
	} else if l.meaning != nil {
		m := l.meaning(name)
		weight = max(m.weight, 1)
		l.hazards.viewsLazy = l.hazards.viewsLazy || m.lazy
	}
	g.block++
	return l.addWeight(g, weight, pos)
}

func (l *limiter) addWeight(g *group, weight, pos int) error {
	if g.weight += weight; g.weight > maxRelations {
		return l.errorAt(pos, "the statement has more than %d relations with its views and CTEs written out", maxRelations)
	}
	if g.block > maxBlockRelations {
		return l.errorAt(pos, "more than %d relations and subqueries in one SELECT", maxBlockRelations)
	}
	return nil
}

// pop closes a group and counts it in the one around it.
func (l *limiter) pop(pos int) error {
	g := &l.groups[len(l.groups)-1]
	if err := l.check(g, pos); err != nil {
		return err
	}
	l.groups = l.groups[:len(l.groups)-1]
	parent := &l.groups[len(l.groups)-1]
	parent.innerOps = max(parent.innerOps, g.maxOps)
	parent.innerArrows = max(parent.innerArrows, g.maxArrows)
	switch {
	case g.cte != "":
		l.ctes[g.cte] = max(l.ctes[g.cte], g.weight, 1)
		return nil
	case g.selects:
		parent.block++
	default: // a join in parentheses, or an expression
		parent.block += g.block
	}
	return l.addWeight(parent, g.weight, pos)
}

func (l *limiter) check(g *group, pos int) error {
	g.endExpr()
	if g.maxArrows > maxArrowChain {
		return l.errorAt(pos, "more than %d of ->, ->> and lambdas in one expression; write one path: value->>'$.a.b.c'", maxArrowChain)
	}
	if g.maxOps > maxOperatorChain {
		return l.errorAt(pos, "more than %d operators in one expression", maxOperatorChain)
	}
	return nil
}
