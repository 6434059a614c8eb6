package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

const (
	// maxDepth bounds how deep operators, expressions and types of a plan may be nested in each other.
	maxDepth = 2500
	// none is how DuckDB writes "no column" and the row id.
	none = 1<<64 - 1
)

// Decode reads the plan of one SELECT as DuckDB's json_serialize_plan (optimize := true, skip_empty := false) writes it:
// either its whole answer or the one plan in it.
//
// An operator that Node has no form for becomes an Unsupported, so that Check can say what is wrong with a query in
// the words of SQL; Decode itself fails only for text that is no such plan (which is a mismatch with the DuckDB version or
// corruption), for a plan nested too deeply, and, with a *fault.Error, for expressions that cannot be carried out at all.
//
// Root columns have the types in which results are handed out: an ENUM comes as VARCHAR, the timestamps of other
// precisions as TIMESTAMP and a bare NULL as INTEGER.
func Decode(planJSON []byte) (n Node, err error) {
	root, err := parseJSON(planJSON)
	if err != nil {
		return nil, fmt.Errorf("decoding a plan: %w", err)
	}
	d := &decoder{ctes: map[uint64]Node{}}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *decodeError:
			n, err = nil, fmt.Errorf("decoding a plan: %s", r.message)
		case *fault.Error:
			n, err = nil, r
		default:
			panic(r)
		}
	}()
	return handedOut(d.node(onlyPlan(d, root))), nil
}

// parseJSON reads DuckDB's JSON, in which NaN and the infinities may stand bare.
func parseJSON(text []byte) (any, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the plan holds a constant that DuckDB cannot write down (BIT or BIGNUM)")
	}
	dec := json.NewDecoder(bytes.NewReader(quoteNonFinite(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, errors.New("there is text behind the plan")
	}
	return v, nil
}

// quoteNonFinite puts bare NaN, Infinity and -Infinity in quotes.
func quoteNonFinite(text []byte) []byte {
	if !bytes.Contains(text, []byte("NaN")) && !bytes.Contains(text, []byte("Infinity")) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if inString {
			out = append(out, c)
			if c == '\\' && i+1 < len(text) {
				i++
				out = append(out, text[i])
			}
			inString = c != '"'
			continue
		}
		inString = c == '"'
		word := ""
		for _, w := range [...]string{"NaN", "Infinity", "-Infinity"} {
			if c == w[0] && bytes.HasPrefix(text[i:], []byte(w)) {
				word = w
			}
		}
		if word == "" {
			out = append(out, c)
			continue
		}
		out = append(append(append(out, '"'), word...), '"')
		i += len(word) - 1
	}
	return out
}

// onlyPlan takes the plan out of the answer around it, if there is one.
func onlyPlan(d *decoder, v any) any {
	o := d.object(v, "a plan")
	if _, bare := o["type"].(string); bare {
		return v
	}
	if o.flag("error") {
		d.fail("the planner answered with an error: %s", o.str("error_message"))
	}
	plans := o.list("plans")
	if len(plans) != 1 {
		d.fail("there are %d plans, not one", len(plans))
	}
	return plans[0]
}

// handedOut casts root columns to the types in which results are handed out.
func handedOut(n Node) Node {
	types := n.Types()
	exprs := make([]*Expr, len(types))
	changed := false
	for i, t := range types {
		exprs[i] = Col(i, t)
		to := t
		if t.Kind == row.Other {
			// A NULL without a type is an INTEGER, and a timestamp of a lower precision a TIMESTAMP, also inside of nested types.
			if known, ok := row.ParseTypeNamed(strings.ReplaceAll(t.Name, nullType.Name, "INTEGER"), coarseTimestamp); ok {
				to = known
			}
		}
		if to != t {
			exprs[i] = &Expr{Kind: Cast, Type: to, Args: []*Expr{exprs[i]}}
			changed = true
		}
	}
	if !changed {
		return n
	}
	return &Project{Input: n, Exprs: exprs}
}

// coarseTimestamp returns TIMESTAMP for the types that have less digits than it.
func coarseTimestamp(name string) (row.Type, bool) {
	return row.T(row.Timestamp), name == "TIMESTAMP_S" || name == "TIMESTAMP_MS"
}

// decodeError is what a decoder panics with; Decode turns it into an error.
type decodeError struct{ message string }

// decoder holds what is known while a plan is read. Its methods panic with a *decodeError or a *fault.Error.
type decoder struct {
	depth int
	// ctes holds the definitions of common table expressions in scope by DuckDB's table index.
	ctes map[uint64]Node
	// delims are the distinct combinations of the columns that the subqueries being read are correlated by, those of the
	// outermost first. DuckDB evaluates a correlated subquery once for each of them.
	delims []Node
}

func (d *decoder) fail(format string, args ...any) {
	panic(&decodeError{fmt.Sprintf(format, args...)})
}

// refuse ends decoding with an error for the user.
func (d *decoder) refuse(what, hint string) {
	panic(refusal(what, hint))
}

func (d *decoder) enter() int {
	d.depth++
	if d.depth > maxDepth {
		panic(fault.New(fault.StatementTooComplex, "the query is nested more than %d levels deep", maxDepth).
			WithHint("Split it into views that build on each other."))
	}
	return d.depth
}

func (d *decoder) leave(depth int) { d.depth = depth - 1 }

// object is a JSON object. Its accessors return zero values for what is missing or of another kind.
type object map[string]any

func (d *decoder) object(v any, what string) object {
	o, ok := v.(map[string]any)
	if !ok {
		d.fail("%s is no object", what)
	}
	return o
}

func (o object) str(key string) string {
	s, _ := o[key].(string)
	return s
}

func (o object) obj(key string) object {
	m, _ := o[key].(map[string]any)
	return m
}

func (o object) list(key string) []any {
	l, _ := o[key].([]any)
	return l
}

func (o object) flag(key string) bool {
	b, _ := o[key].(bool)
	return b
}

func (d *decoder) uint(v any) uint64 {
	n, _ := v.(json.Number)
	u, err := strconv.ParseUint(n.String(), 10, 64)
	if err != nil {
		d.fail("%v is no count", v)
	}
	return u
}

// position reads a column number, which must be below limit.
func (d *decoder) position(v any, limit int, what string) int {
	u := d.uint(v)
	if u >= uint64(limit) {
		d.fail("%s %d is out of range (there are %d)", what, u, limit)
	}
	return int(u)
}

func (d *decoder) int(v any) int64 {
	n, _ := v.(json.Number)
	i, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil {
		d.fail("%v is no integer", v)
	}
	return i
}

func (d *decoder) float(v any) float64 {
	text := ""
	switch x := v.(type) {
	case json.Number:
		text = x.String()
	case string:
		text = x
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		d.fail("%v is no number", v)
	}
	return f
}
