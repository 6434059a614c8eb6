package plan

import (
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// ExprKind says what an Expr is.
type ExprKind uint8

// The kinds of expressions; the set is closed.
const (
	// Column is column Index of the node's input (for a Join's residual: of left ++ right).
	Column ExprKind = iota
	// Constant is Value. Its type is never an Other unless it is null: see Literal.
	Constant
	// Param is the parameter number Index (1-based) of a prepared statement.
	Param
	// Call is the function Name over Args, as DuckDB resolved it: the arguments have exactly the types the
	// function takes (casts are explicit), operators are calls too ("+", "=", "<", "AND", "OR", "NOT", "IS NULL" …).
	Call
	// Cast turns Args[0] into Type; with Try a failing value becomes null.
	Cast
	// Case is CASE WHEN Args[0] THEN Args[1] WHEN Args[2] THEN Args[3] … ELSE Args[last] END; the number of Args is odd.
	Case
)

// Names of the calls that DuckDB has as operators of its own rather than as functions.
const (
	And             = "AND" // n-ary
	Or              = "OR"  // n-ary
	Not             = "NOT"
	IsNull          = "IS NULL"
	IsNotNull       = "IS NOT NULL"
	Coalesce        = "COALESCE" // n-ary, lazy
	In              = "IN"       // Args[0] IN (Args[1:]…), three-valued
	NotIn           = "NOT IN"   // likewise
	Try             = "TRY"      // an error in Args[0] becomes null
	Equals          = "="
	NotEquals       = "<>"
	Less            = "<"
	LessOrEqual     = "<="
	Greater         = ">"
	GreaterOrEqual  = ">="
	DistinctFrom    = "IS DISTINCT FROM"
	NotDistinctFrom = "IS NOT DISTINCT FROM"
)

// Literal is the name of a call without arguments that stands for a constant of an Other type (a list, a struct …):
// its SQL is the literal.
const Literal = "LITERAL"

// Expr is a bound scalar expression. Expressions are immutable once built and may be shared.
type Expr struct {
	Kind  ExprKind
	Type  row.Type
	Name  string // of a Call
	Args  []*Expr
	Index int       // of a Column or Param
	Value row.Value // of a Constant
	Try   bool      // of a Cast
	// SQL is text that computes the call in DuckDB where Name and Args do not say it all (lambdas, arguments that
	// exist only in bind data); in it, $1, $2 … stand for Args. Usually empty.
	SQL string
	// Volatile marks a call whose result is not a function of its arguments.
	Volatile bool
}

// Col returns a reference to column i.
func Col(i int, t row.Type) *Expr { return &Expr{Kind: Column, Type: t, Index: i} }

// Const returns a constant.
func Const(v row.Value) *Expr { return &Expr{Kind: Constant, Type: v.Type, Value: v} }

// Fn returns a call.
func Fn(name string, t row.Type, args ...*Expr) *Expr {
	return &Expr{Kind: Call, Type: t, Name: name, Args: args, Volatile: volatile(name, len(args))}
}

// Walk calls f for e and the expressions below, parents first, until f returns false; it reports whether f
// never did.
func (e *Expr) Walk(f func(*Expr) bool) bool {
	if !f(e) {
		return false
	}
	for _, a := range e.Args {
		if !a.Walk(f) {
			return false
		}
	}
	return true
}

// IsVolatile reports whether the result is not a function of the input's columns.
func (e *Expr) IsVolatile() bool { return !e.Walk(func(x *Expr) bool { return !x.Volatile }) }

// IsConstant reports whether the expression refers to no column and no parameter and is not volatile.
func (e *Expr) IsConstant() bool {
	return e.Walk(func(x *Expr) bool { return x.Kind != Column && x.Kind != Param && !x.Volatile })
}

// Columns returns the positions of the columns that the expressions refer to, ascending, each once.
func Columns(exprs ...*Expr) []int {
	var cols []int
	for _, e := range exprs {
		e.Walk(func(x *Expr) bool {
			if x.Kind == Column {
				cols = append(cols, x.Index)
			}
			return true
		})
	}
	slices.Sort(cols)
	return slices.Compact(cols)
}

// Substitute returns e with every reference to a column replaced by what f returns for it. Parts without a
// replaced column are shared with e.
func (e *Expr) Substitute(f func(col *Expr) *Expr) *Expr {
	if e.Kind == Column {
		return f(e)
	}
	var args []*Expr
	for i, a := range e.Args {
		b := a.Substitute(f)
		if b != a && args == nil {
			args = slices.Clone(e.Args)
		}
		if args != nil {
			args[i] = b
		}
	}
	if args == nil {
		return e
	}
	out := *e
	out.Args = args
	return &out
}

// shift moves all column references by n.
func (e *Expr) shift(n int) *Expr {
	if n == 0 {
		return e
	}
	return e.Substitute(func(c *Expr) *Expr { return Col(c.Index+n, c.Type) })
}

// conjuncts appends the terms of the conjunction e to into.
func conjuncts(into []*Expr, e *Expr) []*Expr {
	switch {
	case e.Kind == Call && e.Name == And:
		for _, a := range e.Args {
			into = conjuncts(into, a)
		}
		return into
	case e.Kind == Constant && !e.Value.Null && e.Type.Kind == row.Bool && e.Value.I != 0:
		return into
	}
	return append(into, e)
}

func mapExprs(es []*Expr, f func(*Expr) *Expr) []*Expr {
	if es == nil {
		return nil
	}
	out := make([]*Expr, len(es))
	for i, e := range es {
		out[i] = f(e)
	}
	return out
}
