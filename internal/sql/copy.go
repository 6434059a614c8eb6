package sql

import "strings"

// Copy is COPY: FROM STDIN takes data in, TO STDOUT sends a relation, a query or a subscription out.
// Of Target, Query and Subscribe one is set.
type Copy struct {
	// From is set for COPY … FROM STDIN; then Target is.
	From   bool
	Target Name
	// Columns are the columns that are copied; empty for all in their order.
	Columns   []Ident
	Query     *Text
	Subscribe *Subscribe
	Options   CopyOptions
}

// CopyOptions is the format of the data, with the defaults filled in.
type CopyOptions struct {
	// Format is text, csv, json, ndjson, binary, arrow or parquet.
	Format string
	// Delimiter stands between values; for text and csv.
	Delimiter byte
	// Quote and Escape are for csv.
	Quote, Escape byte
	// Null is how NULL is written; for text and csv.
	Null string
	// Header says that the first line has the names of the columns; with HeaderMatch it must have
	// exactly those.
	Header, HeaderMatch bool
}

// copyOptions are the options as they are given; zero values are filled in at the end.
type copyOptions struct {
	CopyOptions
	null *string
	seen map[string]bool
}

func (p *parser) copy() Statement {
	p.advance()
	s := &Copy{}
	if p.isPunct("(") {
		p.copySource(s)
	} else {
		s.Target = p.name("the name of a relation")
		if p.isPunct("(") {
			s.Columns = p.idents("a column")
			p.distinct(s.Columns)
		}
	}
	s.From = p.is("FROM")
	p.expect("FROM", "TO")
	if s.From && s.Target.Name == "" {
		p.fail(p.last, codeSyntax, "a query can only be copied TO").hint("Name a table: COPY name FROM STDIN.")
	}
	p.copyEnd(s.From)
	s.Options = p.copyOptions()
	if p.is("WHERE") {
		p.refuse(p.tok.start, "COPY … WHERE is not available", "Copy all rows, or filter them in a view.")
	}
	return s
}

// copySource takes the query or subscription in parentheses.
func (p *parser) copySource(s *Copy) {
	if p.ahead().skipTo("SUBSCRIBE") {
		p.advance()
		s.Subscribe = p.subscribe(true)
		p.expectPunct(")")
		return
	}
	p.advance()
	q := p.queryUntil(stopClose)
	s.Query = &q
	p.expectPunct(")")
}

// skipTo reports whether the keyword is the next token.
func (p *parser) skipTo(keyword string) bool {
	p.advance()
	return p.is(keyword)
}

// copyEnd takes STDIN or STDOUT.
func (p *parser) copyEnd(from bool) {
	end, hint := "STDOUT", "Files are written by the client: psql's \\copy name TO 'file', or COPY name TO STDOUT."
	if from {
		end, hint = "STDIN", "Files are read by the client: psql's \\copy name FROM 'file', or tidemill load name FILE."
	}
	if p.tok.kind == str || p.is("PROGRAM") {
		p.refuse(p.tok.start, "COPY reads and writes no files of the server", hint)
		return
	}
	p.expect(end)
}

// copyOptions takes the options in either form: (FORMAT csv, HEADER) or CSV HEADER.
func (p *parser) copyOptions() CopyOptions {
	o := copyOptions{seen: make(map[string]bool)}
	p.accept("WITH")
	if p.isPunct("(") {
		p.list(true, func() { p.copyOption(&o, true) })
	} else {
		for p.err == nil && !p.atEnd() && !p.is("WHERE") {
			p.copyOption(&o, false)
		}
	}
	return o.filled()
}

func (o *copyOptions) filled() CopyOptions {
	c := o.CopyOptions
	if c.Format == "" {
		c.Format = "text"
	}
	csv := c.Format == "csv"
	if c.Delimiter == 0 {
		c.Delimiter = '\t'
		if csv {
			c.Delimiter = ','
		}
	}
	if c.Quote == 0 {
		c.Quote = '"'
	}
	if c.Escape == 0 {
		c.Escape = c.Quote
	}
	switch {
	case o.null != nil:
		c.Null = *o.null
	case !csv:
		c.Null = `\N`
	}
	return c
}

