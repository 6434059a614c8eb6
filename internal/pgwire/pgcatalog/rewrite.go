package pgcatalog

import (
	"strings"
)

// Session is what functions of the session are replaced by.
type Session struct {
	Database string
	User     string
	// PID is the number that identifies the connection to a client.
	PID uint32
	// Setting returns a setting's value, which Postgres would return from current_setting.
	Setting func(name string) (string, bool)
}

// Rewriter rewrites queries over Postgres' catalog. It is safe for concurrent use.
type Rewriter struct {
	catalog, info map[string]bool
	functions     map[string]bool
}

// NewRewriter returns a rewriter.
func NewRewriter() *Rewriter {
	names := relationNames()
	return &Rewriter{catalog: names["pg_catalog"], info: names["information_schema"], functions: macroNames()}
}

// Rewrite returns a text over the views and macros of this package in place of one that uses Postgres' catalog, functions
// or types, and true; a text that has nothing of the kind is returned as it is. Text that cannot be
// cut into tokens is left to whoever parses it.
func (r *Rewriter) Rewrite(text string, s *Session) (string, bool) {
	if !mayNeed(text) {
		return text, false
	}
	in, tail, ok := scan(text)
	if !ok {
		return text, false
	}
	w := rewriting{Rewriter: r, session: s, in: in, out: make([]token, 0, len(in)+16)}
	w.catalogQuery = w.mentionsCatalog()
	for w.i < len(w.in) {
		w.step()
	}
	if !w.changed {
		return text, false
	}
	return w.join(tail), true
}

// mayNeed is a quick look for what Rewrite changes. Every name it changes has one of these in it.
func mayNeed(text string) bool {
	for i := range len(text) {
		switch text[i] | 0x20 {
		case 'p':
			if fold(text, i, "pg_") || fold(text, i, "public") {
				return true
			}
		case ':':
			if i+1 < len(text) && text[i+1] == ':' && pgCast(text, i+2) {
				return true
			}
		case 'i':
			if fold(text, i, "information_schema") || fold(text, i, "inet_") {
				return true
			}
		case 'c':
			if fold(text, i, "current_") || fold(text, i, "collate") || fold(text, i, "col_description") {
				return true
			}
		case 'v':
			if fold(text, i, "version") {
				return true
			}
		case 's':
			if fold(text, i, "session_user") || fold(text, i, "set_config") || fold(text, i, "shobj_") {
				return true
			}
		case 'o':
			if fold(text, i, "obj_description") || fold(text, i, "operator") {
				return true
			}
		case 'r':
			if fold(text, i, "regclass") || fold(text, i, "regtype") || fold(text, i, "regproc") || fold(text, i, "regnamespace") || fold(text, i, "row_security") {
				return true
			}
		case 'q':
			if fold(text, i, "quote_") {
				return true
			}
		case 'h':
			if fold(text, i, "has_") {
				return true
			}
		case 'f':
			if fold(text, i, "format_type") {
				return true
			}
		case 't':
			if fold(text, i, "to_reg") || fold(text, i, "txid_") {
				return true
			}
		case 'a':
			if fold(text, i, "array_upper") || fold(text, i, "array_lower") || fold(text, i, "array_remove") || fold(text, i, "as jsonb") {
				return true
			}
		case 'j':
			if fold(text, i, "json_build_object") || fold(text, i, "jsonb_build_object") {
				return true
			}
		case 'g':
			if fold(text, i, "getdatabaseencoding") {
				return true
			}
		}
	}
	return false
}

// pgCast reports whether a type begins at i that DuckDB does not have.
func pgCast(text string, i int) bool {
	for _, t := range []string{"name", "oid", `"char"`, "jsonb", "xid", "cstring", "unknown", "citext", "int2vector", "oidvector"} {
		if fold(text, i, t) {
			return true
		}
	}
	return false
}

func fold(text string, i int, prefix string) bool {
	return len(text)-i >= len(prefix) && strings.EqualFold(text[i:i+len(prefix)], prefix)
}

// rewriting is one text being rewritten: tokens are taken from in and put on out.
type rewriting struct {
	*Rewriter
	session *Session
	in, out []token
	i       int
	changed bool
	// catalogQuery says that the query reads Postgres' catalog, so that it is meant in Postgres' dialect.
	catalogQuery bool
}

func (w *rewriting) mentionsCatalog() bool {
	for i := range w.in {
		t := &w.in[i]
		if !t.name() {
			continue
		}
		switch n := t.lower(); {
		case n == "pg_catalog" || n == "information_schema":
			return true
		case w.catalog[n] && !w.at(i+1, ".") && !w.at(i+1, "("):
			return true
		}
	}
	return false
}

// at reports whether in[i] is the given word or punctuation.
func (w *rewriting) at(i int, s string) bool { return i >= 0 && i < len(w.in) && w.in[i].is(s) }

// emit puts a token on out that replaces the current one.
func (w *rewriting) emit(kind tokenKind, text string) *token {
	t := token{kind: kind, text: text}
	if w.i < len(w.in) {
		t.lead = w.in[w.i].lead
	}
	w.out = append(w.out, t)
	w.changed = true
	return &w.out[len(w.out)-1]
}

