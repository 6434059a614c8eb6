package sql

// Update is UPDATE.
type Update struct {
	// With is the WITH clause in front, nil if there is none.
	With   *Text
	Target Name
	Alias  Ident // empty without
	Set    []Assignment
	// From is the list behind FROM, Where the condition, Returning the list; nil without.
	From, Where, Returning *Text
}

// Assignment sets a column to an expression, which may be DEFAULT. (a, b) = (x, y) is two assignments; only
// (a, b) = (SELECT …) has several columns.
type Assignment struct {
	Columns []Ident
	Value   Text
}

// Delete is DELETE.
type Delete struct {
	// With is the WITH clause in front, nil if there is none.
	With   *Text
	Target Name
	Alias  Ident // empty without
	// Using is the list behind USING, Where the condition, Returning the list; nil without.
	Using, Where, Returning *Text
}

// Truncate is TRUNCATE: it deletes all rows.
type Truncate struct{ Target Name }

func (p *parser) update(with *Text) Statement {
	p.advance()
	s := &Update{With: with, Target: p.name("the name of a table")}
	if p.accept("AS") || (p.isName(p.tok) && !p.is("SET")) {
		s.Alias = p.ident("an alias")
	}
	if !p.is("SET") {
		p.afterAlias("SET", s.Alias, "SET")
	}
	p.advance()
	s.Set = p.assignments()
	if p.accept("FROM") {
		t := p.fragment("a relation", stopWhere|stopReturning)
		s.From = &t
	}
	s.Where = p.where()
	s.Returning = p.returning()
	return s
}

func (p *parser) delete(with *Text) Statement {
	p.advance()
	p.expect("FROM")
	s := &Delete{With: with, Target: p.name("the name of a table")}
	if p.accept("AS") || p.isName(p.tok) {
		s.Alias = p.ident("an alias")
	}
	if p.accept("USING") {
		t := p.fragment("a relation", stopWhere|stopReturning)
		s.Using = &t
	}
	s.Where = p.where()
	s.Returning = p.returning()
	if !p.atEnd() {
		p.afterAlias("USING, WHERE, RETURNING or the end of the statement", s.Alias, "USING", "WHERE", "RETURNING")
	}
	return s
}

// afterAlias fails where a keyword is missing behind an alias, which may be that keyword, misspelt.
func (p *parser) afterAlias(expected string, alias Ident, keywords ...string) {
	e := p.unexpected(expected, keywords...)
	if c := closest(alias.Name, keywords); c != "" {
		e.suggest("Did you mean " + c + " instead of " + alias.Name + "?")
	}
}

func (p *parser) truncate() Statement {
	p.advance()
	p.accept("TABLE")
	s := &Truncate{Target: p.name("the name of a table")}
	if p.isPunct(",") {
		p.refuse(p.tok.start, "TRUNCATE of several tables is not available", "Write one TRUNCATE per table; BEGIN … COMMIT makes them one change.")
	}
	return s
}

// where takes a WHERE clause if it stands here.
func (p *parser) where() *Text {
	if !p.accept("WHERE") {
		return nil
	}
	t := p.fragment("a condition", stopReturning|expression)
	return &t
}

// returning takes a RETURNING clause if it stands here.
func (p *parser) returning() *Text {
	if !p.accept("RETURNING") {
		return nil
	}
	t := p.fragment("an expression", 0)
	return &t
}

// assignments takes the list behind SET.
func (p *parser) assignments() []Assignment {
	var list []Assignment
	var targets []Ident
	for p.err == nil {
		if len(list) >= maxItems {
			p.fail(p.tok.start, codeTooManyItems, "list too long: more than %d members", maxItems)
		}
		var columns []Ident
		if p.isPunct("(") {
			columns = p.idents("a column")
		} else {
			columns = []Ident{p.assigned()}
		}
		targets = append(targets, columns...)
		if !p.isPunct("=") {
			p.unexpected(`"="`)
			break
		}
		p.advance()
		list = p.assign(list, columns)
		if !p.acceptPunct(",") {
			break
		}
	}
	p.distinct(targets)
	return list
}

// assigned takes the name of one column that is set.
func (p *parser) assigned() Ident {
	id := p.ident("a column")
	if p.isPunct(".") || p.isPunct("[") {
		p.refuse(p.tok.start, "only a whole column can be set",
			"Write the bare name of the column; to change a part of a STRUCT or LIST, set the column to the changed value.")
	}
	return id
}

// assign takes the value of the columns and appends the assignments it makes.
func (p *parser) assign(list []Assignment, columns []Ident) []Assignment {
	end := stopComma | stopFrom | stopWhere | stopReturning | stopWhen | expression
	if len(columns) == 1 {
		return append(list, Assignment{Columns: columns, Value: p.fragment("an expression", end)})
	}
	pos := p.tok.start
	row := p.is("ROW") && p.nextIs("(")
	if !row && !p.isPunct("(") {
		p.unexpected("a row").hint("Several columns are set by a row of as many values: (a, b) = (1, 2).")
		return list
	}
	if !row && p.queryInParens() {
		return append(list, Assignment{Columns: columns, Value: p.fragment("a query", end)})
	}
	if row {
		p.advance()
	}
	var values []Text
	p.list(false, func() { values = append(values, p.fragment("an expression", stopComma|stopClose|expression)) })
	if p.err == nil && len(values) != len(columns) {
		p.fail(pos, codeSyntax, "number of columns does not match number of values").
			detail("There are %d columns and %d values.", len(columns), len(values))
	}
	if p.err != nil {
		return list
	}
	for i := range columns {
		list = append(list, Assignment{Columns: columns[i : i+1], Value: values[i]})
	}
	return list
}
