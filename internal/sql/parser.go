package sql

import "strings"

// Bounds of a statement.
const (
	maxStatement = 1 << 20  // bytes of a statement, and of a fragment of a larger one
	maxData      = 64 << 20 // bytes of a statement that carries data
	maxDepth     = 500      // brackets within brackets
	maxName      = 255      // bytes
	maxItems     = 16384    // members of a list
)

// parser reads one statement. The first error sticks: from then on the current token is the end of the
// text, so that every loop ends and nothing further is reported.
type parser struct {
	text  string
	lex   lexer
	tok   token  // the current one
	last  int    // end of the token before it
	open  []byte // brackets that are open in a fragment
	opens []int  // and their offsets
	cases int    // CASEs that are open in a fragment
	err   *Error
}

// fail records an error at an offset; it returns it so that a hint can be added, which is harmless if
// it is not the first.
func (p *parser) fail(offset int, code, format string, args ...any) *Error {
	e := newError(p.text, offset, code, format, args...)
	p.stick(e)
	return e
}

func (p *parser) stick(e *Error) {
	if p.err == nil {
		p.err = e
	}
	p.tok = token{kind: eof, start: len(p.text), end: len(p.text)}
	p.lex.pos = len(p.text)
}

// refuse records that something is understood but not available.
func (p *parser) refuse(offset int, what, hint string) {
	p.fail(offset, codeUnsupported, "%s", what).hint("%s", hint)
}

// unexpected records a syntax error at the current token. If the token is a word like one of the
// candidates, the hint says so.
func (p *parser) unexpected(expected string, candidates ...string) *Error {
	var e *Error
	near := p.word()
	if p.tok.kind == eof {
		e = p.fail(len(p.text), codeSyntax, "syntax error at end of input")
	} else {
		kind := p.tok.kind
		e = p.fail(p.tok.start, codeSyntax, "syntax error at or near %s", `"`+shorten(near)+`"`)
		if c := closest(near, candidates); kind == word && c != "" {
			e.hint("Did you mean %s?", c)
		}
	}
	if expected != "" {
		e.detail("Expected %s.", expected)
	}
	return e
}

func (p *parser) advance() {
	p.last = p.tok.end
	t, err := p.lex.next()
	if err != nil {
		p.stick(err)
		return
	}
	p.tok = t
}

// peek returns the token behind the current one. An error in it is reported when it is reached.
func (p *parser) peek() token {
	l := p.lex
	t, _ := l.next()
	return t
}

// ahead returns a parser at the same place, to look further ahead with.
func (p *parser) ahead() *parser {
	return &parser{text: p.text, lex: p.lex, tok: p.tok, last: p.last, err: p.err}
}

// word is the text of the current token.
func (p *parser) word() string { return p.text[p.tok.start:p.tok.end] }

// is reports whether the current token is one of the keywords.
func (p *parser) is(keywords ...string) bool {
	if p.tok.kind != word {
		return false
	}
	return p.isToken(p.tok, keywords...)
}

func (p *parser) isToken(t token, keywords ...string) bool {
	if t.kind != word {
		return false
	}
	for _, k := range keywords {
		if fold(p.text[t.start:t.end], k) {
			return true
		}
	}
	return false
}

// isPunct reports whether the current token is this punctuation or operator.
func (p *parser) isPunct(s string) bool {
	return (p.tok.kind == punct || p.tok.kind == op) && p.word() == s
}

func (p *parser) nextIs(s string) bool {
	t := p.peek()
	return (t.kind == punct || t.kind == op) && p.text[t.start:t.end] == s
}

// accept takes the keywords if they follow one another here, all or none.
func (p *parser) accept(keywords ...string) bool {
	if !p.is(keywords[0]) {
		return false
	}
	if len(keywords) > 1 {
		a := p.ahead()
		for _, k := range keywords {
			if !a.is(k) {
				return false
			}
			a.advance()
		}
	}
	for range keywords {
		p.advance()
	}
	return true
}

func (p *parser) acceptPunct(s string) bool {
	if !p.isPunct(s) {
		return false
	}
	p.advance()
	return true
}

// expect takes one of the keywords or fails.
func (p *parser) expect(keywords ...string) {
	if !p.is(keywords...) {
		p.unexpected(anyOf(keywords), keywords...)
		return
	}
	p.advance()
}

// anyOf joins keywords for a message.
func anyOf(keywords []string) string {
	last := len(keywords) - 1
	if last == 0 {
		return keywords[0]
	}
	return strings.Join(keywords[:last], ", ") + " or " + keywords[last]
}

func (p *parser) expectPunct(s string) {
	if !p.acceptPunct(s) {
		p.unexpected(`"` + s + `"`)
	}
}

// atEnd reports whether the statement ends here.
func (p *parser) atEnd() bool { return p.tok.kind == eof || p.isPunct(";") }

