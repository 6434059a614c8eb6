package sql

import "strings"

// Drop is DROP STREAM, TABLE, VIEW or MATERIALIZED VIEW.
type Drop struct {
	Kind     Kind
	IfExists bool
	Names    []Name
	// Cascade also drops what depends on them; without it that is refused.
	Cascade bool
}

// Comment is COMMENT ON.
type Comment struct {
	Kind Kind
	// Name is the relation, Column its column if Kind is Column.
	Name   Name
	Column Ident
	// Text is nil for NULL: the comment is removed.
	Text *string
}

// relationKind takes STREAM, TABLE, VIEW or MATERIALIZED VIEW; NoKind if none of them stands here.
func (p *parser) relationKind() Kind {
	switch {
	case p.accept("STREAM"):
		return KindStream
	case p.accept("TABLE"):
		return KindTable
	case p.accept("VIEW"):
		return KindView
	case p.accept("MATERIALIZED"):
		p.expect("VIEW")
		return KindMaterializedView
	}
	return NoKind
}

const relationKinds = "STREAM, TABLE, VIEW or MATERIALIZED VIEW"

func (p *parser) expectKind() Kind {
	k := p.relationKind()
	if k == NoKind {
		p.unexpected(relationKinds, "STREAM", "TABLE", "VIEW", "MATERIALIZED")
	}
	return k
}

func (p *parser) drop() Statement {
	start := p.tok.start
	p.advance()
	if p.accept("TYPE") {
		return p.dropType()
	}
	if p.refuseObject(start, "DROP") {
		return nil
	}
	s := &Drop{Kind: p.expectKind(), IfExists: p.accept("IF", "EXISTS")}
	s.Names = p.names("the name of a " + strings.ToLower(s.Kind.String()))
	if p.accept("CASCADE") {
		s.Cascade = true
	} else {
		p.accept("RESTRICT")
	}
	if p.err == nil && !p.atEnd() {
		p.unexpected(`",", CASCADE or the end of the statement`, "CASCADE", "RESTRICT")
	}
	return s
}

// names takes a list of names.
func (p *parser) names(what string) []Name {
	var names []Name
	for p.err == nil {
		if len(names) == maxItems {
			p.fail(p.tok.start, codeTooManyItems, "list too long: more than %d members", maxItems)
		}
		names = append(names, p.name(what))
		if !p.acceptPunct(",") {
			break
		}
	}
	return names
}

func (p *parser) comment() Statement {
	p.advance()
	p.expect("ON")
	s := &Comment{}
	if p.accept("COLUMN") {
		s.Kind = KindColumn
		s.Name, s.Column = p.columnName()
	} else {
		s.Kind = p.relationKind()
		if s.Kind == NoKind {
			p.unexpected("STREAM, TABLE, VIEW, MATERIALIZED VIEW or COLUMN", "STREAM", "TABLE", "VIEW", "MATERIALIZED", "COLUMN")
		}
		s.Name = p.name("a name")
	}
	p.expect("IS")
	if !p.accept("NULL") {
		t := p.stringLiteral("a text or NULL")
		s.Text = &t
	}
	return s
}

// columnName takes relation.column, with what qualifies the relation.
func (p *parser) columnName() (Name, Ident) {
	parts := []Ident{p.ident("relation.column")}
	for p.acceptPunct(".") {
		parts = append(parts, p.part("a name"))
		if len(parts) > 4 {
			p.fail(parts[0].Pos, codeSyntax, "name has too many parts")
		}
	}
	if len(parts) < 2 {
		p.unexpected(`"."`).hint("Name the column with its relation: relation.column.")
	}
	if p.err != nil {
		return Name{}, Ident{}
	}
	n := len(parts) - 1
	return nameOf(parts[:n]), parts[n]
}
