package pgcatalog

import "strings"

// join writes the tokens as a text. The members of select lists that are a single call get the name that
// Postgres gives them: clients address columns by it.
func (w *rewriting) join(tail string) string {
	type level struct {
		list  bool // in a select list
		begin int  // where the present member begins
	}
	stack := []level{{}}
	names := map[int]string{} // by the last token of a member
	end := func(i int) {
		top := &stack[len(stack)-1]
		if top.list && i > top.begin {
			if n := columnName(w.out[top.begin:i]); n != "" {
				names[i-1] = n
			}
		}
		top.begin = i + 1
	}
	for i := range w.out {
		t := &w.out[i]
		top := &stack[len(stack)-1]
		switch {
		case t.is("select"):
			top.list, top.begin = true, i+1
			if i+1 < len(w.out) && (w.out[i+1].is("distinct") || w.out[i+1].is("all")) {
				top.begin = i + 2
			}
		case t.is(","):
			end(i)
		case t.is("from") || t.is("union") || t.is("where") || t.is("order") || t.is("limit") || t.is("group") || t.is(";"):
			end(i)
			top.list = false
		case t.is("("):
			stack = append(stack, level{begin: i + 1})
		case t.is(")"):
			end(i)
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
		}
	}
	end(len(w.out))
	var b strings.Builder
	for i := range w.out {
		b.WriteString(w.out[i].lead)
		b.WriteString(w.out[i].text)
		if n, ok := names[i]; ok {
			b.WriteString(` AS "` + n + `"`)
		}
	}
	b.WriteString(tail)
	return b.String()
}

// columnName returns the name of a member that is a single call or a replaced value, else "".
func columnName(member []token) string {
	first := &member[0]
	if len(member) == 1 {
		return strings.ReplaceAll(first.alias, `"`, `""`)
	}
	i := 0
	for i+2 < len(member) && member[i].name() && member[i+1].is(".") {
		i += 2
	}
	if !member[i].name() || i+1 >= len(member) || !member[len(member)-1].is(")") || !member[i+1].is("(") || opening(member, len(member)-1) != i+1 || operandKeyword(&member[i]) {
		return ""
	}
	if first.alias != "" {
		return strings.ReplaceAll(first.alias, `"`, `""`)
	}
	n := member[i].text
	switch member[i].kind {
	case quotedToken:
		return n[1 : len(n)-1]
	case wordToken:
		n = strings.ToLower(n)
		switch n {
		case "exists", "case", "cast", "array":
			return ""
		}
		return strings.TrimPrefix(strings.TrimPrefix(n, Schema+"."), InfoSchema+".")
	}
	return ""
}
