package sql

import "strings"

// AlterAction is what an ALTER changes.
type AlterAction uint8

// The actions.
const (
	AlterSet          AlterAction = iota // SET (option = value, …): Options
	AlterAddColumn                       // ADD COLUMN: Column
	AlterDropColumn                      // DROP COLUMN: Column.Name
	AlterColumnType                      // ALTER COLUMN … TYPE: Column.Name and Column.Type
	AlterSetDefault                      // ALTER COLUMN … SET DEFAULT: Column.Name and Column.Default
	AlterDropDefault                     // ALTER COLUMN … DROP DEFAULT: Column.Name
	AlterRenameColumn                    // RENAME COLUMN … TO: Column.Name and To
	AlterRename                          // RENAME TO: To
	AlterReset                           // RESET (option, …): the keys of Options
)

// Alter is ALTER of a stream, table or view.
type Alter struct {
	Kind     Kind
	IfExists bool
	Name     Name
	Action   AlterAction
	Options  Options
	Column   ColumnDef
	// IfColumn is IF NOT EXISTS of ADD COLUMN, or IF EXISTS of DROP COLUMN.
	IfColumn bool
	To       Ident
}

func (p *parser) alter() Statement {
	start := p.tok.start
	p.advance()
	if p.refuseObject(start, "ALTER") {
		return nil
	}
	s := &Alter{Kind: p.expectKind(), IfExists: p.accept("IF", "EXISTS")}
	s.Name = p.name("the name of a " + strings.ToLower(s.Kind.String()))
	action := p.tok.start
	columns := s.Kind == KindStream || s.Kind == KindTable
	switch {
	case p.is("SET"):
		p.advance()
		if !p.isPunct("(") {
			p.unexpected(`"("`).hint("Write SET (key = 'value', …).")
		}
		s.Options = p.options()
	case p.accept("RESET"):
		s.Action, s.Options = AlterReset, p.optionKeys()
	case p.accept("RENAME", "TO"):
		s.Action, s.To = AlterRename, p.ident("the new name")
	case p.is("ADD", "DROP", "ALTER", "RENAME") && !columns:
		p.refuse(action, "the columns of a "+strings.ToLower(s.Kind.String())+" are those of its query", "Create it anew with another query.")
	case p.accept("ADD"):
		p.addColumn(s)
	case p.accept("DROP"):
		p.dropColumn(s)
	case p.accept("ALTER"):
		p.alterColumn(s)
	case p.accept("RENAME"):
		p.accept("COLUMN")
		s.Action, s.Column = AlterRenameColumn, p.columnNamed()
		p.expect("TO")
		s.To = p.ident("the new name")
	default:
		p.unexpected("ADD COLUMN, DROP COLUMN, ALTER COLUMN, RENAME, SET or RESET", "ADD", "DROP", "ALTER", "RENAME", "SET", "RESET")
	}
	if p.isPunct(",") {
		p.refuse(p.tok.start, "several changes in one ALTER are not available", "Write one ALTER per change.")
	}
	return s
}

// columnNamed takes the name of a column.
func (p *parser) columnNamed() ColumnDef {
	id := p.ident("a column")
	return ColumnDef{Name: id.Name, Pos: id.Pos}
}

func (p *parser) addColumn(s *Alter) {
	s.Action = AlterAddColumn
	if p.is("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN") && !p.is("COLUMN") {
		p.refuse(p.tok.start, "a constraint cannot be added", "Create the table anew and INSERT INTO … SELECT its rows.")
		return
	}
	p.accept("COLUMN")
	s.IfColumn = p.accept("IF", "NOT", "EXISTS")
	s.Column = p.columnNamed()
	s.Column.Type = p.dataType(s.Column.Name)
	d := definition{kind: s.Kind, keyPos: -1}
	for p.err == nil && !p.atEnd() && !p.isPunct(",") {
		p.columnConstraint(&d, &s.Column)
	}
	if p.err == nil && d.keyPos >= 0 {
		p.refuse(d.keyPos, "a column of the primary key cannot be added", "Create the table anew and INSERT INTO … SELECT its rows.")
	}
}

func (p *parser) dropColumn(s *Alter) {
	s.Action = AlterDropColumn
	if p.is("CONSTRAINT") {
		p.refuse(p.tok.start, "a constraint cannot be dropped", "Create the table anew and INSERT INTO … SELECT its rows.")
		return
	}
	p.accept("COLUMN")
	s.IfColumn = p.accept("IF", "EXISTS")
	s.Column = p.columnNamed()
	if pos := p.tok.start; p.accept("CASCADE") {
		p.refuse(pos, "a column that views read cannot be dropped with them", "DROP the views first.")
	}
	p.accept("RESTRICT")
}

func (p *parser) alterColumn(s *Alter) {
	p.accept("COLUMN")
	s.Column = p.columnNamed()
	switch {
	case p.accept("SET", "DEFAULT"):
		s.Action = AlterSetDefault
		t := p.fragment("an expression", stopComma|expression)
		s.Column.Default = &t
	case p.accept("DROP", "DEFAULT"):
		s.Action = AlterDropDefault
	case p.accept("SET", "DATA", "TYPE") || p.accept("SET", "TYPE") || p.accept("TYPE"):
		s.Action = AlterColumnType
		s.Column.Type = p.dataType(s.Column.Name)
		if p.is("USING") {
			p.refuse(p.tok.start, "ALTER COLUMN … TYPE … USING is not available", "Add a column of the new type, and UPDATE it or compute it in a view.")
		}
	case p.is("SET", "DROP"):
		p.refuse(p.tok.start, "NOT NULL cannot be changed", "Create the relation anew, and INSERT INTO … SELECT its rows.")
	default:
		p.unexpected("TYPE, SET DEFAULT or DROP DEFAULT", "TYPE", "SET", "DROP")
	}
}
