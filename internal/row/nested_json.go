package row

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// PathError says where in a nested value something does not fit.
type PathError struct {
	// Path leads from the value to the part: `.a[2]`, elements counted from 1.
	Path string
	// Message says what is wrong there.
	Message string
}

// Error returns the message with the path.
func (e *PathError) Error() string { return "at " + e.Path + ": " + e.Message }

// AppendJSONValue appends a JSON value, which is not null, to a column of lists, structs or maps: an array is a list, an object a struct, whose missing members
// are null, or a map, which may also be an array of objects with a key and a value. Text is parsed as AppendParsed does, numbers are not rounded. An
// error is a *PathError, or a *ConversionError if s is no JSON; then nothing is appended.
func (b *Builder) AppendJSONValue(s []byte) error {
	if !validJSON(s) {
		return conversionError("Malformed JSON")
	}
	p := nestedJSON{text: s}
	key, err := p.element(nil, b.typ)
	if err != nil {
		return err
	}
	if key[0] == keyNull {
		return conversionError("null is no value")
	}
	if len(b.data)+len(key) > Bytes32Max {
		return errNestedSize
	}
	b.AppendBytes(key[1:])
	return nil
}

// nestedJSON reads a JSON text that has been checked.
type nestedJSON struct {
	text []byte
	at   int
}

func (p *nestedJSON) blanks() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\n' || p.text[p.at] == '\t' || p.text[p.at] == '\r') {
		p.at++
	}
}

// next returns the first byte of the next value or bracket and stays at it.
func (p *nestedJSON) next() byte {
	p.blanks()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

// skip returns the text of the next value.
func (p *nestedJSON) skip() []byte {
	p.blanks()
	start, depth := p.at, 0
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			for p.text[p.at] != '"' {
				if p.text[p.at] == '\\' {
					p.at++
				}
				p.at++
			}
		case '[', '{':
			depth++
		case ']', '}', ',', ':', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return p.text[start:p.at]
			}
			if c == ']' || c == '}' {
				depth--
			}
		}
		p.at++
		if c := p.text[p.at-1]; depth == 0 && (c == '"' || c == ']' || c == '}') {
			return p.text[start:p.at]
		}
	}
	return p.text[start:]
}

// under puts a step in front of an error's path.
func under(step string, err error) error {
	var p *PathError
	if errors.As(err, &p) {
		return &PathError{Path: step + p.Path, Message: p.Message}
	}
	return &PathError{Path: step, Message: err.Error()}
}

func (p *nestedJSON) element(dst []byte, t Type) ([]byte, error) {
	c := p.next()
	if c == 'n' {
		p.skip()
		return append(dst, keyNull), nil
	}
	switch {
	case t.Kind == List && c == '[':
		return p.list(append(dst, keyValue), t)
	case t.Kind == Map && c == '[':
		return p.pairs(append(dst, keyValue), t)
	case t.Kind == Map && c == '{':
		return p.entries(append(dst, keyValue), t)
	case t.Kind == Struct && c == '{' && t.shape.members[0].Name != "":
		return p.object(append(dst, keyValue), t)
	case t.Kind == Struct && c == '[' && t.shape.members[0].Name == "":
		return p.tuple(append(dst, keyValue), t)
	case t.Nested():
		return nil, conversionError("%s is not a value of %s", clipped(p.skip()), t)
	}
	return jsonLeaf(dst, t, p.skip())
}

// clipped bounds what a message quotes.
func clipped(s []byte) []byte {
	const most = 64
	if len(s) <= most {
		return s
	}
	return append(bytes.ToValidUTF8(s[:most:most], nil), "…"...)
}

// more goes behind the next comma, or behind the end and says so.
func (p *nestedJSON) more(end byte, first bool) bool {
	c := p.next()
	if c == end {
		p.at++
		return false
	}
	if !first {
		p.at++ // the comma
	}
	return true
}

func (p *nestedJSON) list(dst []byte, t Type) (_ []byte, err error) {
	n := 0
	p.at++
	for p.more(']', n == 0) {
		n++
		if dst, err = p.element(dst, t.Elem()); err != nil {
			return nil, under("["+strconv.Itoa(n)+"]", err)
		}
	}
	if size := t.ArraySize(); size > 0 && n != size {
		return nil, conversionError("%d elements, not %d", n, size)
	}
	return append(dst, keyEnd), nil
}

func (p *nestedJSON) tuple(dst []byte, t Type) (_ []byte, err error) {
	n := 0
	p.at++
	for p.more(']', n == 0) {
		if n == len(t.shape.members) {
			return nil, conversionError("more than the %d members of %s", n, t)
		}
		if dst, err = p.element(dst, t.shape.members[n].Type); err != nil {
			return nil, under("["+strconv.Itoa(n+1)+"]", err)
		}
		n++
	}
	for ; n < len(t.shape.members); n++ {
		dst = append(dst, keyNull)
	}
	return dst, nil
}

