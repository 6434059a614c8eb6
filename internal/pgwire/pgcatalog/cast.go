package pgcatalog

import "strings"

// typeNames are Postgres' types that DuckDB knows by another name.
func castType(name string) (string, bool) {
	switch name {
	case "name", "char", "cstring", "unknown", "citext", "sql_identifier", "character_data", "yes_or_no", "pg_node_tree", "aclitem", "inet", "cidr", "xml":
		return "VARCHAR", true
	case "oid", "xid", "xid8", "cid":
		return "BIGINT", true
	case "cardinal_number":
		return "INTEGER", true
	case "int2vector":
		return "SMALLINT[]", true
	case "oidvector":
		return "BIGINT[]", true
	case "jsonb":
		return "JSON", true
	}
	return "", false
}

// regType returns the macro for a type whose values are numbers that are shown as names.
func regType(name string) string {
	switch name {
	case "regclass", "regtype", "regnamespace", "regrole":
		return name
	case "regproc", "regprocedure", "regoper", "regoperator", "regconfig", "regdictionary", "regcollation":
		return "regproc"
	}
	return ""
}

// typeAt reads the name of the type at in[i], without its schema, and returns where it ends.
func (w *rewriting) typeAt(i int) (name string, qualified bool, end int) {
	if i+2 < len(w.in) && w.in[i].name() && w.at(i+1, ".") {
		switch w.in[i].lower() {
		case "pg_catalog", "information_schema":
			i, qualified = i+2, true
		}
	}
	if i >= len(w.in) || !w.in[i].name() {
		return "", false, i
	}
	name = w.in[i].lower()
	if name == "char" && w.in[i].kind != quotedToken {
		name = "character"
	}
	return name, qualified, i + 1
}

// cast handles value::type.
func (w *rewriting) cast() {
	name, qualified, end := w.typeAt(w.i + 1)
	array := w.at(end, "[") && w.at(end+1, "]")
	if reg := regType(name); reg != "" && !array {
		start := operandStart(w.out)
		if start < len(w.out) {
			w.wrap(start, reg, end)
			w.i = end
			return
		}
	}
	if regType(name) != "" {
		name = "oid"
	}
	if t, ok := castType(name); ok {
		w.out = append(w.out, w.in[w.i])
		w.i++
		w.emit(wordToken, t)
		w.i = end
		return
	}
	w.out = append(w.out, w.in[w.i])
	w.i++
	if qualified {
		w.emit(w.in[end-1].kind, w.in[end-1].text)
		w.i = end
	}
}

// castFunction handles the AS of CAST(value AS type). It reports whether it took anything.
func (w *rewriting) castFunction() bool {
	name, qualified, end := w.typeAt(w.i + 1)
	t, known := castType(name)
	reg := regType(name)
	if !known && reg == "" && !qualified {
		return false
	}
	open := openBracket(w.out)
	if open < 1 || !w.out[open-1].is("cast") && !w.out[open-1].is("try_cast") {
		return false
	}
	if reg != "" && w.at(end, ")") && open+1 < len(w.out) {
		lead := w.out[open-1].lead
		operand := append([]token(nil), w.out[open+1:]...)
		w.out = append(w.out[:open-1], operand...)
		w.out[open-1].lead = lead
		w.wrap(open-1, reg, end+1)
		w.i = end + 1
		return true
	}
	w.out = append(w.out, w.in[w.i])
	w.i++
	switch {
	case known:
		w.emit(wordToken, t)
	case reg != "":
		w.emit(wordToken, "BIGINT")
	default:
		w.emit(w.in[end-1].kind, w.in[end-1].text)
	}
	w.i = end
	return true
}

// wrap puts the value that begins at out[start] into the function that reads or shows it as a reg type. A name in a
// comparison or cast to a number is looked up; anything else is shown by its name.
func (w *rewriting) wrap(start int, reg string, next int) {
	direction := "_out"
	literal := start == len(w.out)-1 && (w.out[start].kind == stringToken || w.out[start].kind == paramToken)
	if literal || comparison(w.out, start-1) || next < len(w.in) && comparison(w.in, next) || w.numberFollows(next) {
		direction = "_in"
	}
	open := token{kind: wordToken, text: Schema + "." + reg + direction, lead: w.out[start].lead}
	switch last := &w.out[len(w.out)-1]; {
	case last.name():
		open.alias = last.lower()
	case literal:
		open.alias = reg
	case last.is(")"):
		if o := opening(w.out, len(w.out)-1); o > start && w.out[o-1].name() {
			open.alias = w.out[o-1].lower()
		}
	}
	w.out[start].lead = ""
	operand := append([]token(nil), w.out[start:]...)
	w.out = append(w.out[:start], open, token{kind: punctToken, text: "("})
	w.out = append(w.out, operand...)
	w.out = append(w.out, token{kind: punctToken, text: ")"})
	w.changed = true
}

// numberFollows reports whether a value is cast to a number next, as by ::oid.
func (w *rewriting) numberFollows(i int) bool {
	if !w.at(i, "::") && !w.at(i, "as") {
		return false
	}
	name, _, _ := w.typeAt(i + 1)
	switch name {
	case "oid", "int", "int4", "int8", "bigint", "integer":
		return true
	}
	return false
}

func comparison(tokens []token, i int) bool {
	if i < 0 || i >= len(tokens) {
		return false
	}
	switch t := &tokens[i]; t.kind {
	case opToken:
		return t.text == "=" || t.text == "<>" || t.text == "!="
	case wordToken:
		return t.is("in")
	case punctToken:
		return t.text == "(" && i > 0 && tokens[i-1].is("in")
	}
	return false
}

// operandStart returns where the value at the end of tokens begins; len(tokens) if there is none.
func operandStart(tokens []token) int {
	j := len(tokens) - 1
	for j >= 0 {
		switch t := &tokens[j]; {
		case t.is(")") || t.is("]"):
			if j = opening(tokens, j); j < 0 {
				return len(tokens)
			}
			if j > 0 && (tokens[j].is("[") || tokens[j-1].name() && !operandKeyword(&tokens[j-1])) {
				j--
				continue
			}
		case t.kind == stringToken || t.kind == numberToken || t.kind == paramToken:
		case t.name():
			for j >= 2 && tokens[j-1].is(".") && tokens[j-2].name() {
				j -= 2
			}
		default:
			return len(tokens)
		}
		if j >= 2 && tokens[j-1].is("::") {
			j -= 2
			continue
		}
		return j
	}
	return len(tokens)
}

// operandKeyword reports whether a word before a bracket is no function.
func operandKeyword(t *token) bool {
	if t.kind != wordToken {
		return false
	}
	switch strings.ToLower(t.text) {
	case "in", "and", "or", "not", "select", "where", "on", "when", "then", "else", "any", "all", "from", "by", "as", "is", "like":
		return true
	}
	return false
}

// opening returns the place of the bracket that the one at j closes, or -1.
func opening(tokens []token, j int) int {
	depth := 0
	for ; j >= 0; j-- {
		switch t := &tokens[j]; {
		case t.kind != punctToken:
		case t.text == ")" || t.text == "]":
			depth++
		case t.text == "(" || t.text == "[":
			if depth--; depth == 0 {
				return j
			}
		}
	}
	return -1
}

// openBracket returns the place of the last bracket that is not closed, or -1.
func openBracket(tokens []token) int {
	depth := 1
	for j := len(tokens) - 1; j >= 0; j-- {
		switch t := &tokens[j]; {
		case t.kind != punctToken:
		case t.text == ")":
			depth++
		case t.text == "(":
			if depth--; depth == 0 {
				return j
			}
		}
	}
	return -1
}