// step takes one token, or several that belong together.
func (w *rewriting) step() {
	t := &w.in[w.i]
	switch {
	case t.is("::"):
		w.cast()
		return
	case t.is("as") && w.castFunction():
		return
	case t.name() && !w.afterDot():
		if w.word(t) {
			return
		}
	case t.kind == opToken && w.catalogQuery && w.match(t):
		return
	case t.kind == stringToken && w.catalogQuery && w.arrayLiteral(t):
		return
	}
	w.out = append(w.out, *t)
	w.i++
}

func (w *rewriting) afterDot() bool { return w.i > 0 && w.in[w.i-1].is(".") }

// word handles a name that nothing qualifies. It reports whether it took it.
func (w *rewriting) word(t *token) bool {
	n := t.lower()
	switch {
	case w.at(w.i+1, ".") && w.i+2 < len(w.in) && w.in[w.i+2].name():
		return w.qualified(n)
	case t.kind == wordToken && n == "operator" && w.at(w.i+1, "("):
		return w.operator()
	case t.kind == wordToken && n == "collate":
		return w.collate()
	case t.kind == wordToken && w.sessionValue(n, w.i):
		return true
	case w.at(w.i+1, "("):
		if w.functions[n] {
			w.emit(wordToken, Schema+"."+n)
			w.i++
			return true
		}
		if n == "json_build_object" || n == "jsonb_build_object" {
			w.emit(wordToken, "json_object").alias = n
			w.i++
			return true
		}
		return w.setFunction(n, w.i)
	case strings.HasPrefix(n, "pg_") && w.catalog[n] && !w.at(w.i-1, "as"):
		w.emit(wordToken, Schema+"."+n)
		w.i++
		return true
	}
	return false
}

// qualified handles schema.name.
func (w *rewriting) qualified(schema string) bool {
	name := w.in[w.i+2].lower()
	call := w.at(w.i+3, "(")
	switch schema {
	case "pg_catalog":
		if w.sessionValue(name, w.i+2) {
			return true
		}
		switch {
		case call && w.functions[name], !call && w.catalog[name]:
			w.emit(wordToken, Schema+"."+name)
		case call && w.setFunction(name, w.i+2):
			return true
		default:
			w.emit(w.in[w.i+2].kind, w.in[w.i+2].text)
		}
	case "information_schema":
		w.emit(wordToken, InfoSchema+"."+name)
	case "public":
		w.emit(wordToken, MainSchema)
		w.i++
		return true
	default:
		return false
	}
	w.i += 3
	return true
}

// operator replaces OPERATOR(schema.op) by the operator.
func (w *rewriting) operator() bool {
	i := w.i + 2
	if i+1 < len(w.in) && w.in[i].name() && w.at(i+1, ".") {
		i += 2
	}
	if i >= len(w.in) || w.in[i].kind != opToken || !w.at(i+1, ")") {
		return false
	}
	op := w.in[i]
	op.lead = w.in[w.i].lead
	w.changed = true
	w.i = i + 2
	if !w.catalogQuery || !w.matchAt(&op, w.i) {
		w.out = append(w.out, op)
	}
	return true
}

// collate drops collations that are the order of bytes, which is the only one there is.
func (w *rewriting) collate() bool {
	i := w.i + 1
	if i+1 < len(w.in) && w.in[i].name() && w.at(i+1, ".") {
		i += 2
	}
	if i >= len(w.in) || !w.in[i].name() {
		return false
	}
	switch strings.ToLower(w.in[i].lower()) {
	case "default", "c", "posix", "ucs_basic":
		w.i = i + 1
		w.changed = true
		return true
	}
	return false
}

// sessionValue replaces a function that is about the session by its value; i is where its name is.
func (w *rewriting) sessionValue(name string, i int) bool {
	end := i + 1
	call := w.at(end, "(") && w.at(end+1, ")")
	if call {
		end += 2
	}
	var value string
	switch name {
	case "version", "pg_backend_pid":
		if !call {
			return false
		}
		if name == "version" {
			value = sqlString(VersionText)
		} else {
			value = uintText(w.session.PID)
		}
	case "current_database", "current_catalog":
		if !call && name == "current_database" {
			return false
		}
		value = sqlString(w.session.Database)
	case "current_user", "session_user", "current_role":
		if w.at(i-1, ".") && !w.at(i-2, "pg_catalog") {
			return false
		}
		value = sqlString(w.session.User)
	case "current_schema":
		value = sqlString(MainSchema)
	case "current_schemas":
		if !w.at(i+1, "(") || !w.at(i+3, ")") {
			return false
		}
		end = i + 4
		value = "['" + MainSchema + "']"
		if w.at(i+2, "true") {
			value = "['pg_catalog', '" + MainSchema + "']"
		}
	case "current_setting":
		return w.currentSetting(i)
	default:
		return false
	}
	w.emit(stringToken, value).alias = name
	w.i = end
	return true
}

