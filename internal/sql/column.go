package sql

import "strings"

// ColumnDef is a column of a stream or table.
type ColumnDef struct {
	Name string
	Pos  int
	// Type is DuckDB's to read; empty in a CREATE TABLE … AS, which has names only.
	Type    Text
	NotNull bool
	// Default is nil if there is none.
	Default *Text
}

// Watermark declares the event time of a stream: how far it has come is Expr for the latest Column.
type Watermark struct {
	Column Ident
	Expr   Text
	// Per are the columns each of whose values has a watermark of its own, nil for one watermark per partition.
	Per []Ident
}

// definition is what stands between the parentheses of CREATE STREAM and CREATE TABLE.
type definition struct {
	kind      Kind
	columns   []ColumnDef
	watermark *Watermark
	key       []Ident
	keyPos    int // of the first PRIMARY KEY, -1 without
}

// definition takes the columns and clauses of a stream or table.
func (p *parser) definition(k Kind) definition {
	d := definition{kind: k, keyPos: -1}
	if p.isPunct("(") && p.nextIs(")") {
		p.fail(p.tok.start, codeBadDefinition, "a %s has at least one column", strings.ToLower(k.String()))
		return d
	}
	p.list(true, func() { p.element(&d) })
	if p.err == nil {
		p.checkDefinition(&d)
	}
	return d
}

// element takes a column or a clause about columns.
func (p *parser) element(d *definition) {
	switch {
	case p.is("WATERMARK") && p.isToken(p.peek(), "FOR"):
		p.watermark(d)
		return
	case p.is("CONSTRAINT"):
		p.advance()
		p.ident("the name of the constraint")
	}
	switch {
	case p.is("PRIMARY"):
		pos := p.tok.start
		p.advance()
		p.expect("KEY")
		p.primaryKey(d, pos, p.idents("a column"))
	case p.is("UNIQUE", "CHECK", "FOREIGN", "REFERENCES") || (p.is("EXCLUDE") && p.nextIs("(")):
		p.refuseConstraint()
	case p.is("LIKE"):
		p.refuse(p.tok.start, "LIKE in a list of columns is not available", "List the columns; DESCRIBE shows those of the other relation.")
	default:
		p.column(d)
	}
}

func (p *parser) watermark(d *definition) {
	pos := p.tok.start
	p.advance()
	p.advance()
	w := &Watermark{Column: p.ident("a column")}
	p.expect("AS")
	w.Expr = p.fragment("an expression", stopComma|stopClose|stopPer|expression)
	if p.accept("PER") {
		if p.isPunct("(") {
			w.Per = p.idents("a column")
		} else {
			w.Per = []Ident{p.ident("a column")}
		}
	}
	switch {
	case p.err != nil:
	case d.kind == KindTable:
		p.refuse(pos, "a table has no watermark", "Create a STREAM for events; a table holds the current row of each key.")
	case d.watermark != nil:
		p.fail(pos, codeBadDefinition, "a stream has one watermark").hint("Remove all but one WATERMARK clause.")
	default:
		d.watermark = w
	}
}

// primaryKey notes the key of a table.
func (p *parser) primaryKey(d *definition, pos int, columns []Ident) {
	switch {
	case p.err != nil:
	case d.kind == KindStream:
		p.refuse(pos, "a stream has no primary key",
			"Rows of a stream are never replaced. Create a TABLE for rows that are, or give a partition key by WITH (key = 'column').")
	case d.keyPos >= 0:
		p.fail(pos, codeBadDefinition, "multiple primary keys are not allowed").hint("A key of several columns is PRIMARY KEY (a, b).")
	default:
		d.key, d.keyPos = columns, pos
	}
}

// column takes the definition of one column.
func (p *parser) column(d *definition) {
	id := p.ident("a column")
	c := ColumnDef{Name: id.Name, Pos: id.Pos}
	if d.kind == KindTable && (p.isPunct(",") || p.isPunct(")")) {
		d.columns = append(d.columns, c) // if no query follows, the missing type is reported then
		return
	}
	c.Type = p.dataType(id.Name)
	for p.err == nil && !p.isPunct(",") && !p.isPunct(")") {
		p.columnConstraint(d, &c)
	}
	d.columns = append(d.columns, c)
}

func (p *parser) columnConstraint(d *definition, c *ColumnDef) {
	pos := p.tok.start
	switch {
	case p.accept("CONSTRAINT"):
		p.ident("the name of the constraint")
	case p.accept("NOT"):
		p.expect("NULL")
		c.NotNull = true
	case p.accept("NULL"):
		if c.NotNull {
			p.fail(pos, codeSyntax, "conflicting NULL and NOT NULL for column %q", c.Name)
		}
	case p.accept("DEFAULT"):
		t := p.fragment("an expression", stopComma|stopClose|stopColumn|expression)
		if c.Default != nil {
			p.fail(pos, codeSyntax, "multiple default values for column %q", c.Name)
		}
		c.Default = &t
	case p.accept("PRIMARY"):
		p.expect("KEY")
		p.primaryKey(d, pos, []Ident{{Name: c.Name, Pos: c.Pos}})
	case p.is("AS") && fold(c.Name, "WATERMARK"):
		p.unexpected("").hint("Write WATERMARK FOR column AS expression.")
	case p.is("CHECK", "UNIQUE", "REFERENCES", "GENERATED", "AS", "COLLATE", "USING"):
		p.refuseConstraint()
	default:
		near := p.tok.kind
		e := p.unexpected(`"," or ")"`, "NOT", "NULL", "DEFAULT", "PRIMARY")
		if e.Hint == "" && (near == word || near == quoted) {
			e.hint("Is a comma missing in front of it?")
		}
	}
}

