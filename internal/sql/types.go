package sql

// CreateType is CREATE TYPE: a name for a type.
type CreateType struct {
	OrReplace, IfNotExists bool
	Name                   Name
	Type                   Text
}

// DropType is DROP TYPE.
type DropType struct {
	IfExists bool
	Names    []Name
}

func (*CreateType) statement() {}
func (*DropType) statement()   {}

// Tag implements Statement.
func (*CreateType) Tag() string { return "CREATE TYPE" }

// Tag implements Statement.
func (*DropType) Tag() string { return "DROP TYPE" }

func (p *parser) createType(c creation) Statement {
	s := &CreateType{OrReplace: c.orReplace, IfNotExists: c.ifNotExists, Name: c.name}
	p.expect("AS")
	s.Type = p.dataType("")
	return s
}

func (p *parser) dropType() Statement {
	s := &DropType{IfExists: p.accept("IF", "EXISTS")}
	s.Names = p.names("the name of a type")
	if pos := p.tok.start; p.accept("CASCADE") {
		p.refuse(pos, "a type is not dropped with what uses it", "Drop the relations first.")
	}
	p.accept("RESTRICT")
	return s
}