func (w *rewriting) currentSetting(i int) bool {
	if !w.at(i+1, "(") || i+3 >= len(w.in) || w.in[i+2].kind != stringToken || w.session.Setting == nil {
		return false
	}
	end := i + 3
	optional := false
	if w.at(end, ",") {
		optional = w.at(end+1, "true")
		end += 2
	}
	if !w.at(end, ")") {
		return false
	}
	text := w.in[i+2].text
	v, ok := w.session.Setting(strings.ToLower(strings.Trim(text, "'")))
	switch {
	case ok:
		w.emit(stringToken, sqlString(v)).alias = "current_setting"
	case optional:
		w.emit(stringToken, "CAST(NULL AS VARCHAR)").alias = "current_setting"
	default:
		return false
	}
	w.i = end + 1
	return true
}

// setFunction names the column of a function in FROM as Postgres does, by the alias of the function: FROM unnest(a) x makes x a value.
// A function that is no table function becomes a query.
func (w *rewriting) setFunction(name string, i int) bool {
	scalar := false
	switch name {
	case "unnest", "generate_series", "generate_subscripts":
	case "string_to_array", "regexp_split_to_array":
		scalar = true
	default:
		return false
	}
	if !w.catalogQuery || len(w.out) == 0 {
		return false
	}
	if last := &w.out[len(w.out)-1]; !last.is("from") && !last.is("join") && !last.is("lateral") && !(last.is(",") && w.inFrom()) {
		return false
	}
	end := w.closing(i + 1)
	if end < 0 {
		return false
	}
	j := end + 1
	if w.at(j, "as") {
		j++
	}
	if j >= len(w.in) || !w.in[j].name() || w.at(j+1, "(") || keyword(w.in[j].lower()) {
		return false
	}
	alias := w.in[j]
	first := w.in[i]
	first.lead = w.in[w.i].lead
	if scalar {
		w.out = append(w.out, token{kind: punctToken, text: "(SELECT ", lead: first.lead})
		first.lead = ""
	}
	w.out = append(w.out, first)
	for w.i = i + 1; w.i <= j; {
		w.step()
		if scalar && w.i == end+1 {
			w.out = append(w.out, token{kind: punctToken, text: ")"})
		}
	}
	w.out = append(w.out, token{kind: punctToken, text: "(" + alias.text + ")"})
	w.changed = true
	return true
}

// inFrom reports whether the comma at the end of out is between members of FROM.
func (w *rewriting) inFrom() bool {
	depth := 0
	for j := len(w.out) - 1; j >= 0; j-- {
		switch t := &w.out[j]; {
		case t.is(")"):
			depth++
		case t.is("("):
			if depth--; depth < 0 {
				return false
			}
		case depth == 0 && t.is("from"):
			return true
		case depth == 0 && (t.is("select") || t.is("where") || t.is("by")):
			return false
		}
	}
	return false
}

// closing returns the place of the bracket in in that closes the one at i, or -1.
func (w *rewriting) closing(i int) int {
	depth := 0
	for ; i < len(w.in); i++ {
		switch {
		case w.in[i].is("("):
			depth++
		case w.in[i].is(")"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func keyword(n string) bool {
	switch n {
	case "where", "on", "join", "left", "right", "inner", "full", "cross", "order", "group", "limit", "union", "with", "having", "as", "using":
		return true
	}
	return false
}

// match handles the operators of regular expressions.
func (w *rewriting) match(op *token) bool { return w.matchAt(op, w.i+1) }

// matchAt handles one whose pattern is at a place of in: Postgres looks for a match anywhere, DuckDB matches the whole text.
func (w *rewriting) matchAt(op *token, pattern int) bool {
	negated, insensitive := false, false
	switch op.text {
	case "~":
	case "~*":
		insensitive = true
	case "!~":
		negated = true
	case "!~*":
		negated, insensitive = true, true
	default:
		return false
	}
	if pattern >= len(w.in) || w.in[pattern].kind != stringToken || w.in[pattern].text[0] != '\'' {
		return false
	}
	flags := "(?s)"
	if insensitive {
		flags = "(?is)"
	}
	out := token{kind: opToken, text: "~", lead: op.lead}
	if negated {
		out.text = "!~"
	}
	p := w.in[pattern]
	p.text = "'" + flags + ".*(" + p.text[1:len(p.text)-1] + ").*'"
	w.out = append(w.out, out, p)
	w.i = pattern + 1
	w.changed = true
	return true
}

// arrayLiteral turns the text of an array, which Postgres reads as one next to an array, into a list.
func (w *rewriting) arrayLiteral(t *token) bool {
	if len(t.text) < 4 || t.text[0] != '\'' || t.text[1] != '{' || t.text[len(t.text)-2] != '}' || strings.ContainsAny(t.text, `":`) {
		return false
	}
	body := t.text[2 : len(t.text)-2]
	if body == "" {
		w.emit(stringToken, "[]")
		w.i++
		return true
	}
	parts := strings.Split(body, ",")
	for i, p := range parts {
		if strings.Trim(p, "-0123456789") != "" || p == "" {
			parts[i] = "'" + p + "'"
		}
	}
	w.emit(stringToken, "["+strings.Join(parts, ", ")+"]")
	w.i++
	return true
}

func sqlString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func uintText(n uint32) string {
	var b [10]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}
