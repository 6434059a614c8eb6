package sql

import "strings"

// isQuery reports whether a query of DuckDB's dialect begins here.
func (p *parser) isQuery() bool {
	return p.isPunct("(") || p.is("SELECT", "WITH", "VALUES", "FROM", "TABLE", "PIVOT", "UNPIVOT", "SUMMARIZE",
		"PIVOT_WIDER", "PIVOT_LONGER")
}

// query takes a query up to the end of the statement.
func (p *parser) query() Text { return p.queryUntil(0) }

// queryUntil takes a query up to one of the stops. It looks for what users of other systems write at
// the end of one, to say where it goes instead.
func (p *parser) queryUntil(s stops) Text {
	if !p.isQuery() {
		p.unexpected("a query", "SELECT", "WITH", "VALUES", "FROM", "TABLE")
		return Text{}
	}
	t := p.fragment("a query", s|stopWith)
	switch {
	case p.err != nil:
	case p.is("WITH") && p.nextIs("("):
		p.unexpected("").hint("WITH (…) stands before AS or, in SUBSCRIBE, behind the parentheses around the query.")
	default:
		p.emitClause(t)
	}
	return t
}

// emitClause refuses EMIT CHANGES and EMIT FINAL at the end of a query, where DuckDB would take EMIT
// for an alias.
func (p *parser) emitClause(t Text) {
	i := len(t.SQL)
	for i > 0 && wordStart(t.SQL[i-1]) {
		i--
	}
	if w := t.SQL[i:]; !fold(w, "CHANGES") && !fold(w, "FINAL") {
		return
	}
	head := strings.TrimRight(t.SQL[:i], " \t\n\r")
	j := len(head) - len("EMIT")
	if j < 1 || len(head) == i || !fold(head[j:], "EMIT") || wordStart(head[j-1]) || digit(head[j-1]) {
		return
	}
	p.fail(t.Pos+j, codeSyntax, "syntax error at or near \"EMIT\"").
		hint("A materialized view is always kept up to date; for one final row per window write WITH (emit = 'final') before AS, for changes SUBSCRIBE.")
}

// with parses a statement that begins with WITH: a query, or DML behind common table expressions.
func (p *parser) with() Statement {
	t := p.fragment("a query", stopVerb|stopWith)
	switch {
	case p.err != nil:
		return nil
	case p.is("WITH"):
		p.unexpected("")
		return nil
	case p.is("INSERT"):
		return p.insert(&t)
	case p.is("UPDATE"):
		return p.update(&t)
	case p.is("DELETE"):
		return p.delete(&t)
	case p.is("MERGE"):
		return p.merge(&t)
	}
	return &Select{Text: t}
}