// end requires the end of the statement, and that no other follows.
func (p *parser) end() {
	if !p.atEnd() {
		p.unexpected("the end of the statement")
		return
	}
	for p.acceptPunct(";") {
	}
	if p.tok.kind != eof {
		p.fail(p.tok.start, codeSyntax, "only one statement is allowed here").
			hint("Send the statements one by one.")
	}
}

// textFrom is the fragment from an offset to the last token taken.
func (p *parser) textFrom(start int) Text {
	if p.last < start || p.err != nil {
		return Text{Pos: start}
	}
	return Text{SQL: p.text[start:p.last], Pos: start}
}

// isName reports whether a token can be a name.
func (p *parser) isName(t token) bool {
	return t.kind == quoted || (t.kind == word && !reserved(p.text[t.start:t.end]))
}

// ident takes a name.
func (p *parser) ident(what string) Ident {
	if !p.isName(p.tok) {
		word, kind := p.word(), p.tok.kind
		e := p.unexpected(what)
		switch {
		case kind == str:
			e.hint("Write a name bare or in double quotes; single quotes make a text.")
		case reserved(word):
			e.hint(`%s is a reserved word; as a name, write it in double quotes: "%s".`, strings.ToUpper(word), word)
		}
		return Ident{}
	}
	id := Ident{Name: p.word(), Pos: p.tok.start}
	if p.tok.kind == quoted {
		id.Name = strings.ReplaceAll(id.Name[1:len(id.Name)-1], `""`, `"`)
	}
	if len(id.Name) > maxName {
		p.fail(id.Pos, codeNameTooLong, "name %q is too long: %d bytes, at most %d", shorten(id.Name), len(id.Name), maxName)
	}
	p.advance()
	return id
}

// name takes the name of a relation.
func (p *parser) name(what string) Name {
	parts := []Ident{p.ident(what)}
	for p.acceptPunct(".") {
		if len(parts) == 3 {
			p.fail(parts[0].Pos, codeSyntax, "name has too many parts").hint("A name is relation, schema.relation or database.schema.relation.")
			break
		}
		parts = append(parts, p.part("a name"))
	}
	return nameOf(parts)
}

// part takes a name where every word is one, such as behind a dot.
func (p *parser) part(what string) Ident {
	if p.tok.kind == word && reserved(p.word()) {
		id := Ident{Name: p.word(), Pos: p.tok.start}
		p.advance()
		return id
	}
	return p.ident(what)
}

// dotted takes a name in any number of parts, such as that of a setting.
func (p *parser) dotted(what string) string {
	start := p.tok.start
	parts := []string{p.part(what).Name}
	size := len(parts[0])
	for p.acceptPunct(".") {
		part := p.part(what).Name
		if size += 1 + len(part); size > maxName {
			p.fail(start, codeNameTooLong, "%s is too long: more than %d bytes", what, maxName)
			return ""
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ".")
}

func nameOf(parts []Ident) Name {
	n := Name{Name: parts[len(parts)-1].Name, Pos: parts[0].Pos}
	if len(parts) > 1 {
		n.Schema = parts[len(parts)-2].Name
	}
	if len(parts) > 2 {
		n.Database = parts[0].Name
	}
	return n
}

// list takes one or more members between parentheses; trailing allows a comma behind the last.
func (p *parser) list(trailing bool, member func()) {
	p.expectPunct("(")
	for n := 0; p.err == nil; n++ {
		if n == maxItems {
			p.fail(p.tok.start, codeTooManyItems, "list too long: more than %d members", maxItems)
			return
		}
		member()
		if !p.acceptPunct(",") {
			break
		}
		if trailing && p.isPunct(")") {
			break
		}
	}
	if p.err == nil && !p.acceptPunct(")") {
		p.unexpected(`"," or ")"`)
	}
}

// idents takes a list of names in parentheses.
func (p *parser) idents(what string) []Ident {
	var ids []Ident
	p.list(false, func() { ids = append(ids, p.ident(what)) })
	return ids
}

// stringLiteral takes a string and returns what it stands for.
func (p *parser) stringLiteral(what string) string {
	if p.tok.kind != str {
		p.unexpected(what).hint("Write it in single quotes.")
		return ""
	}
	s, ok := decodeString(p.word())
	if !ok {
		p.fail(p.tok.start, codeUnsupported, "this escape sequence is not available").hint("Write the character itself.")
	}
	p.advance()
	return s
}

// duplicate returns the first name that stands in the list twice, nil if there is none.
func duplicate(ids []Ident) *Ident {
	seen := make(map[string]bool, len(ids))
	for i := range ids {
		key := Normalize(ids[i].Name)
		if seen[key] {
			return &ids[i]
		}
		seen[key] = true
	}
	return nil
}

// distinct refuses a name that is in the list twice.
func (p *parser) distinct(ids []Ident) {
	if d := duplicate(ids); d != nil && p.err == nil {
		p.fail(d.Pos, codeDuplicateName, "column %q specified more than once", d.Name)
	}
}
