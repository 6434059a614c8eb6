package sql

import (
	"iter"
	"math"
)

// Insert is INSERT. Exactly one of Query and DefaultValues says where the rows come from.
type Insert struct {
	// With is the WITH clause in front of INSERT, nil if there is none. Its names may be used in Query:
	// planned is With.SQL + " " + Query.SQL.
	With *Text
	// OrReplace and OrIgnore are INSERT OR REPLACE and INSERT OR IGNORE.
	OrReplace, OrIgnore bool
	Target              Name
	Alias               Ident // empty without
	// Columns are the columns that are given; empty for all in their order.
	Columns []Ident
	// ByName is INSERT … BY NAME: the columns of the query are matched by name.
	ByName bool
	// Query is the source of the rows, empty for DEFAULT VALUES.
	Query Text
	// Values are the rows of Query if it is a plain list of VALUES, else nil. DEFAULT may stand for a value.
	Values        *Values
	DefaultValues bool
	OnConflict    *OnConflict
	// Returning is the list behind RETURNING, nil without.
	Returning *Text
}

// OnConflict says what becomes of a row whose key is there already.
type OnConflict struct {
	// Columns are those of the conflict; empty for the primary key.
	Columns []Ident
	// DoNothing ignores the row; otherwise Set changes the row that is there, if Where holds.
	DoNothing bool
	Set       []Assignment
	Where     *Text
}

// Values are the rows of a VALUES list. It keeps offsets only, for a statement may have millions.
type Values struct {
	text  string
	spans []uint32 // begin and end of each value
	rows  []uint32 // for each row, the index in spans behind its last value
}

// Len is the number of rows.
func (v *Values) Len() int { return len(v.rows) }

// Width is the number of values of row i.
func (v *Values) Width(i int) int { return (int(v.rows[i]) - v.first(i)) / 2 }

// At returns value j of row i.
func (v *Values) At(i, j int) Text {
	k := v.first(i) + 2*j
	return Text{SQL: v.text[v.spans[k]:v.spans[k+1]], Pos: int(v.spans[k])}
}

// Row returns the values of row i in a new slice.
func (v *Values) Row(i int) []Text {
	row := make([]Text, v.Width(i))
	for j := range row {
		row[j] = v.At(i, j)
	}
	return row
}

// All iterates over the rows. The slice is valid until the next row.
func (v *Values) All() iter.Seq2[int, []Text] {
	return func(yield func(int, []Text) bool) {
		var row []Text
		for i := range v.rows {
			row = row[:0]
			for j := range v.Width(i) {
				row = append(row, v.At(i, j))
			}
			if !yield(i, row) {
				return
			}
		}
	}
}

// first is the index in spans of the first value of row i.
func (v *Values) first(i int) int {
	if i == 0 {
		return 0
	}
	return int(v.rows[i-1])
}

func (p *parser) insert(with *Text) Statement {
	p.advance()
	s := &Insert{With: with}
	if p.accept("OR") {
		s.OrReplace = p.is("REPLACE")
		s.OrIgnore = p.is("IGNORE")
		p.expect("REPLACE", "IGNORE")
	}
	p.expect("INTO")
	s.Target = p.name("the name of a stream or table")
	if p.accept("AS") {
		s.Alias = p.ident("an alias")
	}
	if p.isPunct("(") && !p.queryInParens() {
		s.Columns = p.idents("a column")
		p.distinct(s.Columns)
	}
	if p.accept("BY") {
		s.ByName = p.is("NAME")
		p.expect("NAME", "POSITION")
	}
	p.insertSource(s)
	if pos := p.tok.start; p.accept("ON", "CONFLICT") {
		if s.OrReplace || s.OrIgnore {
			p.fail(pos, codeSyntax, "INSERT OR … and ON CONFLICT exclude one another").hint("Keep the one you mean.")
		}
		s.OnConflict = p.onConflict()
	}
	s.Returning = p.returning()
	return s
}

// queryInParens reports whether the parenthesis here opens a query rather than a list of names.
func (p *parser) queryInParens() bool {
	a := p.ahead()
	a.advance()
	if a.is("VALUES") {
		return a.nextIs("(")
	}
	return a.isQuery()
}

// insertSource takes where the rows come from.
func (p *parser) insertSource(s *Insert) {
	switch {
	case p.is("DEFAULT") && p.isToken(p.peek(), "VALUES"):
		p.advance()
		p.advance()
		s.DefaultValues = true
	case p.is("VALUES"):
		before := *p
		if s.Query, s.Values = p.values(); s.Values != nil || p.err != nil {
			return
		}
		*p = before
		s.Query = p.queryUntil(stopConflict | stopReturning)
	case p.isQuery():
		pos := p.tok.start
		if s.With != nil && p.is("WITH") {
			p.refuse(pos, "two WITH clauses in an INSERT are not available", "Write all of them in one WITH clause.")
		}
		s.Query = p.queryUntil(stopConflict | stopReturning)
	default:
		p.unexpected("VALUES, DEFAULT VALUES or a query", "VALUES", "DEFAULT", "SELECT", "WITH", "FROM", "TABLE")
	}
}

// values takes a list of VALUES. It returns nil values if a query goes on behind the list.
func (p *parser) values() (Text, *Values) {
	start := p.tok.start
	v := &Values{text: p.text}
	p.advance()
	for p.err == nil {
		p.expectPunct("(")
		for p.err == nil {
			t := p.fragment("a value", stopComma|stopClose|expression)
			if uint64(t.End()) > math.MaxUint32 {
				p.fail(t.Pos, codeTooLarge, "statement too large")
			}
			v.spans = append(v.spans, uint32(t.Pos), uint32(t.End()))
			if !p.acceptPunct(",") {
				break
			}
		}
		p.expectPunct(")")
		v.rows = append(v.rows, uint32(len(v.spans)))
		if !p.isPunct(",") {
			break
		}
		p.advance()
	}
	if p.isPunct("(") {
		p.unexpected("").hint("Is a comma missing in front of it?")
	}
	if !p.atEnd() && !p.is("ON", "RETURNING") {
		return Text{}, nil
	}
	return p.textFrom(start), v
}

func (p *parser) onConflict() *OnConflict {
	c := &OnConflict{}
	if p.is("ON") {
		p.refuse(p.tok.start, "ON CONFLICT ON CONSTRAINT is not available", "Name the columns: ON CONFLICT (id).")
	}
	if p.isPunct("(") {
		c.Columns = p.idents("a column")
		p.distinct(c.Columns)
	}
	if p.is("WHERE") {
		p.refuse(p.tok.start, "a condition on the columns of ON CONFLICT is not available", "Write WHERE behind DO UPDATE SET ….")
	}
	p.expect("DO")
	if p.accept("NOTHING") {
		c.DoNothing = true
		return c
	}
	p.expect("UPDATE", "NOTHING")
	p.expect("SET")
	c.Set = p.assignments()
	c.Where = p.where()
	return c
}
