package sql

// CreateStream is CREATE STREAM.
type CreateStream struct {
	OrReplace, IfNotExists bool
	Name                   Name
	Columns                []ColumnDef
	// Watermark is nil if the stream has none.
	Watermark *Watermark
	Options   Options
}

// CreateTable is CREATE TABLE, with columns or, if Query is set, AS a query. Then Columns has names only,
// or is empty.
type CreateTable struct {
	OrReplace, IfNotExists bool
	Name                   Name
	Columns                []ColumnDef
	// PrimaryKey is empty if the table has none.
	PrimaryKey []Ident
	Options    Options
	Query      *Text
	// NoData is set by WITH NO DATA: the table gets the columns of the query and no rows.
	NoData bool
}

// CreateView is CREATE VIEW: a name for a query.
type CreateView struct {
	OrReplace, IfNotExists bool
	Name                   Name
	// Columns renames the columns of the query; empty if they keep their names.
	Columns []Ident
	Query   Text
}

// CreateMaterializedView is CREATE MATERIALIZED VIEW.
type CreateMaterializedView struct {
	OrReplace, IfNotExists bool
	Name                   Name
	// Columns renames the columns of the query; empty if they keep their names.
	Columns []Ident
	Options Options
	Query   Text
}

// creation is the part that all CREATE statements share.
type creation struct {
	orReplace, ifNotExists bool
	name                   Name
}

func (p *parser) create() Statement {
	start := p.tok.start
	p.advance()
	c := creation{orReplace: p.accept("OR", "REPLACE")}
	switch {
	case p.accept("STREAM"):
		p.creation(&c, "the name of the stream")
		return p.createStream(c)
	case p.accept("TABLE"):
		p.creation(&c, "the name of the table")
		return p.createTable(c)
	case p.accept("VIEW"):
		p.creation(&c, "the name of the view")
		return p.createView(c)
	case p.accept("MATERIALIZED"):
		p.expect("VIEW")
		p.creation(&c, "the name of the view")
		return p.createMaterializedView(c)
	case p.accept("TYPE"):
		p.creation(&c, "the name of the type")
		return p.createType(c)
	}
	if !p.refuseCreate(start) {
		p.unexpected("STREAM, TABLE, VIEW or MATERIALIZED VIEW", "STREAM", "TABLE", "VIEW", "MATERIALIZED")
	}
	return nil
}

// creation takes IF NOT EXISTS and the name.
func (p *parser) creation(c *creation, what string) {
	pos := p.tok.start
	c.ifNotExists = p.accept("IF", "NOT", "EXISTS")
	if c.ifNotExists && c.orReplace {
		p.fail(pos, codeSyntax, "OR REPLACE and IF NOT EXISTS exclude one another").hint("Keep the one you mean.")
	}
	c.name = p.name(what)
}

func (p *parser) createStream(c creation) Statement {
	s := &CreateStream{OrReplace: c.orReplace, IfNotExists: c.ifNotExists, Name: c.name}
	switch {
	case p.is("AS"):
		p.streamQuery()
	case !p.isPunct("("):
		p.unexpected(`"("`).hint("A stream lists its columns: CREATE STREAM %s (name VARCHAR, …).", c.name)
	}
	d := p.definition(KindStream)
	s.Columns, s.Watermark = d.columns, d.watermark
	s.Options = p.withOptions()
	if p.is("AS") {
		p.streamQuery()
	}
	p.misplacedOptions()
	return s
}

// streamQuery fails at the AS of CREATE STREAM … AS.
func (p *parser) streamQuery() {
	p.refuse(p.tok.start, "CREATE STREAM … AS is not available", "Use CREATE MATERIALIZED VIEW: it can be queried and subscribed to.")
}

func (p *parser) createTable(c creation) Statement {
	s := &CreateTable{OrReplace: c.orReplace, IfNotExists: c.ifNotExists, Name: c.name}
	listed := p.isPunct("(")
	if listed {
		d := p.definition(KindTable)
		s.Columns, s.PrimaryKey = d.columns, d.key
	}
	s.Options = p.withOptions()
	if p.err == nil && p.is("AS") {
		p.tableQuery(s)
		return s
	}
	if !listed {
		p.unexpected(`"(" or AS`).hint("A table lists its columns: CREATE TABLE %s (id BIGINT PRIMARY KEY, …).", c.name)
	}
	p.misplacedOptions()
	for _, col := range s.Columns {
		if col.Type.SQL == "" && p.err == nil {
			p.fail(col.Pos, codeSyntax, "column %q has no type", col.Name).hint("Write for example %s VARCHAR.", Quote(col.Name))
		}
	}
	return s
}

// tableQuery takes AS and the query of a CREATE TABLE.
func (p *parser) tableQuery(s *CreateTable) {
	pos := p.tok.start
	p.advance()
	for _, col := range s.Columns {
		if col.Type.SQL != "" {
			p.fail(col.Type.Pos, codeSyntax, "a table that is created AS a query gets its types from the query").
				hint("List names only, or cast in the query.")
		}
	}
	q := p.queryUntil(stopData)
	s.Query = &q
	if p.accept("WITH") {
		s.NoData = p.accept("NO")
		p.expect("DATA")
	}
	if p.err == nil && len(s.PrimaryKey) > 0 && len(s.Columns) == 0 {
		p.fail(pos, codeBadDefinition, "a primary key needs the list of columns")
	}
}

func (p *parser) createView(c creation) Statement {
	s := &CreateView{OrReplace: c.orReplace, IfNotExists: c.ifNotExists, Name: c.name}
	s.Columns = p.viewColumns()
	if p.is("WITH") {
		p.unexpected("AS").hint("A plain view has no options; a MATERIALIZED VIEW may.")
	}
	s.Query = p.viewQuery("CREATE VIEW " + c.name.String())
	return s
}

func (p *parser) createMaterializedView(c creation) Statement {
	s := &CreateMaterializedView{OrReplace: c.orReplace, IfNotExists: c.ifNotExists, Name: c.name}
	s.Columns = p.viewColumns()
	s.Options = p.withOptions()
	s.Query = p.viewQuery("CREATE MATERIALIZED VIEW " + c.name.String())
	if p.is("WITH") {
		p.advance()
		if pos := p.tok.start; p.accept("NO") {
			p.refuse(pos, "WITH NO DATA is not available", "A materialized view is always built and kept up to date.")
		}
		p.expect("DATA")
	}
	return s
}

// viewColumns takes the list of names that may follow the name of a view.
func (p *parser) viewColumns() []Ident {
	if !p.isPunct("(") {
		return nil
	}
	ids := p.idents("the name of a column")
	p.distinct(ids)
	return ids
}

// viewQuery takes AS and a query.
func (p *parser) viewQuery(what string) Text {
	if !p.is("AS") {
		p.unexpected("AS", "AS").suggest("Write " + what + " AS SELECT ….")
		return Text{}
	}
	p.advance()
	return p.queryUntil(stopData)
}

// misplacedOptions fails where something that looks like options without WITH follows a definition.
func (p *parser) misplacedOptions() {
	if p.err != nil || p.atEnd() {
		return
	}
	p.unexpected("WITH or the end of the statement", "WITH", "AS").suggest(optionHint)
}
