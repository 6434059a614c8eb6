package row

import (
	"bytes"
	"unicode/utf8"
)

// leaf makes columns of one value out of elements that are not nested, in memory that it uses again.
type leaf struct{ b Builder }

// vec returns the value of a whole element that is not null. It is good until the next call.
func (l *leaf) vec(t Type, key []byte) *Vec {
	if l.b.typ != t {
		l.b.Reset(t, 1)
	}
	l.b.Truncate(0)
	l.b.appendElement(key)
	return &Vec{Type: t, Len: 1, Data: l.b.data, Offsets: l.b.offsets}
}

// appendNestedText appends a list, struct or map as DuckDB's cast to VARCHAR writes it: [1, NULL], {'a': 1}, {k=v}.
func appendNestedText(dst []byte, t Type, nested []byte, l *leaf) []byte {
	open, end := byte('{'), byte('}')
	unnamed := t.Kind == Struct && t.shape.members[0].Name == ""
	bare := t.ArraySize() > 0 // DuckDB quotes nothing in an ARRAY
	switch {
	case t.Kind == List:
		open, end = '[', ']'
	case unnamed:
		open, end = '(', ')'
	}
	dst = append(dst, open)
	n := 0
	for it := ElementsIn(t, nested); it.Next(); n++ {
		if n > 0 {
			dst = append(dst, ',', ' ')
		}
		switch {
		case t.Kind == Map:
			entry := ElementsIn(it.Type(), it.Nested())
			if entry.Next() {
				dst = appendElementText(dst, &entry, l, t.Kind)
			}
			if dst = append(dst, '='); entry.Next() {
				dst = appendElementText(dst, &entry, l, t.Kind)
			}
			continue
		case t.Kind == Struct && !unnamed:
			dst = appendQuotedText(dst, []byte(t.shape.members[n].Name))
			dst = append(dst, ':', ' ')
		}
		if bare && !it.Null() && !it.Type().Nested() {
			dst = AppendText(dst, l.vec(it.Type(), it.Key()), 0)
			continue
		}
		dst = appendElementText(dst, &it, l, t.Kind)
	}
	return append(dst, end)
}

// appendElementText quotes what needs it, as DuckDB does: JSON not within a list, and nothing that is nested itself.
func appendElementText(dst []byte, it *Elements, l *leaf, in Kind) []byte {
	t := it.Type()
	switch {
	case it.Null():
		return append(dst, "NULL"...)
	case t.Nested():
		return appendNestedText(dst, t, it.Nested(), l)
	}
	start := len(dst)
	dst = AppendText(dst, l.vec(t, it.Key()), 0)
	if (t.Kind != JSON || in != List) && needsQuotes(dst[start:]) {
		text := bytes.Clone(dst[start:])
		return appendQuotedText(dst[:start], text)
	}
	return dst
}

// needsQuotes reports whether a text inside of a nested value's text has to be quoted to be read back.
func needsQuotes(s []byte) bool {
	if len(s) == 0 || isSpace(s[0]) || isSpace(s[len(s)-1]) || bytes.EqualFold(s, []byte("NULL")) {
		return true
	}
	return bytes.ContainsAny(s, `'"(),:=[]{}`)
}

func appendQuotedText(dst, s []byte) []byte {
	dst = append(dst, '\'')
	for _, c := range s {
		if c == '\'' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '\'')
}

