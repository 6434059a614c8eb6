package dataflow

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// aggregateNames are other names of aggregates.
var aggregateNames = map[string]string{
	"mean": "avg", "countif": "count_if", "argmin": "arg_min", "min_by": "arg_min", "argmax": "arg_max", "max_by": "arg_max",
	"array_agg": "list", "group_concat": "string_agg", "listagg": "string_agg", "arbitrary": "first",
	"stddev": "stddev_samp", "variance": "var_samp", "quantile": "quantile_disc", "sumkahan": "fsum", "kahan_sum": "fsum",
}

// canonicalCall writes an aggregate as newAccumulator wants it: under its first name; with the order that the optimizer has
// put into a sort key as OrderBy again; with the number of values that min, max, arg_min and arg_max are asked for in Bind.
func canonicalCall(c plan.AggregateCall) (plan.AggregateCall, error) {
	if name, ok := aggregateNames[c.Name]; ok {
		c.Name = name
	}
	if keys := sortKeysOf(c.Args); keys != nil {
		if name := map[string]string{"arg_min_null": "first", "arg_max_null": "last", "arg_min": "any_value"}[c.Name]; name != "" {
			c.Name, c.Args, c.OrderBy = name, c.Args[:1:1], keys
			return c, nil
		}
	}
	if (c.Name == "histogram" || c.Name == "histogram_exact") && len(c.Args) == 2 {
		return bindBins(c)
	}
	args := map[string]int{"min": 1, "max": 1, "arg_min": 2, "arg_max": 2, "approx_top_k": 1}[c.Name]
	if args == 0 || len(c.Args) != args+1 {
		return c, nil
	}
	n := c.Args[args]
	if n.Kind != plan.Constant {
		return c, fault.New(fault.FeatureNotSupported, "the aggregate %s with a number of values that is not constant cannot be kept up to date yet", c.Name).
			WithHint("write the number itself: %s(…, 3)", c.Name)
	}
	if n.Value.Null || n.Value.I <= 0 || n.Value.I >= maxValues {
		return c, fault.New(fault.InvalidParameterValue, "the number of values that %s is asked for must be between 1 and %d", c.Name, maxValues-1)
	}
	c.Args = c.Args[:args:args]
	bind, err := json.Marshal(n.Value.I)
	c.Bind = bind
	return c, err
}

// maxValues is DuckDB's bound.
const maxValues = 1_000_000

// sortKeysOf returns the terms of ORDER BY that are the second argument, create_sort_key(x, 'DESC NULLS LAST', …), or nil.
func sortKeysOf(args []*plan.Expr) []plan.SortKey {
	if len(args) != 2 || args[1].Kind != plan.Call || args[1].Name != "create_sort_key" || args[1].SQL != "" {
		return nil
	}
	var keys []plan.SortKey
	for rest := args[1].Args; len(rest) >= 2; rest = rest[2:] {
		if rest[1].Kind != plan.Constant || rest[1].Value.Null {
			return nil
		}
		how := strings.ToUpper(rest[1].Value.S)
		keys = append(keys, plan.SortKey{Expr: rest[0], Descending: strings.HasPrefix(how, "DESC"), NullsFirst: strings.HasSuffix(how, "NULLS FIRST")})
	}
	return keys
}

// inputsOf are the columns that an accumulator of a canonical call takes: its arguments, then the terms of its order.
func inputsOf(c *plan.AggregateCall) []*plan.Expr {
	in := append([]*plan.Expr(nil), c.Args...)
	for _, k := range c.OrderBy {
		in = append(in, k.Expr)
	}
	return in
}

// takesNull reports which of the inputs of a canonical call may be null; rows with a null in another one are not for the accumulator.
func takesNull(c *plan.AggregateCall) []bool {
	out := make([]bool, len(c.Args)+len(c.OrderBy))
	for i := range c.OrderBy {
		out[len(c.Args)+i] = true
	}
	switch c.Name {
	case "list", "first", "last", "arg_min_null", "arg_max_null":
		out[0] = true
	case "arg_min_nulls_last", "arg_max_nulls_last":
		out[0], out[1] = true, true
	}
	return out
}