func copyFormats() []string {
	return []string{"text", "csv", "json", "ndjson", "binary", "arrow", "parquet"}
}

// copyOption takes one option. In the old form formats stand without FORMAT and values follow AS.
func (p *parser) copyOption(o *copyOptions, parens bool) {
	pos, name := p.tok.start, Normalize(p.word())
	if p.tok.kind != word {
		p.unexpected("an option of COPY").hint("Write for example (FORMAT csv, HEADER).")
		return
	}
	p.advance()
	if !parens && (name == "csv" || name == "binary" || name == "json" || name == "text") {
		name, o.Format = "format", name
	}
	if p.err == nil && o.seen[name] {
		p.fail(pos, codeSyntax, "option %s is given more than once", strings.ToUpper(name))
		return
	}
	o.seen[name] = true
	if parens {
		p.acceptPunct("=")
	} else {
		p.accept("AS")
	}
	switch name {
	case "format":
		if parens {
			o.Format = p.copyFormat()
		}
	case "delimiter", "delim", "delimiters", "sep":
		o.Delimiter = p.copyByte(name)
	case "quote":
		o.Quote = p.copyByte(name)
	case "escape":
		o.Escape = p.copyByte(name)
	case "null", "nullstr":
		s := p.stringLiteral("the text that stands for NULL")
		o.null = &s
	case "header":
		p.copyHeader(o, parens)
	case "encoding":
		p.copyEncoding()
	default:
		known := []string{"FORMAT", "DELIMITER", "HEADER", "NULL", "QUOTE", "ESCAPE", "ENCODING", "CSV"}
		e := p.fail(pos, codeUnsupported, "option %s of COPY is not available", strings.ToUpper(shorten(name)))
		e.hint("Available are FORMAT, DELIMITER, HEADER, NULL, QUOTE, ESCAPE and ENCODING.")
		if c := closest(name, known); c != "" {
			e.hint("Did you mean %s?", c)
		}
	}
}

func (p *parser) copyFormat() string {
	pos := p.tok.start
	var f string
	if p.tok.kind == str {
		f = Normalize(p.stringLiteral("a format"))
	} else {
		f = Normalize(p.part("a format").Name)
	}
	for _, known := range copyFormats() {
		if f == known {
			return f
		}
	}
	e := p.fail(pos, codeBadValue, "COPY format %q is not known", shorten(f)).hint("Use %s.", strings.Join(copyFormats(), ", "))
	if c := closest(f, copyFormats()); c != "" {
		e.hint("Did you mean %s?", c)
	}
	return ""
}

func (p *parser) copyByte(name string) byte {
	pos := p.tok.start
	s := p.stringLiteral("a character")
	if p.err == nil && (len(s) != 1 || s[0] >= 0x80 || s == "\n" || s == "\r") {
		p.fail(pos, codeBadValue, "COPY %s must be a single one-byte character", name).hint("A tab is written E'\\t'.")
	}
	if p.err != nil {
		return 0
	}
	return s[0]
}

// copyHeader takes the value of HEADER, which may be missing. The old form has none.
func (p *parser) copyHeader(o *copyOptions, parens bool) {
	o.Header = true
	if !parens || p.isPunct(",") || p.isPunct(")") {
		return
	}
	pos := p.tok.start
	v := Normalize(p.word())
	if p.tok.kind == str {
		v = Normalize(p.stringLiteral("TRUE, FALSE or MATCH"))
	} else {
		p.advance()
	}
	switch v {
	case "true", "on", "1":
	case "false", "off", "0":
		o.Header = false
	case "match":
		o.HeaderMatch = true
	default:
		p.fail(pos, codeSyntax, "HEADER is TRUE, FALSE or MATCH")
	}
}

func (p *parser) copyEncoding() {
	pos := p.tok.start
	switch e := Normalize(p.stringLiteral("the name of an encoding")); e {
	case "utf8", "utf-8":
	default:
		p.fail(pos, codeUnsupported, "encoding %q is not available", shorten(e)).hint("Send the data in UTF-8.")
	}
}
