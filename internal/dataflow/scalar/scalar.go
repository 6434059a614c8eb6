package scalar

import (
	"fmt"
	"sync"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// Fallback evaluates calls that have no native implementation, in DuckDB.
type Fallback interface {
	// Compile prepares SQL text in which $1 … $n stand for arguments of the given types.
	// Values of an Other type, as argument or result, travel as JSON text.
	// The result is for one goroutine; compiling is safe for concurrent use.
	Compile(sql string, args []row.Type, result row.Type) (FallbackFunc, error)
}

// FallbackFunc is a compiled expression.
type FallbackFunc interface {
	// Eval computes the expression for n rows. When any row fails, it fails as a whole with DuckDB's message, its class
	// in front ("Conversion Error: …").
	// The arguments may be used only during the call, the result is the caller's.
	Eval(args []row.Vec, n int) (row.Vec, error)
	Close()
}

// RowError is the failure of an expression for one row.
type RowError struct {
	Row     int32  // position in the batch that was evaluated
	Message string // DuckDB's, its class in front: "Out of Range Error: Overflow in addition of INT32 (2147483647 + 1)!"
}

// Compiler makes Programs. It is safe for concurrent use and must not be copied after first use.
type Compiler struct {
	// Fallback computes what is not native; nil makes such expressions an error.
	Fallback Fallback

	once    sync.Once
	natives registry
	nested  registry // with a list, struct or map as an argument or the result
}

// Compile makes a program that computes exprs over batches whose columns have the types of input.
func (c *Compiler) Compile(exprs []*plan.Expr, input []row.Type) (*Program, error) {
	// Boolean expressions are predicates, most likely; Eval is compiled if it is asked for.
	p := &Program{compiler: c, exprs: exprs, input: input, selects: allBoolean(exprs)}
	if err := build([]*Program{p}); err != nil {
		return nil, err
	}
	return p, nil
}

// Fallbacks lists the calls of exprs that have no native implementation, each once, in order of appearance.
func (c *Compiler) Fallbacks(exprs []*plan.Expr) []string {
	var names []string
	seen, walked := map[string]bool{}, map[*plan.Expr]bool{}
	var walk func(e *plan.Expr, inside bool)
	walk = func(e *plan.Expr, inside bool) {
		if walked[e] {
			return
		}
		walked[e] = true
		e = simplified(e)
		name, is := c.needsFallback(e)
		if is && !inside && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
		for _, a := range e.Args {
			walk(a, (is || inside) && c.absorbed(a))
		}
	}
	for _, e := range exprs {
		walk(e, false)
	}
	return names
}

func (c *Compiler) needsFallback(e *plan.Expr) (name string, is bool) {
	switch e.Kind {
	case plan.Call:
		name = e.Name
	case plan.Cast:
		name = fmt.Sprintf("CAST(%s AS %s)", e.Args[0].Type, e.Type)
	default:
		return "", false
	}
	if isLazy(e) {
		return "", false
	}
	_, native := c.native(e)
	return name, !native
}

func allBoolean(exprs []*plan.Expr) bool {
	for _, e := range exprs {
		if e.Type.Kind != row.Bool {
			return false
		}
	}
	return len(exprs) > 0
}