// newAccumulator returns the state of an aggregate function for one shard. The call is as canonicalCall returns it; the accumulator takes
// the columns that inputsOf says.
func newAccumulator(c *plan.AggregateCall, appendOnly bool) (accumulator, error) {
	types := typesOf(inputsOf(c))
	if err := checkOrder(c); err != nil {
		return nil, err
	}
	acc, err := plainAccumulator(c, types, appendOnly)
	if err != nil {
		return nil, err
	}
	if acc == nil {
		return nil, refuseAggregate(c, "over "+typeList(typesOf(c.Args)))
	}
	if !c.Distinct || ignoresDuplicates(c) {
		return acc, nil
	}
	if err := comparable(types, "an aggregate of DISTINCT values"); err != nil {
		return nil, err
	}
	return newDistinctAcc(types, acc, !appendOnly), nil
}

// ignoresDuplicates reports whether DISTINCT means nothing to an aggregate.
func ignoresDuplicates(c *plan.AggregateCall) bool {
	switch c.Name {
	case "min", "max", "arg_min", "arg_max":
		return len(c.Bind) == 0
	case "bool_and", "bool_or", "bit_and", "bit_or", "first", "any_value", "approx_count_distinct":
		return true
	}
	return false
}

func checkOrder(c *plan.AggregateCall) error {
	switch c.Name {
	case "list", "string_agg", "first", "last", "any_value":
		return comparable(typesOf(inputsOf(c)[len(c.Args):]), "ORDER BY in an aggregate")
	}
	if len(c.OrderBy) > 0 && modeOrder(c) == nil {
		return refuseAggregate(c, "with ORDER BY")
	}
	return nil
}

// modeOrder is the order of mode() WITHIN GROUP (ORDER BY x), by which ties are broken; else nil.
func modeOrder(c *plan.AggregateCall) *sortOrder {
	if c.Name != "mode" || len(c.OrderBy) != 1 || len(c.Args) != 1 {
		return nil
	}
	a, b := c.Args[0], c.OrderBy[0].Expr
	if a != b && (a.Kind != plan.Column || b.Kind != plan.Column || a.Index != b.Index) {
		return nil
	}
	return &sortOrder{columns: []int{0}, keys: c.OrderBy}
}

// plainAccumulator returns the state of a function over all values; nil for what is not known.
func plainAccumulator(c *plan.AggregateCall, types []row.Type, appendOnly bool) (accumulator, error) {
	for i, t := range types {
		if t.Kind == row.Other && !(i == 0 && carriesOnly(c.Name)) {
			return nil, nil
		}
	}
	one := len(c.Args) == 1
	switch c.Name {
	case "count_star":
		return &countAcc{}, nil
	case "count", "regr_count":
		if one || c.Name == "regr_count" {
			return &countAcc{typ: c.Type}, nil
		}
	case "bool_and", "bool_or", "count_if":
		if one && types[0].Kind == row.Bool {
			return &boolAcc{name: c.Name}, nil
		}
	case "sum", "sum_no_overflow", "avg":
		if one {
			return sumAccumulator(types[0], c.Type, c.Name == "avg"), nil
		}
	case "bit_and", "bit_or", "bit_xor":
		if one && types[0].IsInteger() {
			return newBitsAcc(c.Name, types[0], appendOnly), nil
		}
	case "approx_count_distinct":
		if one {
			return newCardinalityAcc(appendOnly), nil
		}
	case "min", "max", "arg_min", "arg_max", "arg_min_null", "arg_max_null", "arg_min_nulls_last", "arg_max_nulls_last":
		return extremeAccumulator(c, types, appendOnly)
	case "list", "string_agg", "first", "last", "any_value":
		return collectAccumulator(c, types, appendOnly)
	case "median", "quantile_cont", "quantile_disc", "mad", "approx_quantile", "reservoir_quantile":
		return quantileAccumulator(c, types[0])
	}
	return countedAccumulator(c, types, appendOnly)
}

