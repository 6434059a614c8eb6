package sql

import "strings"

// Statement is a parsed statement. The set is closed: a pointer to one of the structs of this package
// that have a Tag method.
type Statement interface {
	// Tag is the statement's command tag, without the row count some tags carry.
	Tag() string
	statement()
}

// Text is a fragment that is passed on as it was written: a query, an expression, a type.
type Text struct {
	SQL string
	// Pos is the byte offset of the fragment in the text that was parsed.
	Pos int
}

// End is the byte offset behind the fragment.
func (t Text) End() int { return t.Pos + len(t.SQL) }

// IsDefault reports whether the fragment is the bare keyword DEFAULT.
func (t Text) IsDefault() bool { return fold(t.SQL, "DEFAULT") }

// Ident is a single name with its quotes removed and its case kept.
type Ident struct {
	Name string
	Pos  int
}

// Name is the name of a relation, qualified or not. Missing qualifiers are empty.
type Name struct {
	Database, Schema, Name string
	Pos                    int
}

// String writes the name so that it can be parsed again.
func (n Name) String() string {
	s := Quote(n.Name)
	if n.Schema != "" {
		s = Quote(n.Schema) + "." + s
	}
	if n.Database != "" {
		s = Quote(n.Database) + "." + s
	}
	return s
}

// Kind is a kind of named object.
type Kind uint8

// The kinds.
const (
	NoKind Kind = iota
	KindStream
	KindTable
	KindView
	KindMaterializedView
	KindColumn
	KindSink
	KindSource
	KindModel
	KindDatabase
	KindSchema
	KindType
)

// String is the keyword of the kind.
func (k Kind) String() string {
	names := [...]string{"", "STREAM", "TABLE", "VIEW", "MATERIALIZED VIEW", "COLUMN", "SINK", "SOURCE", "MODEL", "DATABASE", "SCHEMA", "TYPE"}
	if int(k) < len(names) {
		return names[k]
	}
	return ""
}

// Empty is a text without a statement.
type Empty struct{}

// Select is anything that is a query in DuckDB's dialect: SELECT, WITH, VALUES, FROM, TABLE, PIVOT,
// UNPIVOT, SUMMARIZE, or one of them in parentheses.
type Select struct{ Text Text }

