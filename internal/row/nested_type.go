package row

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"weak"
)

// Member is a named part of a STRUCT. The members of a struct without names have empty ones.
type Member struct {
	Name string
	Type Type
}

// Bounds of a nested or ENUM type, which may be spelled by anyone.
const (
	typeDepthMax   = 24
	typeMembersMax = 4096
	typeTextMax    = 1 << 20
	enumValuesMax  = 1<<16 - 1
)

// shape is the immutable description of a nested or ENUM type. There is one for each text, so that types are compared with ==.
type shape struct {
	text    string
	depth   int
	members []Member // a list's element; a struct's members; a map's key and value
	size    int      // of an ARRAY, 0 for a LIST
	entry   Type     // a map's entries as a STRUCT(key, value)
	values  []string // of an ENUM
	at      map[string]int
}

// shapes finds the shape of a text among those in use. It is the only state of the package: an identity for types, which holds on
// to nothing.
var shapes shapeTable

type shapeTable struct {
	mu     sync.Mutex
	byText map[string]weak.Pointer[shape]
}

// intern returns the shape in use that has the text of s, or s itself from now on.
func (t *shapeTable) intern(s *shape) *shape {
	t.mu.Lock()
	defer t.mu.Unlock()
	if have := t.byText[s.text].Value(); have != nil {
		return have
	}
	if t.byText == nil {
		t.byText = map[string]weak.Pointer[shape]{}
	}
	t.byText[s.text] = weak.Make(s)
	runtime.AddCleanup(s, t.forget, s.text)
	return s
}

func (t *shapeTable) forget(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byText[text].Value() == nil {
		delete(t.byText, text)
	}
}

// made returns a type of the kind with the shape, or an Other of its text if a member or the size of it is beyond what the engine computes with.
func made(k Kind, s *shape) Type {
	for _, m := range s.members {
		if m.Type.Kind == Other || m.Type.Kind == Invalid {
			return Type{Kind: Other, Name: s.text}
		}
		if m.Type.shape != nil {
			s.depth = max(s.depth, m.Type.shape.depth)
		}
	}
	if s.depth++; s.depth > typeDepthMax || len(s.members) > typeMembersMax || len(s.text) > typeTextMax {
		return Type{Kind: Other, Name: s.text}
	}
	if k == Map {
		s.entry = StructOf([]Member{{"key", s.members[0].Type}, {"value", s.members[1].Type}})
	}
	return Type{Kind: k, shape: shapes.intern(s)}
}

// ListOf returns the type of lists with elements of a type. Like StructOf and MapOf it returns an Other for a part of a type the engine has no form for.
func ListOf(element Type) Type { return ArrayOf(element, 0) }

// ArrayOf returns the type of lists of exactly size elements, ListOf for 0. Their values are those of a list.
func ArrayOf(element Type, size int) Type {
	text := element.String() + "[]"
	if size > 0 {
		text = element.String() + "[" + strconv.Itoa(size) + "]"
	}
	return made(List, &shape{text: text, members: []Member{{"element", element}}, size: size})
}

// StructOf returns the type of structs with the members, all named or none. It takes the slice over.
func StructOf(members []Member) Type {
	var b strings.Builder
	unnamed := len(members) > 0 && members[0].Name == ""
	b.WriteString("STRUCT(")
	if unnamed {
		b.Reset()
		b.WriteString("ROW(")
	}
	for i, m := range members {
		if i > 0 {
			b.WriteString(", ")
		}
		if !unnamed {
			b.WriteString(quoteName(m.Name) + " ")
		}
		b.WriteString(m.Type.String())
	}
	b.WriteByte(')')
	if len(members) == 0 {
		return Type{Kind: Other, Name: b.String()}
	}
	return made(Struct, &shape{text: b.String(), members: members})
}

// MapOf returns the type of maps from keys to values.
func MapOf(key, value Type) Type {
	return made(Map, &shape{text: "MAP(" + key.String() + ", " + value.String() + ")", members: []Member{{"key", key}, {"value", value}}})
}