// countedAccumulator is the aggregates that depend on how often values are there, and the statistical ones.
func countedAccumulator(c *plan.AggregateCall, types []row.Type, appendOnly bool) (accumulator, error) {
	if len(c.Args) == 1 {
		switch c.Name {
		case "mode":
			return newModeAcc(types[0], c.Type, 0, modeOrder(c), appendOnly), nil
		case "approx_top_k":
			n, err := valuesAsked(c)
			return newModeAcc(types[0], c.Type, n, nil, appendOnly), err
		case "entropy":
			return &entropyAcc{counts: newValueCounts(types[0])}, nil
		case "histogram", "histogram_exact":
			if len(c.Bind) > 0 {
				return newBinnedAcc(c, types[0])
			}
			return &histogramAcc{typ: c.Type, values: state.NewRanked(types)}, nil
		}
	}
	for _, t := range types {
		if t.Kind != row.Float64 {
			return nil, nil
		}
	}
	if len(c.Args) == 1 {
		switch c.Name {
		case "fsum", "favg":
			return &compensatedAcc{floatSumAcc{avg: c.Name == "favg"}}, nil
		case "product":
			return &productAcc{}, nil
		}
	}
	return statistic(c.Name), nil
}

// carriesOnly reports whether an aggregate does nothing with its values but show them.
func carriesOnly(name string) bool {
	switch name {
	case "count", "list", "first", "last", "any_value":
		return true
	}
	return false
}

func valuesAsked(c *plan.AggregateCall) (n int64, err error) {
	return n, json.Unmarshal(c.Bind, &n)
}

// extremeAccumulator is min, max, arg_min and arg_max in all forms.
func extremeAccumulator(c *plan.AggregateCall, types []row.Type, appendOnly bool) (accumulator, error) {
	max, arg := strings.Contains(c.Name, "max"), strings.HasPrefix(c.Name, "arg_")
	if len(types) != 1+boolInt(arg) {
		return nil, nil
	}
	order := &sortOrder{columns: []int{0}}
	if arg {
		order.columns = []int{1, 0}
	}
	switch {
	case len(c.Bind) > 0:
		n, err := valuesAsked(c)
		order.keys = []plan.SortKey{{Descending: max}}
		bound := n
		if !appendOnly {
			bound = 0
		}
		return &collectAcc{form: collectList, typ: c.Type, limit: n, rows: newSortedRows(types[0], 0, order, bound)}, err
	case strings.HasSuffix(c.Name, "_null") || strings.HasSuffix(c.Name, "_nulls_last"):
		order.keys = []plan.SortKey{{Descending: max}}
		if appendOnly {
			return newKeptRow(types[0], 0, order, false), nil
		}
		return &collectAcc{form: collectFirst, rows: newSortedRows(types[0], 0, order, 0)}, nil
	}
	if w := types[0].Phys().Width(); appendOnly && !arg && w > 0 && w <= 8 {
		return &keptExtreme{typ: c.Type, max: max}, nil
	}
	if appendOnly {
		return newKeptRow(types[0], 0, order, max), nil
	}
	if arg {
		types = []row.Type{types[1], types[0]}
	}
	return &orderedExtreme{max: max, arg: arg, rows: state.NewOrdered(types)}, nil
}