// name reads the name of a field and its colon.
func (p *nestedJSON) name() (string, error) {
	raw := p.skip()
	p.blanks()
	p.at++ // the colon
	name, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return "", conversionError("a name is not valid UTF-8")
	}
	return string(name), nil
}

func (p *nestedJSON) object(dst []byte, t Type) (_ []byte, err error) {
	members := t.shape.members
	spans := make([][2]int, len(members))
	start, inOrder, n := len(dst), true, 0
	p.at++
	for p.more('}', n == 0) {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		k := t.Member(name)
		if k < 0 {
			return nil, under("."+name, conversionError("%s has no member of this name", t))
		}
		if spans[k][1] != 0 {
			return nil, under("."+name, conversionError("it is there twice"))
		}
		from := len(dst)
		if dst, err = p.element(dst, members[k].Type); err != nil {
			return nil, under("."+name, err)
		}
		spans[k] = [2]int{from, len(dst)}
		inOrder = inOrder && k == n
		n++
	}
	if inOrder && n == len(members) {
		return dst, nil
	}
	parts := bytes.Clone(dst[start:])
	dst = dst[:start]
	for _, s := range spans {
		if s[1] == 0 {
			dst = append(dst, keyNull)
		} else {
			dst = append(dst, parts[s[0]-start:s[1]-start]...)
		}
	}
	return dst, nil
}

func (p *nestedJSON) entries(dst []byte, t Type) ([]byte, error) {
	seen := map[string]bool{}
	p.at++
	for p.more('}', len(seen) == 0) {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		dst = append(dst, keyValue)
		start := len(dst)
		if key := t.shape.members[0].Type; key.Nested() {
			return nil, under("."+name, conversionError("a key of %s cannot be a field's name; send an array of objects with a key and a value", key))
		} else if dst, err = parsedLeaf(dst, key, []byte(name)); err != nil {
			return nil, under("."+name, err)
		}
		if seen[string(dst[start:])] {
			return nil, under("."+name, conversionError("the key is there twice"))
		}
		seen[string(dst[start:])] = true
		if dst, err = p.element(dst, t.shape.members[1].Type); err != nil {
			return nil, under("."+name, err)
		}
	}
	return append(dst, keyEnd), nil
}

func (p *nestedJSON) pairs(dst []byte, t Type) ([]byte, error) {
	seen, entry := map[string]bool{}, t.Elem()
	n := 0
	p.at++
	for p.more(']', n == 0) {
		n++
		step := "[" + strconv.Itoa(n) + "]"
		if p.next() != '{' {
			return nil, under(step, conversionError("an entry of a map is an object with a key and a value"))
		}
		start := len(dst)
		var err error
		if dst, err = p.object(append(dst, keyValue), entry); err != nil {
			return nil, under(step, err)
		}
		key := dst[start+1:]
		if key = key[:skipElement(t.shape.members[0].Type, key)]; key[0] == keyNull || seen[string(key)] {
			return nil, under(step, conversionError("the key is null or there twice"))
		}
		seen[string(key)] = true
	}
	return append(dst, keyEnd), nil
}

func parsedLeaf(dst []byte, t Type, text []byte) ([]byte, error) {
	b := NewBuilder(t, 1)
	if err := b.AppendParsed(text); err != nil {
		return nil, err
	}
	v := b.Finish()
	return AppendKey(dst, &v, 0), nil
}

// jsonLeaf appends the value that JSON other than null stands for in a type that is not nested.
func jsonLeaf(dst []byte, t Type, raw []byte) ([]byte, error) {
	bad := func() error { return conversionError("%s is not a value of %s", clipped(raw), t) }
	if t.Kind == JSON {
		return parsedLeaf(dst, t, raw)
	}
	switch raw[0] {
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return nil, conversionError("the text has a NUL character or is not valid UTF-8")
		}
		return parsedLeaf(dst, t, text)
	case '{', '[':
		if t.Kind != String {
			return nil, bad()
		}
	case 't', 'f':
		if t.Kind != Bool && t.Kind != String {
			return nil, bad()
		}
	default:
		if t.IsInteger() {
			if whole, frac, has := bytes.Cut(raw, []byte{'.'}); has && len(bytes.Trim(frac, "0")) == 0 {
				raw = whole
			}
			if bytes.ContainsAny(raw, ".eE") {
				return nil, conversionError("%s is not a whole number", clipped(raw))
			}
		} else if !t.IsNumeric() && t.Kind != String {
			return nil, bad()
		}
	}
	return parsedLeaf(dst, t, raw)
}
