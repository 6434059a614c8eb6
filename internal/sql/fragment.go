package sql

import "strings"

// stops says where a fragment ends, besides the end of the statement, and what it may not hold. Words
// count outside of brackets only.
type stops uint16

const (
	stopComma     stops = 1 << iota
	stopClose           // a closing bracket that the fragment did not open
	stopFrom            // FROM, but not in IS DISTINCT FROM
	stopWhere           // WHERE
	stopReturning       // RETURNING
	stopConflict        // ON CONFLICT
	stopWith            // WITH (
	stopData            // WITH DATA, WITH NO DATA
	stopColumn          // what may follow an expression in the definition of a column
	stopPer             // PER, behind the expression of a watermark
	stopVerb            // the DML verb behind a WITH clause
	stopWhen            // WHEN and THEN, but not those of a CASE
	expression          // the fragment is an expression: words that begin a clause are errors
)

// fragment takes tokens up to one of the stops. It checks that brackets match and nothing else.
func (p *parser) fragment(what string, s stops) Text {
	start, before := p.tok, token{}
	p.open, p.opens, p.cases = p.open[:0], p.opens[:0], 0
	for p.tok.kind != eof {
		if len(p.open) == 0 && p.stop(before, s) {
			break
		}
		p.countCase(before)
		if p.isPunct(";") {
			break
		}
		if !p.bracket() {
			return Text{}
		}
		before = p.tok
		p.advance()
	}
	if p.err != nil {
		return Text{}
	}
	if n := len(p.open); n > 0 {
		p.fail(p.opens[n-1], codeSyntax, "%q is never closed", p.open[n-1:])
		return Text{}
	}
	if before == (token{}) {
		p.unexpected(what)
		return Text{}
	}
	t := p.textFrom(start.start)
	if len(t.SQL) > maxStatement && before != start {
		p.fail(start.start, codeTooLarge, "%d bytes of %s are too many: at most %d", len(t.SQL), what, maxStatement)
	}
	return t
}

// countCase keeps account of CASE … END at the current token, before being the token ahead of it.
func (p *parser) countCase(before token) {
	switch {
	case before.kind == punct && p.text[before.start] == '.', p.isToken(before, "AS"):
	case p.is("CASE"):
		p.cases++
	case p.is("END"):
		p.cases--
	}
}

// bracket keeps account of the brackets at the current token; it fails where they do not match.
func (p *parser) bracket() bool {
	if p.tok.kind != punct {
		return true
	}
	switch c := p.text[p.tok.start]; c {
	case '(', '[', '{':
		if len(p.open) == maxDepth {
			p.fail(p.tok.start, codeTooComplex, "brackets are nested too deep: at most %d", maxDepth)
			return false
		}
		p.open, p.opens = append(p.open, c), append(p.opens, p.tok.start)
	case ')', ']', '}':
		n := len(p.open)
		if n == 0 || closing(p.open[n-1]) != c {
			p.unexpected("")
			return false
		}
		p.open, p.opens = p.open[:n-1], p.opens[:n-1]
	}
	return true
}

func closing(open byte) byte {
	switch open {
	case '(':
		return ')'
	case '[':
		return ']'
	}
	return '}'
}

// stop reports whether a fragment ends at the current token, before being the token ahead of it in the
// fragment, if any. It fails for a word that an expression cannot hold.
func (p *parser) stop(before token, s stops) bool {
	switch p.tok.kind {
	case punct:
		c := p.text[p.tok.start]
		return (s&stopComma != 0 && c == ',') || (s&stopClose != 0 && (c == ')' || c == ']' || c == '}'))
	case word:
		// Behind a dot or AS every word is a name.
		if p.isToken(before, "AS") || (before.kind == punct && p.text[before.start] == '.') {
			return false
		}
		return len(p.word()) <= longestKeyword && (p.stopWord(before, s) || (s&expression != 0 && p.clause(before)))
	}
	return false
}

func (p *parser) stopWord(before token, s stops) bool {
	first := before == (token{})
	switch lower(p.text[p.tok.start]) {
	case 'f':
		return s&stopFrom != 0 && p.is("FROM") && !p.isToken(before, "DISTINCT")
	case 'w':
		if p.is("WHERE") {
			return s&stopWhere != 0
		}
		if p.is("WHEN") {
			return s&stopWhen != 0 && p.cases <= 0
		}
		if s&(stopWith|stopData) == 0 || first || !p.is("WITH") {
			return false
		}
		next := p.peek()
		return (s&stopWith != 0 && p.nextIs("(")) || (s&stopData != 0 && p.isToken(next, "DATA", "NO"))
	case 't':
		return s&stopWhen != 0 && p.cases <= 0 && p.is("THEN")
	case 'r':
		if p.is("RETURNING") {
			return s&stopReturning != 0
		}
	case 'p':
		if s&stopPer != 0 && !first && p.is("PER") {
			return true
		}
	case 'o':
		return s&stopConflict != 0 && p.is("ON") && p.isToken(p.peek(), "CONFLICT")
	case 'i', 'u', 'd', 'm':
		if s&stopVerb != 0 && before.kind == punct && p.text[before.start] == ')' {
			return p.is("INSERT", "UPDATE", "DELETE", "MERGE")
		}
	}
	return s&stopColumn != 0 && !first && p.columnWord(before)
}

// columnWord reports whether the current word can only be the next constraint of a column.
func (p *parser) columnWord(before token) bool {
	switch {
	case p.is("NOT"):
		return !p.isToken(before, "IS") && p.isToken(p.peek(), "NULL")
	case p.is("NULL"):
		// Behind an operand; behind IS, THEN or an operator it is an operand itself.
		operand := before.kind != op && before.kind != punct && !reserved(p.text[before.start:before.end])
		return operand || p.isToken(before, "NULL", "TRUE", "FALSE", "END") ||
			(before.kind == punct && strings.IndexByte(")]}", p.text[before.start]) >= 0)
	}
	return p.is("PRIMARY", "CHECK", "UNIQUE", "REFERENCES", "CONSTRAINT", "GENERATED", "DEFAULT")
}

// clause fails at a word that begins a clause, which no expression can hold outside of brackets.
func (p *parser) clause(before token) bool {
	if p.is("FROM") && p.isToken(before, "DISTINCT") {
		return false
	}
	if !p.is("SELECT", "FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "HAVING", "UNION", "INTERSECT", "EXCEPT",
		"WINDOW", "QUALIFY", "RETURNING", "USING", "INTO", "FETCH", "AS", "ON") {
		return false
	}
	p.unexpected("")
	return true
}

// skipGroup takes a bracket and everything up to the one that closes it.
func (p *parser) skipGroup() {
	p.open, p.opens = p.open[:0], p.opens[:0]
	for p.bracket() {
		p.advance()
		if len(p.open) == 0 {
			return
		}
		if p.tok.kind == eof || p.isPunct(";") {
			p.fail(p.opens[0], codeSyntax, "%q is never closed", p.open[:1])
			return
		}
	}
}