// collectAccumulator is list, string_agg, first, last and any_value.
func collectAccumulator(c *plan.AggregateCall, types []row.Type, appendOnly bool) (accumulator, error) {
	a := &collectAcc{typ: c.Type}
	switch c.Name {
	case "string_agg":
		var bind struct {
			Separator string `json:"separator"`
		}
		if types[0].Phys() != row.PhysBytes || types[0].Kind == row.Blob {
			return nil, nil
		}
		if err := json.Unmarshal(c.Bind, &bind); err != nil {
			return nil, refuseAggregate(c, "without a constant separator")
		}
		a.form, a.separator = collectText, bind.Separator
	case "first", "any_value":
		a.form = collectFirst
	case "last":
		a.form = collectLast
	}
	single := a.form == collectFirst || a.form == collectLast
	var order *sortOrder
	if len(c.OrderBy) > 0 {
		order = &sortOrder{keys: c.OrderBy}
		for i := range c.OrderBy {
			order.columns = append(order.columns, 1+i)
		}
		if types[0].Kind != row.Other {
			order.columns = append(order.columns, 0)
		}
	}
	switch {
	case single && appendOnly:
		return newKeptRow(types[0], 0, order, a.form == collectLast), nil
	case order != nil && (types[0].Kind != row.Other || appendOnly):
		a.rows = newSortedRows(types[0], 0, order, 0)
	case order == nil:
		a.rows = newArrivals(types[0], !appendOnly)
	default:
		return nil, nil
	}
	return a, nil
}

// quantileAccumulator is the aggregates that need the place of a value among the others.
func quantileAccumulator(c *plan.AggregateCall, in row.Type) (accumulator, error) {
	kind, elem := quantileDisc, in
	interpolates := in.IsNumeric() || in.Kind >= row.Date && in.Kind <= row.TimestampTZ
	switch {
	case len(c.Args) != 1:
		return nil, nil
	case c.Name == "mad":
		if !interpolates || in.IsInteger() {
			return nil, nil
		}
		return newQuantileAcc(quantileMad, in, c.Type, c.Type, false, false, []quantile{{f: 0.5}}), nil
	case c.Name == "approx_quantile":
		kind = quantileApprox
	case interpolates && (c.Name == "median" || c.Name == "quantile_cont"):
		kind = quantileCont
		switch {
		case in.IsInteger():
			elem = row.T(row.Float64)
		case in.Kind == row.Date:
			elem = row.T(row.Timestamp)
		}
	case c.Name == "quantile_cont":
		return nil, nil
	}
	want, desc, err := quantilesOf(c.Bind)
	if err != nil || len(want) == 0 {
		return nil, refuseAggregate(c, "with these fractions")
	}
	list := strings.HasSuffix(c.Type.String(), "[]")
	return newQuantileAcc(kind, in, c.Type, elem, list, desc, want), nil
}

func sumAccumulator(in, out row.Type, avg bool) accumulator {
	switch {
	case in.Kind == row.Float32 || in.Kind == row.Float64:
		return &floatSumAcc{avg: avg}
	case avg && out == in && in.Kind == row.Interval:
		return &intervalMeanAcc{}
	case avg && out == in && in.Phys() == row.PhysInt64 && in.Kind >= row.Date && in.Kind <= row.TimestampTZ:
		return &timeMeanAcc{intSumAcc{typ: out}}
	case avg && out.Kind == row.Float64 && (in.IsInteger() || in.Kind == row.Decimal || in.Kind == row.Bool):
		return &intSumAcc{typ: out, avg: true, scale: math.Pow10(int(in.Scale))}
	case !avg && (in.IsInteger() || in.Kind == row.Decimal || in.Kind == row.Bool) &&
		(out.Kind == row.Int128 || out.Kind == row.Int64 || out.Kind == row.Decimal):
		return &intSumAcc{typ: out}
	}
	return nil
}

func refuseAggregate(c *plan.AggregateCall, how string) error {
	return fault.New(fault.FeatureNotSupported, "the aggregate %s %s cannot be kept up to date yet", c.Name, how).
		WithHint("maintained aggregates are count, sum, avg, min, max, arg_min, arg_max, first, last, any_value, list, string_agg, histogram, mode, median, the quantiles, " +
			"mad, variances, covariances, regressions, skewness, kurtosis, entropy, product, the bits and bools and the approx_ ones, with DISTINCT and FILTER, and ORDER BY where " +
			"it decides; compute others when you read the view")
}

func typeList(types []row.Type) string {
	texts := make([]string, len(types))
	for i, t := range types {
		texts[i] = t.String()
	}
	return "(" + strings.Join(texts, ", ") + ")"
}