// EnumOf returns the ENUM of the values, which are in order; an Other if two are equal or there are too many. It takes the slice over.
func EnumOf(values []string) Type {
	texts := make([]string, len(values))
	at := make(map[string]int, len(values))
	for i, v := range values {
		texts[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		at[v] = i
	}
	s := &shape{text: "ENUM(" + strings.Join(texts, ", ") + ")", values: values, at: at}
	if len(at) != len(values) || len(values) == 0 || len(values) > enumValuesMax {
		return Type{Kind: Other, Name: s.text}
	}
	return made(Enum, s)
}

// Nested reports whether values are lists, structs or maps.
func (t Type) Nested() bool { return t.Kind == List || t.Kind == Struct || t.Kind == Map }

// Elem returns the type of a list's elements, or of a map's entries: STRUCT(key, value). It is Invalid for other types.
func (t Type) Elem() Type {
	switch t.Kind {
	case List:
		return t.shape.members[0].Type
	case Map:
		return t.shape.entry
	}
	return Type{}
}

// Members returns a struct's members, or a map's key and value; the slice must not be changed.
func (t Type) Members() []Member {
	if t.Kind != Struct && t.Kind != Map {
		return nil
	}
	return t.shape.members
}

// Member returns the position of a struct's member of that name, without regard to case, or -1.
func (t Type) Member(name string) int {
	for i, m := range t.Members() {
		if strings.EqualFold(m.Name, name) {
			return i
		}
	}
	return -1
}

// ArraySize returns the number of elements of an ARRAY's values, 0 for other types.
func (t Type) ArraySize() int {
	if t.Kind != List {
		return 0
	}
	return t.shape.size
}

// EnumValues returns an ENUM's values in order; the slice must not be changed.
func (t Type) EnumValues() []string {
	if t.Kind != Enum {
		return nil
	}
	return t.shape.values
}

// EnumIndex returns the position of an ENUM's value, or -1.
func (t Type) EnumIndex(value string) int {
	if t.Kind == Enum {
		if i, ok := t.shape.at[value]; ok {
			return i
		}
	}
	return -1
}

// enumText returns the value at a position, which a damaged column could have wrong.
func (t Type) enumText(i int) string {
	if i < len(t.shape.values) {
		return t.shape.values[i]
	}
	return ""
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// typeJSON is the form of a type in JSON.
type typeJSON struct {
	Kind         Kind
	Width, Scale uint8
	Name         string
}

// MarshalJSON implements json.Marshaler. A nested type and an ENUM go by name.
func (t Type) MarshalJSON() ([]byte, error) {
	j := typeJSON{t.Kind, t.Width, t.Scale, t.Name}
	if t.shape != nil {
		j.Name = t.shape.text
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Type) UnmarshalJSON(b []byte) error {
	var j typeJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if j.Kind >= kindCount {
		return fmt.Errorf("a type of unknown kind %d", j.Kind)
	}
	*t = Type{Kind: j.Kind, Width: j.Width, Scale: j.Scale, Name: j.Name}
	if j.Kind > Other {
		named, ok := ParseType(j.Name)
		if !ok || named.Kind != j.Kind {
			return fmt.Errorf("%q is no type of kind %d", j.Name, j.Kind)
		}
		*t = named
	}
	return nil
}

// shaped reads a nested type or an ENUM; is says that the text has the form of one.
func (p typeParser) shaped(s string, depth int) (t Type, is, ok bool) {
	other := Type{Kind: Other, Name: s}
	if strings.HasSuffix(s, "]") {
		open := strings.LastIndexByte(s, '[')
		if open < 0 || depth == 0 {
			return other, true, false
		}
		size := 0
		if digits := strings.TrimSpace(s[open+1 : len(s)-1]); digits != "" {
			n, err := strconv.Atoi(digits)
			if err != nil || n < 1 || n > 100_000 {
				return other, true, false
			}
			size = n
		}
		element, ok := p.parse(s[:open], depth-1)
		if !ok {
			return other, true, false
		}
		t = ArrayOf(element, size)
		return t, true, t.Kind != Other
	}
	open := strings.IndexByte(s, '(')
	if open < 0 || !strings.HasSuffix(s, ")") {
		return other, false, false
	}
	word := strings.ToUpper(strings.TrimSpace(s[:open]))
	if word != "STRUCT" && word != "ROW" && word != "MAP" && word != "ENUM" {
		return other, false, false
	}
	args, ok := splitTypes(s[open+1 : len(s)-1])
	if !ok || depth == 0 {
		return other, true, false
	}
	switch word {
	case "ENUM":
		t, ok = parseEnum(args)
	case "MAP":
		t, ok = p.mapOf(args, depth-1)
	default:
		t, ok = p.structOf(args, word == "ROW", depth-1)
	}
	if !ok || t.Kind == Other {
		return other, true, false
	}
	return t, true, true
}

// splitTypes cuts text at the commas that are in no quotes and brackets.
func splitTypes(s string) (parts []string, ok bool) {
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '"':
			end := strings.IndexByte(s[i+1:], c) // a doubled quote is the end of one and the start of the next
			if end < 0 {
				return nil, false
			}
			i += end + 1
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	if last := strings.TrimSpace(s[start:]); last != "" || len(parts) > 0 {
		parts = append(parts, last)
	}
	return parts, depth == 0
}

func parseEnum(args []string) (Type, bool) {
	values := make([]string, len(args))
	for i, a := range args {
		v, rest, ok := unquoteSQL(a, '\'')
		if !ok || rest != "" {
			return Type{}, false
		}
		values[i] = v
	}
	t := EnumOf(values)
	return t, t.Kind == Enum
}

// unquoteSQL reads a quoted text in which the quote is doubled.
func unquoteSQL(s string, quote byte) (text, rest string, ok bool) {
	if len(s) == 0 || s[0] != quote {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) || s[i+1] != quote {
			return b.String(), s[i+1:], true
		}
		i++
		b.WriteByte(quote)
	}
	return "", s, false
}

func (p typeParser) mapOf(args []string, depth int) (Type, bool) {
	if len(args) != 2 {
		return Type{}, false
	}
	key, ok := p.parse(args[0], depth)
	value, ok2 := p.parse(args[1], depth)
	if !ok || !ok2 {
		return Type{}, false
	}
	return MapOf(key, value), true
}

func (p typeParser) structOf(args []string, mayBeUnnamed bool, depth int) (Type, bool) {
	members := make([]Member, len(args))
	seen := map[string]bool{}
	for i, a := range args {
		if t, ok := p.parse(a, depth); ok && mayBeUnnamed {
			members[i] = Member{Type: t}
			continue
		}
		name, rest, quoted := unquoteSQL(a, '"')
		if !quoted {
			at := strings.IndexAny(a, " \t\n\r")
			if at < 0 {
				return Type{}, false
			}
			name, rest = a[:at], a[at:]
		}
		t, ok := p.parse(rest, depth)
		if !ok || name == "" || seen[strings.ToLower(name)] {
			return Type{}, false
		}
		seen[strings.ToLower(name)] = true
		members[i] = Member{Name: name, Type: t}
	}
	for _, m := range members {
		if (m.Name == "") != (members[0].Name == "") {
			return Type{}, false
		}
	}
	return StructOf(members), len(members) > 0
}
