package dataflow

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// jsonList is one column of json_each() or json_tree().
type jsonList struct {
	walk   *jsonWalk
	column int
}

// jsonWalk makes the columns of json_each() or json_tree() for a batch, once for all jsonLists that share it. The documents are written anew by
// DuckDB first, without blanks and with numbers and texts in their normal form; then each value in them is written as DuckDB writes it alone.
type jsonWalk struct {
	docs *scalar.Program
	tree bool // json_tree
	of   *row.Batch
	made [len(plan.JSONColumns)]lists
	errs []scalar.RowError
}

// maxJSONDepth bounds how deeply nested documents are walked.
const maxJSONDepth = 1000

// isJSONList reports whether e is what plan makes of json_each and json_tree.
func isJSONList(e *plan.Expr) bool {
	return e.Kind == plan.Call && e.SQL == "" && (e.Name == "json_each" || e.Name == "json_tree") && len(e.Args) > 1
}

// jsonLister compiles a column; walks are those made before for the same Unnest.
func (b *builder) jsonLister(e *plan.Expr, in []row.Type, walks map[string]*jsonWalk) (lister, error) {
	args, last := e.Args[:len(e.Args)-1], e.Args[len(e.Args)-1]
	column := int(last.Value.I)
	if len(args) > 1 && plan.JSONColumns[column].Position {
		return nil, fault.New(fault.FeatureNotSupported, "the column %s of %s() with a path cannot be kept up to date", plan.JSONColumns[column].Name, e.Name).
			WithHint("Take the part of the document first: %s(json_extract(document, path)).", e.Name)
	}
	key := listOf(args, ",")
	w := walks[key]
	if w == nil {
		name := "json"
		if len(args) > 1 {
			name = "json_extract"
		}
		p, err := b.compile([]*plan.Expr{plan.Fn(name, row.T(row.JSON), args...)}, in)
		if err != nil {
			return nil, err
		}
		w = &jsonWalk{docs: p, tree: e.Name == "json_tree"}
		walks[key] = w
	}
	return &jsonList{w, column}, nil
}

func (l *jsonList) elements(b *row.Batch) (lists, []scalar.RowError, error) {
	if l.walk.of != b {
		if err := l.walk.run(b); err != nil {
			return lists{}, nil, err
		}
	}
	return l.walk.made[l.column], l.walk.errs, nil
}

// run walks the documents of a batch.
func (w *jsonWalk) run(b *row.Batch) error {
	cols, errs, err := w.docs.Eval(b)
	if err != nil {
		return err
	}
	docs := &cols[0]
	out := &jsonRows{tree: w.tree}
	for c := range out.cols {
		out.cols[c] = row.NewBuilder(plan.JSONColumns[c].Type, b.Len)
	}
	ends := make([]int32, b.Len)
	var failed []scalar.RowError
	for i := range b.Len {
		if !docs.Null(i) {
			start := out.cols[0].Len()
			if err := out.document(docs.Bytes(i)); err != nil {
				for _, c := range out.cols {
					c.Truncate(start)
				}
				failed = append(failed, scalar.RowError{Row: int32(i), Message: "Invalid Input Error: " + err.Error()})
			}
		}
		for _, c := range out.cols {
			if c.ByteLen() > maxMatchBytes {
				return errUnnested
			}
		}
		ends[i] = int32(out.cols[0].Len())
	}
	for c := range out.cols {
		w.made[c] = lists{values: out.cols[c].Finish(), ends: ends}
	}
	w.of, w.errs = b, mergeErrors(errs, failed)
	return nil
}

// jsonRows collects rows of json_each or json_tree.
type jsonRows struct {
	tree bool
	cols [len(plan.JSONColumns)]*row.Builder
	text []byte
	at   int
	next int // the number of the next value, where keys are counted too
	path []byte
	key  []byte
}

var (
	errJSONText  = errors.New("a JSON document is malformed")
	errJSONDepth = fmt.Errorf("a JSON document is nested more than %d levels deep", maxJSONDepth)
)

// document adds the rows of one document.
func (r *jsonRows) document(text []byte) error {
	r.text, r.at, r.next, r.path = text, 0, 0, append(r.path[:0], '$')
	if len(text) == 0 {
		return errJSONText
	}
	nested := text[0] == '[' || text[0] == '{'
	if r.tree || !nested {
		return r.value(nil, -1, 1, 0)
	}
	r.next++
	return r.members(0, -1, 0)
}

