package sql

import "strings"

// Show is SHOW: the objects of a Kind, All settings, or one Setting. One of the three is set.
type Show struct {
	Kind Kind
	All  bool
	// Setting is in lower case; the names in several words are those of their settings
	// (transaction_isolation, timezone).
	Setting string
	// Like keeps the names that match the pattern, nil for all.
	Like *string
}

// ShowCreate is SHOW CREATE: the statement that makes an object.
type ShowCreate struct {
	Kind Kind
	Name Name
}

// Describe is DESCRIBE: the columns of a relation, or of a Query.
type Describe struct {
	// Kind is what the name is said to be, NoKind if nothing.
	Kind  Kind
	Name  Name
	Query *Text
}

// Explain is EXPLAIN.
type Explain struct {
	Analyze bool
	// Options are those in parentheses, ANALYZE excepted; an option without a value is true.
	Options   Options
	Statement Statement
	// Text is the statement as it was written.
	Text Text
}

// VerifyView is VERIFY VIEW: recompute a view and compare.
type VerifyView struct {
	Name    Name
	Options Options
}

func (p *parser) show() Statement {
	p.advance()
	if p.accept("CREATE") {
		s := &ShowCreate{Kind: p.expectKind()}
		s.Name = p.name("a name")
		return s
	}
	s := &Show{}
	switch {
	case p.is("ALL"):
		p.advance()
		s.All = true
	case p.accept("STREAMS"):
		s.Kind = KindStream
	case p.accept("TABLES"):
		s.Kind = KindTable
	case p.accept("VIEWS"):
		s.Kind = KindView
	case p.accept("MATERIALIZED"):
		p.expect("VIEWS")
		s.Kind = KindMaterializedView
	case p.accept("SINKS"):
		s.Kind = KindSink
	case p.accept("SOURCES"):
		s.Kind = KindSource
	case p.accept("MODELS"):
		s.Kind = KindModel
	case p.accept("DATABASES"):
		s.Kind = KindDatabase
	case p.accept("SCHEMAS"):
		s.Kind = KindSchema
	case p.accept("TYPES"):
		s.Kind = KindType
	default:
		s.Setting = p.setting()
	}
	if s.Setting == "" && p.accept("LIKE") {
		like := p.stringLiteral("a pattern")
		s.Like = &like
	}
	if p.err == nil && !p.atEnd() {
		p.unexpected("LIKE or the end of the statement", "LIKE")
	}
	return s
}

// setting takes the name of a setting.
func (p *parser) setting() string {
	switch {
	case p.accept("TRANSACTION", "ISOLATION", "LEVEL"):
		return "transaction_isolation"
	case p.accept("TIME", "ZONE"):
		return "timezone"
	case p.accept("SESSION", "AUTHORIZATION"):
		return "session_authorization"
	}
	if !p.isName(p.tok) {
		p.unexpected("the name of a setting")
		return ""
	}
	return Normalize(p.dotted("the name of a setting"))
}

func (p *parser) describe() Statement {
	p.advance()
	s := &Describe{}
	if p.isQuery() && !p.is("TABLE") {
		q := p.query()
		s.Query = &q
		return s
	}
	if next := p.peek(); p.is("TABLE") || p.isName(next) {
		s.Kind = p.relationKind()
	}
	s.Name = p.name("the name of a relation, or a query")
	return s
}

func (p *parser) explain() Statement {
	p.advance()
	s := &Explain{}
	if p.isPunct("(") && !p.queryInParens() {
		p.explainOptions(s)
	} else {
		s.Analyze = p.accept("ANALYZE") || p.accept("ANALYSE")
		if p.accept("VERBOSE") {
			s.Options = Options{{Key: "verbose", Value: "true", Kind: BoolValue, Pos: p.last, ValuePos: p.last}}
		}
	}
	start := p.tok.start
	if !p.isQuery() && !p.is("INSERT", "UPDATE", "DELETE", "SUBSCRIBE", "CREATE", "DECLARE", "EXECUTE") {
		p.unexpected("a query or a statement that has a plan", "SELECT", "ANALYZE", "WITH", "VALUES", "FROM",
			"INSERT", "UPDATE", "DELETE", "SUBSCRIBE", "CREATE")
		return nil
	}
	s.Statement = p.statement()
	s.Text = p.textFrom(start)
	return s
}

// explainOptions takes (ANALYZE, FORMAT json, …).
func (p *parser) explainOptions(s *Explain) {
	seen := make(map[string]bool)
	p.list(false, func() {
		pos := p.tok.start
		o := Option{Pos: pos, ValuePos: pos, Key: Normalize(p.part("an option").Name), Value: "true", Kind: BoolValue}
		p.acceptPunct("=")
		if !p.isPunct(",") && !p.isPunct(")") && p.err == nil {
			o.ValuePos = p.tok.start
			o.Value, o.Kind = p.optionValue()
		}
		if p.err == nil && seen[o.Key] {
			p.fail(pos, codeSyntax, "option %s is given more than once", strings.ToUpper(o.Key))
		}
		seen[o.Key] = true
		switch o.Key {
		case "analyze", "analyse":
			s.Analyze = o.Value != "false"
		default:
			s.Options = append(s.Options, o)
		}
	})
}

func (p *parser) verify() Statement {
	p.advance()
	p.accept("MATERIALIZED")
	p.expect("VIEW")
	return &VerifyView{Name: p.name("the name of a view"), Options: p.withOptions()}
}
