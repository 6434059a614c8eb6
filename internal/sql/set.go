package sql

import "strings"

// Scope is how long a setting lasts.
type Scope uint8

// The scopes: the session, also if none is written; the transaction; all sessions.
const (
	SessionScope Scope = iota
	LocalScope
	GlobalScope
)

// Set is SET name = value, SET TIME ZONE, SET NAMES and the like.
type Set struct {
	Scope Scope
	// Name is in lower case.
	Name string
	// Pos is the byte offset of the name.
	Pos int
	// Values are what it is set to, at least one unless Default is set. A word keeps its case.
	Values []string
	// Default is SET name TO DEFAULT.
	Default bool
}

// Reset is RESET name, or RESET ALL.
type Reset struct {
	Name string
	All  bool
}

// Discard is DISCARD.
type Discard struct {
	// What is all, plans, temp or sequences.
	What string
}

// Unlisten is UNLISTEN, which clients send to clean up a connection. There is nothing to do.
type Unlisten struct{}

// Prepare is PREPARE.
type Prepare struct {
	Name Ident
	// Types are those of the parameters, as far as they are given.
	Types     []Text
	Statement Statement
	// Text is the statement as it was written.
	Text Text
}

// Execute is EXECUTE.
type Execute struct {
	Name Ident
	Args []Text
}

// Deallocate is DEALLOCATE: of one prepared statement, or of all.
type Deallocate struct {
	Name Ident
	All  bool
}

func (p *parser) set() Statement {
	p.advance()
	if p.accept("SESSION", "CHARACTERISTICS") {
		p.expect("AS")
		p.expect("TRANSACTION")
		return &SetTransaction{Session: true, Modes: p.txModes()}
	}
	if p.is("TRANSACTION") && !p.nextIs("=") && !p.isToken(p.peek(), "TO") {
		p.advance()
		return &SetTransaction{Modes: p.txModes()}
	}
	s := &Set{Pos: p.tok.start}
	if !p.nextIs("=") && !p.nextIs(".") && !p.isToken(p.peek(), "TO") {
		s.Scope = p.scope()
		s.Pos = p.tok.start
		if p.setWords(s) {
			return s
		}
	}
	s.Name = p.setting()
	if !p.acceptPunct("=") {
		if !p.is("TO") {
			p.unexpected(`"=" or TO`)
		}
		p.advance()
	}
	p.setValues(s)
	return s
}

func (p *parser) scope() Scope {
	switch {
	case p.is("SESSION") && !p.isToken(p.peek(), "AUTHORIZATION"):
		p.advance()
	case p.accept("LOCAL"):
		return LocalScope
	case p.accept("GLOBAL"):
		return GlobalScope
	}
	return SessionScope
}

// setWords takes the forms of SET that have no equals sign.
func (p *parser) setWords(s *Set) bool {
	switch {
	case p.accept("TIME", "ZONE"):
		s.Name = "timezone"
		if p.accept("LOCAL") {
			s.Default = true
			return true
		}
	case p.accept("NAMES"):
		s.Name = "client_encoding"
	case p.accept("SCHEMA"):
		s.Name = "search_path"
	case p.accept("ROLE"):
		s.Name = "role"
	case p.accept("SESSION", "AUTHORIZATION"):
		s.Name = "session_authorization"
	case p.is("VARIABLE") && p.isName(p.peek()):
		p.refuse(p.tok.start, "variables are not available", "Write the value itself, or use a parameter: $1.")
	default:
		return false
	}
	p.setValues(s)
	return true
}

// setValues takes DEFAULT or one or more values.
func (p *parser) setValues(s *Set) {
	if p.accept("DEFAULT") {
		s.Default = true
		return
	}
	for p.err == nil {
		if len(s.Values) == maxItems {
			p.fail(p.tok.start, codeTooManyItems, "list too long: more than %d members", maxItems)
			return
		}
		s.Values = append(s.Values, p.setValue())
		if !p.acceptPunct(",") {
			return
		}
	}
}

func (p *parser) setValue() string {
	switch {
	case p.tok.kind == str:
		return p.stringLiteral("a value")
	case p.tok.kind == number || p.isPunct("-") || p.isPunct("+"):
		return p.plainNumber()
	case p.is("INTERVAL") && p.peek().kind == str:
		v := p.interval()
		if p.accept("TO") {
			p.expect(intervalUnits()...)
		}
		return v
	case p.tok.kind == word || p.tok.kind == quoted:
		return p.dotted("a value")
	case p.tok.kind == param:
		p.fail(p.tok.start, codeUnsupported, "a parameter cannot be the value of a setting").
			hint("Write the value itself.")
		return ""
	}
	p.unexpected("a value")
	return ""
}

func (p *parser) reset() Statement {
	p.advance()
	if p.accept("ALL") {
		return &Reset{All: true}
	}
	p.scope()
	return &Reset{Name: p.setting()}
}

func (p *parser) discard() Statement {
	p.advance()
	what := Normalize(p.word())
	p.expect("ALL", "PLANS", "TEMP", "TEMPORARY", "SEQUENCES")
	if what == "temporary" {
		what = "temp"
	}
	return &Discard{What: what}
}

func (p *parser) unlisten() Statement {
	p.advance()
	if !p.acceptPunct("*") {
		p.ident("a channel")
	}
	return &Unlisten{}
}

func (p *parser) prepare() Statement {
	pos := p.tok.start
	p.advance()
	if p.is("TRANSACTION") && p.peek().kind == str {
		p.refuse(pos, "two-phase commit is not available", "Use COMMIT.")
		return nil
	}
	s := &Prepare{Name: p.ident("the name of the prepared statement")}
	if p.isPunct("(") {
		p.list(false, func() { s.Types = append(s.Types, p.dataType("")) })
	}
	p.expect("AS")
	start := p.tok.start
	if !p.isQuery() && !p.is("INSERT", "UPDATE", "DELETE", "MERGE", "SUBSCRIBE") {
		p.unexpected("SELECT, INSERT, UPDATE, DELETE or SUBSCRIBE", "SELECT", "WITH", "VALUES", "FROM", "INSERT",
			"UPDATE", "DELETE", "SUBSCRIBE")
		return s
	}
	s.Statement = p.statement()
	s.Text = p.textFrom(start)
	return s
}

func (p *parser) execute() Statement {
	p.advance()
	s := &Execute{Name: p.ident("the name of a prepared statement")}
	if p.isPunct("(") && !p.nextIs(")") {
		p.list(false, func() { s.Args = append(s.Args, p.fragment("an expression", stopComma|stopClose|expression)) })
	} else if p.acceptPunct("(") {
		p.expectPunct(")")
	}
	return s
}

func (p *parser) deallocate() Statement {
	p.advance()
	if p.is("PREPARE") && !p.peekEnds() {
		p.advance()
	}
	if p.accept("ALL") {
		return &Deallocate{All: true}
	}
	return &Deallocate{Name: p.ident("the name of a prepared statement, or ALL")}
}

// peekEnds reports whether the statement ends behind the current token.
func (p *parser) peekEnds() bool {
	next := p.peek()
	return next.kind == eof || (next.kind == punct && strings.HasPrefix(p.text[next.start:], ";"))
}