// value adds the value at r.at, and in a tree those in it. key is nil for the root; the path up to base is that of what holds the value.
func (r *jsonRows) value(key []byte, parent, base, depth int) error {
	from, id := r.at, r.next
	r.next++
	here := r.cols[0].Len()
	if key == nil {
		r.cols[0].AppendNull()
	} else {
		r.cols[0].AppendBytes(key)
	}
	r.cols[4].AppendInt(int64(id))
	if parent < 0 {
		r.cols[5].AppendNull()
	} else {
		r.cols[5].AppendInt(int64(parent))
	}
	r.cols[6].AppendBytes(r.path)
	r.cols[7].AppendBytes(r.path[:base])
	kind, err := r.kind()
	if err != nil {
		return err
	}
	nested := kind == "ARRAY" || kind == "OBJECT"
	// The text of the value comes before those in it, so its end has to be found first.
	end := from
	if nested {
		s := skipper{text: r.text, at: from}
		if err := s.skip(0); err != nil {
			return err
		}
		end = s.at
	} else {
		end = r.at
	}
	r.cols[1].AppendBytes(r.text[from:end])
	r.cols[2].AppendString(kind)
	if nested || kind == "NULL" {
		r.cols[3].AppendNull()
	} else {
		r.cols[3].AppendBytes(r.text[from:end])
	}
	if r.cols[0].Len() != here+1 || r.cols[0].Len() > maxUnnested {
		return errJSONText
	}
	switch {
	case nested && r.tree:
		return r.members(id, id, depth)
	case nested:
		s := skipper{text: r.text, at: from}
		err := s.skip(0)
		r.at, r.next = s.at, r.next+s.values-1
		return err
	}
	return nil
}

// kind returns the type of the value at r.at, and goes behind it unless it is nested.
func (r *jsonRows) kind() (string, error) {
	if r.at >= len(r.text) {
		return "", errJSONText
	}
	c := r.text[r.at]
	if c == '[' {
		return "ARRAY", nil
	}
	if c == '{' {
		return "OBJECT", nil
	}
	from := r.at
	s := skipper{text: r.text, at: from}
	if err := s.skip(0); err != nil {
		return "", err
	}
	r.at = s.at
	switch c {
	case '"':
		return "VARCHAR", nil
	case 'n':
		return "NULL", nil
	case 't', 'f':
		return "BOOLEAN", nil
	case '-':
		if _, err := strconv.ParseInt(string(r.text[from:r.at]), 10, 64); err == nil {
			return "BIGINT", nil
		}
		return "DOUBLE", nil
	}
	if _, err := strconv.ParseUint(string(r.text[from:r.at]), 10, 64); err == nil {
		return "UBIGINT", nil
	}
	return "DOUBLE", nil
}

// members adds the values in the array or object at r.at, whose number is id.
func (r *jsonRows) members(id, parent, depth int) error {
	if depth >= maxJSONDepth {
		return errJSONDepth
	}
	base := len(r.path)
	object := r.text[r.at] == '{'
	r.at++
	for n := 0; ; n++ {
		if r.at >= len(r.text) {
			return errJSONText
		}
		if c := r.text[r.at]; c == ']' || c == '}' {
			r.at++
			r.path = r.path[:base]
			return nil
		}
		if n > 0 {
			r.at++ // the comma
		}
		var key []byte
		if object {
			if r.at >= len(r.text) || r.text[r.at] != '"' {
				return errJSONText
			}
			r.key, r.at = unquote(r.key[:0], r.text, r.at+1)
			r.at++ // the colon
			r.next++
			key = r.key
			r.path = append(append(r.path[:base], '.'), key...)
		} else {
			r.key = strconv.AppendInt(r.key[:0], int64(n), 10)
			key = r.key
			r.path = append(append(append(r.path[:base], '['), key...), ']')
		}
		if err := r.value(key, parent, base, depth+1); err != nil {
			return err
		}
	}
}

// skipper goes over values of a document without blanks and counts them, keys too.
type skipper struct {
	text   []byte
	at     int
	values int
}

func (s *skipper) skip(depth int) error {
	if s.at >= len(s.text) || depth > maxJSONDepth {
		return errJSONText
	}
	s.values++
	switch c := s.text[s.at]; c {
	case '"':
		return s.quoted()
	case '[', '{':
		for s.at++; ; {
			if s.at >= len(s.text) {
				return errJSONText
			}
			switch s.text[s.at] {
			case ']', '}':
				s.at++
				return nil
			case ',', ':':
				s.at++
			}
			if err := s.skip(depth + 1); err != nil {
				return err
			}
		}
	}
	from := s.at
	for s.at < len(s.text) && s.text[s.at] != ',' && s.text[s.at] != ']' && s.text[s.at] != '}' {
		s.at++
	}
	if s.at == from {
		return errJSONText
	}
	return nil
}

func (s *skipper) quoted() error {
	for s.at++; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return nil
		}
	}
	return errJSONText
}