func (p *parser) refuseConstraint() {
	hints := map[string][2]string{
		"CHECK":      {"CHECK constraints are not available", "Keep the rows and filter them in a view, or select those that break the rule in a materialized view."},
		"UNIQUE":     {"UNIQUE constraints are not available", "A table is unique by its PRIMARY KEY."},
		"FOREIGN":    {"foreign keys are not available", "Rows of several relations arrive in any order; find the orphans with a materialized view."},
		"REFERENCES": {"foreign keys are not available", "Rows of several relations arrive in any order; find the orphans with a materialized view."},
		"EXCLUDE":    {"EXCLUDE constraints are not available", "A table is unique by its PRIMARY KEY."},
		"GENERATED":  {"generated columns are not available", "Compute the column in a view."},
		"AS":         {"generated columns are not available", "Compute the column in a view."},
		"COLLATE":    {"collations of columns are not available", "Write COLLATE in the query that compares or sorts."},
		"USING":      {"the compression of a column cannot be chosen", "Leave USING COMPRESSION out."},
	}
	h := hints[strings.ToUpper(p.word())]
	p.refuse(p.tok.start, h[0], h[1])
}

// checkDefinition checks what can be known of a definition once it is complete.
func (p *parser) checkDefinition(d *definition) {
	ids := make([]Ident, len(d.columns))
	names := make(map[string]bool, len(d.columns))
	for i, c := range d.columns {
		ids[i] = Ident{Name: c.Name, Pos: c.Pos}
		names[Normalize(c.Name)] = true
	}
	p.distinct(ids)
	p.distinct(d.key)
	used := d.key
	if d.watermark != nil {
		used = append(used[:len(used):len(used)], d.watermark.Column)
	}
	for _, id := range used {
		if p.err == nil && !names[Normalize(id.Name)] {
			p.unknownColumn(id, ids)
		}
	}
	if len(d.columns) == 0 {
		p.fail(p.last, codeBadDefinition, "a %s has at least one column", strings.ToLower(d.kind.String()))
	}
}

func (p *parser) unknownColumn(id Ident, columns []Ident) {
	e := p.fail(id.Pos, codeUnknownColumn, "column %q does not exist", id.Name)
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	if c := closest(id.Name, names); c != "" {
		e.hint("Did you mean %s?", Quote(c))
	}
}

// dataType takes a type; column is the name of the column it belongs to, for messages.
func (p *parser) dataType(column string) Text {
	start := p.tok.start
	if p.tok.kind != quoted && (p.tok.kind != word || reserved(p.word())) {
		p.missingType(column)
		return Text{}
	}
	first, bare := p.word(), p.tok.kind == word
	p.advance()
	for p.acceptPunct(".") {
		p.part("a type")
		bare = false
	}
	if bare {
		p.typeWords(first)
	}
	if p.isPunct("(") {
		p.skipGroup()
	}
	if bare && (fold(first, "TIME") || fold(first, "TIMESTAMP")) && p.is("WITH", "WITHOUT") && p.isToken(p.peek(), "TIME") {
		p.advance()
		p.advance()
		p.expect("ZONE")
	}
	for p.isPunct("[") || p.is("ARRAY") {
		p.arraySuffix()
	}
	return p.textFrom(start)
}

func (p *parser) missingType(column string) {
	if column == "" {
		p.unexpected("a type")
		return
	}
	e := p.unexpected("the type of column " + Quote(column))
	e.hint("Write for example %s VARCHAR.", Quote(column))
}

// typeWords takes the further words of a type that has several.
func (p *parser) typeWords(first string) {
	switch {
	case fold(first, "DOUBLE"):
		p.accept("PRECISION")
	case fold(first, "NATIONAL"):
		p.expect("CHARACTER", "CHAR")
		p.accept("VARYING")
	case fold(first, "CHARACTER"), fold(first, "CHAR"), fold(first, "NCHAR"), fold(first, "BIT"):
		p.accept("VARYING")
	case fold(first, "INTERVAL"):
		if p.is(intervalUnits()...) {
			p.advance()
			if p.accept("TO") {
				p.expect(intervalUnits()...)
			}
		}
	}
}

// arraySuffix takes [], [3], ARRAY or ARRAY[3].
func (p *parser) arraySuffix() {
	if p.accept("ARRAY") && !p.isPunct("[") {
		return
	}
	p.expectPunct("[")
	if p.tok.kind == number {
		p.advance()
	}
	p.expectPunct("]")
}