// Parse parses exactly one statement; semicolons may follow it. A text without a statement is an Empty.
// An error is an *Error, with its position in the text.
func Parse(text string) (Statement, error) {
	if len(text) > maxData {
		return nil, tooLarge(text, maxData)
	}
	if err := checkText(text); err != nil {
		return nil, err
	}
	p := &parser{text: text, lex: lexer{text: text}}
	p.advance()
	for p.acceptPunct(";") {
	}
	if len(text) > maxStatement && !p.is("INSERT", "COPY", "WITH", "EXPLAIN", "PREPARE") && p.err == nil {
		return nil, tooLarge(text, maxStatement)
	}
	if p.tok.kind == eof && p.err == nil {
		return &Empty{}, nil
	}
	s := p.statement()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

func tooLarge(text string, most int) *Error {
	e := newError(text, 0, codeTooLarge, "statement too large: %d bytes, at most %d", len(text), most)
	e.Position = 0
	return e.hint("Send data with COPY … FROM STDIN, or in several INSERTs.")
}

// verbs are the words a statement begins with, for suggestions.
func verbs() []string {
	return strings.Fields(`SELECT INSERT UPDATE DELETE MERGE CREATE DROP ALTER WITH VALUES FROM TABLE COPY SUBSCRIBE SHOW
		EXPLAIN DESCRIBE SET RESET BEGIN COMMIT ROLLBACK START END ABORT DECLARE FETCH CLOSE PREPARE EXECUTE
		DEALLOCATE DISCARD TRUNCATE VERIFY COMMENT PIVOT UNPIVOT SUMMARIZE UNLISTEN`)
}

// statement parses the statement that begins at the current token.
func (p *parser) statement() Statement {
	if p.isQuery() {
		if p.is("WITH") {
			return p.with()
		}
		return &Select{Text: p.query()}
	}
	if p.tok.kind != word || len(p.word()) > longestKeyword {
		p.unexpected("a statement")
		return nil
	}
	switch strings.ToUpper(p.word()) {
	case "CREATE":
		return p.create()
	case "DROP":
		return p.drop()
	case "ALTER":
		return p.alter()
	case "COMMENT":
		return p.comment()
	case "INSERT":
		return p.insert(nil)
	case "UPDATE":
		return p.update(nil)
	case "DELETE":
		return p.delete(nil)
	case "MERGE":
		return p.merge(nil)
	case "TRUNCATE":
		return p.truncate()
	case "COPY":
		return p.copy()
	case "SUBSCRIBE":
		return p.subscribe(false)
	case "DECLARE":
		return p.declare()
	case "FETCH":
		return p.fetch()
	case "CLOSE":
		return p.closeCursor()
	case "VERIFY":
		return p.verify()
	}
	return p.sessionStatement()
}

// sessionStatement parses the statements that are about the session rather than the data.
func (p *parser) sessionStatement() Statement {
	switch strings.ToUpper(p.word()) {
	case "BEGIN", "START":
		return p.begin()
	case "COMMIT", "END":
		return p.commit()
	case "ROLLBACK", "ABORT":
		return p.rollback()
	case "SHOW":
		return p.show()
	case "DESCRIBE", "DESC":
		return p.describe()
	case "EXPLAIN":
		return p.explain()
	case "SET":
		return p.set()
	case "RESET":
		return p.reset()
	case "DISCARD":
		return p.discard()
	case "UNLISTEN":
		return p.unlisten()
	case "PREPARE":
		return p.prepare()
	case "EXECUTE":
		return p.execute()
	case "DEALLOCATE":
		return p.deallocate()
	}
	if !p.refuseVerb() {
		p.unexpected("a statement", verbs()...)
	}
	return nil
}

func (*Empty) statement()                  {}
func (*Select) statement()                 {}
func (*CreateStream) statement()           {}
func (*CreateTable) statement()            {}
func (*CreateView) statement()             {}
func (*CreateMaterializedView) statement() {}
func (*Drop) statement()                   {}
func (*Alter) statement()                  {}
func (*Comment) statement()                {}
func (*Insert) statement()                 {}
func (*Update) statement()                 {}
func (*Delete) statement()                 {}
func (*Truncate) statement()               {}
func (*Copy) statement()                   {}
func (*Subscribe) statement()              {}
func (*Declare) statement()                {}
func (*Fetch) statement()                  {}
func (*Close) statement()                  {}
func (*VerifyView) statement()             {}
func (*Begin) statement()                  {}
func (*Commit) statement()                 {}
func (*Rollback) statement()               {}
func (*Show) statement()                   {}
func (*ShowCreate) statement()             {}
func (*Describe) statement()               {}
func (*Explain) statement()                {}
func (*Set) statement()                    {}
func (*SetTransaction) statement()         {}
func (*Reset) statement()                  {}
func (*Discard) statement()                {}
func (*Unlisten) statement()               {}
func (*Prepare) statement()                {}
func (*Execute) statement()                {}
func (*Deallocate) statement()             {}

// Tag implements Statement.
func (*Empty) Tag() string { return "" }

// Tag implements Statement.
func (*Select) Tag() string { return "SELECT" }

// Tag implements Statement.
func (*CreateStream) Tag() string { return "CREATE STREAM" }

// Tag implements Statement. A CREATE TABLE … AS reports the number of rows as a SELECT.
func (s *CreateTable) Tag() string {
	if s.Query != nil {
		return "SELECT"
	}
	return "CREATE TABLE"
}

// Tag implements Statement.
func (*CreateView) Tag() string { return "CREATE VIEW" }

// Tag implements Statement.
func (*CreateMaterializedView) Tag() string { return "CREATE MATERIALIZED VIEW" }

// Tag implements Statement.
func (s *Drop) Tag() string { return "DROP " + s.Kind.String() }

// Tag implements Statement.
func (s *Alter) Tag() string { return "ALTER " + s.Kind.String() }

// Tag implements Statement.
func (*Comment) Tag() string { return "COMMENT" }

// Tag implements Statement.
func (*Insert) Tag() string { return "INSERT" }

// Tag implements Statement.
func (*Update) Tag() string { return "UPDATE" }

// Tag implements Statement.
func (*Delete) Tag() string { return "DELETE" }

// Tag implements Statement.
func (*Truncate) Tag() string { return "TRUNCATE TABLE" }

// Tag implements Statement.
func (*Copy) Tag() string { return "COPY" }

// Tag implements Statement.
func (*Subscribe) Tag() string { return "SUBSCRIBE" }

// Tag implements Statement.
func (*Declare) Tag() string { return "DECLARE CURSOR" }

// Tag implements Statement.
func (*Fetch) Tag() string { return "FETCH" }

// Tag implements Statement.
func (s *Close) Tag() string {
	if s.All {
		return "CLOSE CURSOR ALL"
	}
	return "CLOSE CURSOR"
}

// Tag implements Statement.
func (*VerifyView) Tag() string { return "VERIFY VIEW" }

// Tag implements Statement.
func (s *Begin) Tag() string {
	if s.Start {
		return "START TRANSACTION"
	}
	return "BEGIN"
}

// Tag implements Statement.
func (*Commit) Tag() string { return "COMMIT" }

// Tag implements Statement.
func (*Rollback) Tag() string { return "ROLLBACK" }

// Tag implements Statement.
func (*Show) Tag() string { return "SHOW" }

// Tag implements Statement.
func (*ShowCreate) Tag() string { return "SHOW" }

// Tag implements Statement.
func (*Describe) Tag() string { return "DESCRIBE" }

// Tag implements Statement.
func (*Explain) Tag() string { return "EXPLAIN" }

// Tag implements Statement.
func (*Set) Tag() string { return "SET" }

// Tag implements Statement.
func (*SetTransaction) Tag() string { return "SET" }

// Tag implements Statement.
func (*Reset) Tag() string { return "RESET" }

// Tag implements Statement.
func (s *Discard) Tag() string { return "DISCARD " + strings.ToUpper(s.What) }

// Tag implements Statement.
func (*Unlisten) Tag() string { return "UNLISTEN" }

// Tag implements Statement.
func (*Prepare) Tag() string { return "PREPARE" }

// Tag implements Statement. The statement that is executed reports its own.
func (*Execute) Tag() string { return "EXECUTE" }

// Tag implements Statement.
func (s *Deallocate) Tag() string {
	if s.All {
		return "DEALLOCATE ALL"
	}
	return "DEALLOCATE"
}