// appendNestedJSON appends a list as an array, a struct as an object (without names: an array), a map as an object with its keys' texts.
func appendNestedJSON(dst []byte, t Type, nested []byte, l *leaf) []byte {
	open, end := byte('['), byte(']')
	named := t.Kind == Map || t.Kind == Struct && t.shape.members[0].Name != ""
	if named {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	n := 0
	for it := ElementsIn(t, nested); it.Next(); n++ {
		if n > 0 {
			dst = append(dst, ',')
		}
		switch {
		case t.Kind == Map:
			entry := ElementsIn(it.Type(), it.Nested())
			if !entry.Next() {
				break
			}
			dst = append(appendJSONString(dst, elementText(&entry, l)), ':')
			if entry.Next() {
				dst = appendElementJSON(dst, &entry, l)
			}
			continue
		case named:
			dst = append(appendJSONString(dst, []byte(t.shape.members[n].Name)), ':')
		}
		dst = appendElementJSON(dst, &it, l)
	}
	return append(dst, end)
}

// elementText returns an element's text by itself, in which text is not quoted.
func elementText(it *Elements, l *leaf) []byte {
	switch {
	case it.Null():
		return []byte("NULL")
	case it.Type().Nested():
		return appendNestedText(nil, it.Type(), it.Nested(), l)
	}
	return AppendText(nil, l.vec(it.Type(), it.Key()), 0)
}

func appendElementJSON(dst []byte, it *Elements, l *leaf) []byte {
	switch {
	case it.Null():
		return append(dst, "null"...)
	case it.Type().Nested():
		return appendNestedJSON(dst, it.Type(), it.Nested(), l)
	}
	return AppendJSON(dst, l.vec(it.Type(), it.Key()), 0)
}

// appendParsedNested reads JSON, or the text form that DuckDB casts from.
func (b *Builder) appendParsedNested(s []byte) error {
	if b.AppendJSONValue(s) == nil {
		return nil
	}
	fail := conversionError("Type VARCHAR with value '%s' can't be cast to the destination type %s", s, b.typ)
	if !utf8.Valid(s) {
		return conversionError("Invalid unicode (byte sequence mismatch) detected in text")
	}
	p := nestedParser{}
	key, err := p.element(nil, b.typ, bytes.TrimSpace(s), true)
	switch {
	case err != nil && err != errKey:
		return err
	case err != nil || key[0] == keyNull:
		return fail
	case len(b.data)+len(key) > Bytes32Max:
		return errNestedSize
	}
	b.AppendBytes(key[1:])
	return nil
}

// nestedParser reads the text form of nested values; errKey stands for a text that is none.
type nestedParser struct{}

// element appends the element that is the whole of s. Only the value as a whole is never null.
func (p *nestedParser) element(dst []byte, t Type, s []byte, whole bool) ([]byte, error) {
	if !whole && bytes.EqualFold(s, []byte("NULL")) && (t.Kind != JSON || string(s) != "null") {
		return append(dst, keyNull), nil
	}
	if t.Kind == JSON && validJSON(s) {
		return parsedLeaf(dst, t, s)
	}
	if !t.Nested() {
		text, ok := unquoteNested(s)
		if !ok {
			return nil, errKey
		}
		return parsedLeaf(dst, t, text)
	}
	dst = append(dst, keyValue)
	if len(s) < 2 {
		return nil, errKey
	}
	open, end := s[0], s[len(s)-1]
	items, ok := splitNested(s[1 : len(s)-1])
	switch {
	case !ok || open != '[' && open != '{' && open != '(' || end != open+2 && (open != '(' || end != ')'):
		return nil, errKey
	case t.Kind == List && open != '(':
		return p.list(dst, t, items) // braces are Postgres' arrays
	case t.Kind == Map && open == '{':
		return p.entries(dst, t, items)
	case t.Kind == Struct && open == '{':
		return p.named(dst, t, items)
	case t.Kind == Struct && open == '(' && len(items) == len(t.shape.members):
		var err error
		for i, item := range items {
			if dst, err = p.element(dst, t.shape.members[i].Type, item, false); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	return nil, errKey
}

func (p *nestedParser) list(dst []byte, t Type, items [][]byte) (_ []byte, err error) {
	if size := t.ArraySize(); size > 0 && len(items) != size {
		return nil, errKey
	}
	for _, item := range items {
		if dst, err = p.element(dst, t.Elem(), item, false); err != nil {
			return nil, err
		}
	}
	return append(dst, keyEnd), nil
}

func (p *nestedParser) entries(dst []byte, t Type, items [][]byte) (_ []byte, err error) {
	seen := map[string]bool{}
	for _, item := range items {
		at := splitPair(item, '=')
		if at < 0 {
			return nil, errKey
		}
		dst = append(dst, keyValue)
		start := len(dst)
		if dst, err = p.element(dst, t.shape.members[0].Type, bytes.TrimSpace(item[:at]), false); err != nil {
			return nil, err
		}
		if dst[start] == keyNull || seen[string(dst[start:])] {
			return nil, conversionError("Map keys must be unique and not null")
		}
		seen[string(dst[start:])] = true
		if dst, err = p.element(dst, t.shape.members[1].Type, bytes.TrimSpace(item[at+1:]), false); err != nil {
			return nil, err
		}
	}
	return append(dst, keyEnd), nil
}

func (p *nestedParser) named(dst []byte, t Type, items [][]byte) (_ []byte, err error) {
	texts := make([][]byte, len(t.shape.members))
	for _, item := range items {
		at := splitPair(item, ':')
		if at < 0 {
			return nil, errKey
		}
		name, ok := unquoteNested(bytes.TrimSpace(item[:at]))
		k := t.Member(string(name))
		if !ok || k < 0 || texts[k] != nil {
			return nil, errKey
		}
		texts[k] = bytes.TrimSpace(item[at+1:])
	}
	for k, m := range t.shape.members {
		if texts[k] == nil {
			dst = append(dst, keyNull)
		} else if dst, err = p.element(dst, m.Type, texts[k], false); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// splitNested cuts text at the commas outside of quotes and brackets.
func splitNested(s []byte) (items [][]byte, ok bool) {
	if len(bytes.TrimSpace(s)) == 0 {
		return nil, true
	}
	for {
		at := scanNested(s, ',')
		if at < 0 {
			return nil, false
		}
		items = append(items, bytes.TrimSpace(s[:at]))
		if at == len(s) {
			return items, true
		}
		s = s[at+1:]
	}
}

// splitPair returns where the mark between a key and its value is, or -1.
func splitPair(s []byte, mark byte) int {
	if at := scanNested(s, mark); at < len(s) {
		return at
	}
	return -1
}

// scanNested returns the position of the first mark outside of quotes and brackets, the end of s if there is none, -1 for quotes or
// brackets that do not match.
func scanNested(s []byte, mark byte) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == mark && depth == 0:
			return i
		case c == '\'' || c == '"':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if i >= len(s) {
				return -1
			}
		case c == '[' || c == '{' || c == '(':
			depth++
		case c == ']' || c == '}' || c == ')':
			if depth--; depth < 0 {
				return -1
			}
		}
	}
	if depth != 0 {
		return -1
	}
	return len(s)
}

// unquoteNested returns the text that s stands for; quotes around it and backslashes in them vanish.
func unquoteNested(s []byte) (text []byte, ok bool) {
	if len(s) == 0 || s[0] != '\'' && s[0] != '"' {
		return s, true
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return text, i == len(s)-1
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		text = append(text, s[i])
	}
	return nil, false
}
