package sql

import (
	"strconv"
	"strings"
)

// Declare is DECLARE … CURSOR. Of Query and Subscribe one is set.
type Declare struct {
	Name Ident
	// Binary asks for values in binary format.
	Binary bool
	// Hold keeps the cursor open after the transaction.
	Hold      bool
	Query     *Text
	Subscribe *Subscribe
}

// FetchAll is the Count of FETCH ALL.
const FetchAll int64 = -1

// Fetch is FETCH: the next rows of a cursor.
type Fetch struct {
	Name Ident
	// Count is how many rows at most, FetchAll for all that there are.
	Count   int64
	Options Options
}

// Close is CLOSE: of one cursor, or of all.
type Close struct {
	Name Ident
	All  bool
}

func (p *parser) declare() Statement {
	p.advance()
	s := &Declare{Name: p.ident("the name of the cursor")}
	for p.err == nil && !p.is("CURSOR") {
		switch {
		case p.accept("BINARY"):
			s.Binary = true
		case p.accept("INSENSITIVE"), p.accept("ASENSITIVE"), p.accept("NO", "SCROLL"):
		case p.is("SCROLL"):
			p.refuse(p.tok.start, "a cursor that goes back is not available", "Leave SCROLL out and fetch forward.")
		default:
			p.unexpected("CURSOR", "CURSOR", "BINARY", "SCROLL")
		}
	}
	p.expect("CURSOR")
	if p.is("WITH", "WITHOUT") {
		s.Hold = p.is("WITH")
		p.advance()
		p.expect("HOLD")
	}
	p.expect("FOR")
	if p.is("SUBSCRIBE") {
		s.Subscribe = p.subscribe(false)
		return s
	}
	if !p.isQuery() {
		p.unexpected("a query or SUBSCRIBE", "SELECT", "WITH", "VALUES", "FROM", "TABLE", "SUBSCRIBE")
		return s
	}
	q := p.query()
	s.Query = &q
	return s
}

func (p *parser) fetch() Statement {
	p.advance()
	s := &Fetch{Count: 1}
	p.fetchCount(s)
	if !p.accept("FROM") {
		p.accept("IN")
	}
	s.Name = p.ident("the name of a cursor")
	s.Options = p.withOptions()
	return s
}

// fetchCount takes how many rows are fetched. A word that ends the statement is the name of the cursor.
func (p *parser) fetchCount(s *Fetch) {
	if next := p.peek(); next.kind == eof || (next.kind == punct && p.text[next.start] == ';') {
		return
	}
	pos := p.tok.start
	switch {
	case p.is("PRIOR", "BACKWARD", "FIRST", "LAST", "ABSOLUTE", "RELATIVE"):
		if p.isToken(p.peek(), "WITH") { // the name of a cursor
			return
		}
		p.refuse(pos, "FETCH "+strings.ToUpper(p.word())+" is not available", "A cursor goes forward: FETCH NEXT, FETCH FORWARD n or FETCH ALL.")
		return
	case p.accept("NEXT"):
		return
	case p.accept("ALL"):
		s.Count = FetchAll
		return
	case p.accept("FORWARD"):
		if p.accept("ALL") {
			s.Count = FetchAll
			return
		}
	}
	if p.tok.kind != number && !p.isPunct("-") && !p.isPunct("+") {
		return
	}
	v := p.plainNumber()
	n, err := strconv.ParseInt(v, 10, 64)
	switch {
	case p.err != nil:
	case err == nil && n < 0:
		p.refuse(pos, "FETCH backward is not available", "A cursor goes forward: FETCH NEXT, FETCH FORWARD n or FETCH ALL.")
	case err != nil:
		p.fail(pos, codeSyntax, "%q is not a number of rows", shorten(v))
	}
	s.Count = n
}

func (p *parser) closeCursor() Statement {
	p.advance()
	if p.accept("ALL") {
		return &Close{All: true}
	}
	return &Close{Name: p.ident("the name of a cursor")}
}
