package sql

// Subscribe is SUBSCRIBE: a live query. It is of a relation, Target, with an optional condition, or of a Query.
type Subscribe struct {
	Target Name
	Query  *Text
	// Where is the condition, nil if there is none.
	Where *Text
	// Equal is the condition if it is nothing but column = literal terms joined by AND, else nil.
	Equal   []Equality
	Options Options
}

// Equality is the term column = literal.
type Equality struct {
	Column Ident
	// Value is a literal that ParseLiteral recognises, never NULL.
	Value Text
}

// subscribe parses SUBSCRIBE; in parentheses it ends at the one that closes them.
func (p *parser) subscribe(parens bool) *Subscribe {
	p.advance()
	p.accept("TO")
	s := &Subscribe{}
	if p.isPunct("(") {
		p.advance()
		q := p.queryUntil(stopClose)
		s.Query = &q
		p.expectPunct(")")
		if p.is("WHERE") {
			p.unexpected("").hint("Write the condition inside the query.")
		}
	} else {
		if p.isQuery() {
			p.unexpected("the name of a view or table").hint("Put a query in parentheses: SUBSCRIBE TO (SELECT …).")
		}
		s.Target = p.name("the name of a view or table, or a query in parentheses")
		p.subscribeWhere(s, parens)
	}
	s.Options = p.withOptions()
	if p.err == nil && !p.atEnd() && !(parens && p.isPunct(")")) {
		p.unexpected("WHERE, WITH or the end of the statement", "WHERE", "WITH")
	}
	return s
}

func (p *parser) subscribeWhere(s *Subscribe, parens bool) {
	if !p.accept("WHERE") {
		return
	}
	end := stopWith | expression
	if parens {
		end |= stopClose
	}
	t := p.fragment("a condition", end)
	if p.err != nil {
		return
	}
	s.Where = &t
	a := &parser{text: p.text[:t.End()], lex: lexer{text: p.text[:t.End()], pos: t.Pos}}
	a.advance()
	if terms, ok := a.conjunction(s.Target, nil); ok && a.tok.kind == eof {
		s.Equal = terms
	}
}

// conjunction takes terms joined by AND. Where it reports false the condition is another one.
func (p *parser) conjunction(relation Name, terms []Equality) ([]Equality, bool) {
	for {
		ok := false
		if p.isPunct("(") {
			p.advance()
			if terms, ok = p.conjunction(relation, terms); !ok || !p.acceptPunct(")") {
				return nil, false
			}
		} else {
			var e Equality
			if e, ok = p.equality(relation); !ok {
				return nil, false
			}
			terms = append(terms, e)
		}
		if !p.accept("AND") {
			return terms, p.err == nil
		}
	}
}

// equality takes column = literal or literal = column.
func (p *parser) equality(relation Name) (Equality, bool) {
	e, ok := p.equalColumn(relation)
	first := ok
	if !ok {
		if e.Value, ok = p.equalValue(); !ok {
			return e, false
		}
	}
	if !p.acceptPunct("=") && !p.acceptPunct("==") {
		return e, false
	}
	if first {
		e.Value, ok = p.equalValue()
		return e, ok
	}
	c, ok := p.equalColumn(relation)
	e.Column = c.Column
	return e, ok
}

// equalColumn takes the name of a column, which may be qualified by the relation's.
func (p *parser) equalColumn(relation Name) (Equality, bool) {
	if next := p.peek(); !p.isName(p.tok) || next.kind == str || next.kind == number {
		return Equality{}, false
	}
	id := p.ident("")
	if p.isPunct(".") {
		p.advance()
		if !fold(id.Name, relation.Name) || (p.tok.kind != word && p.tok.kind != quoted) {
			return Equality{}, false
		}
		id = p.part("a column")
	}
	return Equality{Column: id}, p.err == nil
}

func (p *parser) equalValue() (Text, bool) {
	start := p.tok.start
	l, ok := p.literal()
	if !ok || l.Kind == NullValue {
		return Text{}, false
	}
	return p.textFrom(start), p.err == nil
}
