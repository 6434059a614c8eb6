package sql

// Merge is MERGE INTO: it compares a table with a source and changes the table.
type Merge struct {
	// With is the WITH clause in front, nil if there is none.
	With   *Text
	Target Name
	Alias  Ident // empty without
	// Source is a relation, a function or a query in parentheses, without its alias.
	Source      Text
	SourceAlias Ident
	// SourceColumns renames the source's columns; empty if they keep their names.
	SourceColumns []Ident
	// On is the condition of the match, or Using the columns that have to be equal.
	On    *Text
	Using []Ident
	When  []MergeWhen
	// Returning is the list behind RETURNING, nil without.
	Returning *Text
}

// MergeMatch says for which rows a WHEN is.
type MergeMatch uint8

// The rows: those of target and source that match, those of the source alone, those of the target alone.
const (
	Matched MergeMatch = iota
	NotMatchedByTarget
	NotMatchedBySource
)

// MergeAction is what a WHEN does.
type MergeAction uint8

// The actions.
const (
	MergeNothing MergeAction = iota
	MergeUpdate
	MergeInsert
	MergeDelete
	MergeError
)

// MergeWhen is one WHEN of a MERGE; of those that hold for a row the first counts.
type MergeWhen struct {
	Match  MergeMatch
	And    *Text // nil without
	Action MergeAction
	Pos    int
	// Set is that of an UPDATE; empty sets all columns from the source's of the same name.
	Set []Assignment
	// Columns and Values are those of an INSERT. Without Values it takes the source's columns: by their place, or by name.
	Columns       []Ident
	Values        []Text
	DefaultValues bool
	ByName        bool
	// Message is that of ERROR, empty without.
	Message string
}

// Tag implements Statement.
func (*Merge) Tag() string { return "MERGE" }

func (*Merge) statement() {}

func (p *parser) merge(with *Text) Statement {
	p.advance()
	p.expect("INTO")
	s := &Merge{With: with, Target: p.name("the name of a table")}
	if p.accept("AS") || (p.isName(p.tok) && !p.is("USING")) {
		s.Alias = p.ident("an alias")
	}
	p.expect("USING")
	p.mergeSource(s)
	switch {
	case p.accept("ON"):
		t := p.fragment("a condition", stopWhen|expression)
		s.On = &t
	case p.accept("USING"):
		s.Using = p.idents("a column")
	default:
		p.unexpected("ON or USING", "ON", "USING")
	}
	for p.err == nil && p.is("WHEN") {
		if len(s.When) == maxWhens {
			p.fail(p.tok.start, codeTooManyItems, "too many WHENs: more than %d", maxWhens)
		}
		s.When = append(s.When, p.mergeWhen())
	}
	if len(s.When) == 0 {
		p.unexpected("WHEN", "WHEN")
	}
	s.Returning = p.returning()
	return s
}

// maxWhens bounds the WHENs of a MERGE.
const maxWhens = 100

// mergeSource takes the source and its alias.
func (p *parser) mergeSource(s *Merge) {
	start := p.tok.start
	if p.isPunct("(") {
		p.skipGroup()
		s.Source = p.textFrom(start)
	} else {
		n := p.name("a relation, or a query in parentheses")
		s.SourceAlias = Ident{Name: n.Name, Pos: n.Pos}
		if p.isPunct("(") {
			p.skipGroup()
		}
		s.Source = p.textFrom(start)
	}
	if p.accept("AS") || (p.isName(p.tok) && !p.is("ON", "USING")) {
		s.SourceAlias = p.ident("an alias")
		if p.isPunct("(") {
			s.SourceColumns = p.idents("a column")
		}
	}
	if p.err == nil && s.SourceAlias.Name == "" {
		p.unexpected("an alias").hint("Name the query: USING (SELECT …) AS source.")
	}
}

func (p *parser) mergeWhen() MergeWhen {
	w := MergeWhen{Pos: p.tok.start}
	p.expect("WHEN")
	if p.accept("NOT") {
		w.Match = NotMatchedByTarget
	}
	p.expect("MATCHED")
	if w.Match != Matched && p.accept("BY") {
		if p.is("SOURCE") {
			w.Match = NotMatchedBySource
		}
		p.expect("SOURCE", "TARGET")
	}
	if p.accept("AND") {
		t := p.fragment("a condition", stopWhen|expression)
		w.And = &t
	}
	p.expect("THEN")
	pos := p.tok.start
	switch {
	case p.accept("UPDATE"):
		w.Action = MergeUpdate
		if p.accept("SET") && !p.acceptPunct("*") {
			w.Set = p.assignments()
		} else {
			p.accept("BY", "NAME")
		}
	case p.accept("DELETE"):
		w.Action = MergeDelete
	case p.accept("INSERT"):
		w.Action = MergeInsert
		p.mergeInsert(&w)
	case p.accept("DO"):
		p.expect("NOTHING")
	case p.accept("ERROR"):
		w.Action = MergeError
		if p.tok.kind == str {
			w.Message = p.stringLiteral("a message")
		}
	default:
		p.unexpected("UPDATE, INSERT, DELETE, DO NOTHING or ERROR", "UPDATE", "INSERT", "DELETE", "DO", "ERROR")
	}
	switch {
	case p.err != nil:
	case w.Action == MergeInsert && w.Match != NotMatchedByTarget:
		p.fail(pos, codeSyntax, "INSERT is for rows that are not matched by the target").hint("Write WHEN NOT MATCHED THEN INSERT ….")
	case (w.Action == MergeUpdate || w.Action == MergeDelete) && w.Match == NotMatchedByTarget:
		p.fail(pos, codeSyntax, "a row that is not matched by the target cannot be updated or deleted").hint("Write WHEN MATCHED, or WHEN NOT MATCHED BY SOURCE.")
	case w.Action == MergeUpdate && w.Match == NotMatchedBySource && len(w.Set) == 0:
		p.fail(pos, codeSyntax, "a row that is not matched by the source has no source to be set from").hint("Write UPDATE SET column = value.")
	}
	return w
}

// mergeInsert takes what stands behind INSERT.
func (p *parser) mergeInsert(w *MergeWhen) {
	switch {
	case p.acceptPunct("*"):
		w.ByName = true
		return
	case p.accept("BY"):
		w.ByName = p.is("NAME")
		p.expect("NAME", "POSITION")
		return
	case p.accept("DEFAULT", "VALUES"):
		w.DefaultValues = true
		return
	case p.isPunct("("):
		w.Columns = p.idents("a column")
		p.distinct(w.Columns)
	}
	if len(w.Columns) == 0 && !p.is("VALUES") {
		return
	}
	pos := p.tok.start
	p.expect("VALUES")
	p.list(false, func() { w.Values = append(w.Values, p.fragment("a value", stopComma|stopClose|expression)) })
	if p.err == nil && len(w.Columns) > 0 && len(w.Columns) != len(w.Values) {
		p.fail(pos, codeSyntax, "INSERT has %d columns and %d values", len(w.Columns), len(w.Values))
	}
}
