package dataflow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// sqlAggregate is an aggregate as DuckDB's text and as the call that its plan has, over columns 1 (x) and 2 (y).
type sqlAggregate struct {
	sql  string
	call plan.AggregateCall
}

func doubles() []sqlAggregate {
	d := row.T(row.Float64)
	x, y := col(1, d), col(2, d)
	var out []sqlAggregate
	for _, name := range []string{"stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop", "sem", "skewness", "kurtosis", "kurtosis_pop",
		"favg", "fsum", "product", "mad", "entropy"} {
		out = append(out, sqlAggregate{name + "(x)", plan.AggregateCall{Name: name, Args: []*plan.Expr{x}, Type: d}})
	}
	for _, name := range []string{"covar_samp", "covar_pop", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy"} {
		out = append(out, sqlAggregate{name + "(y, x)", plan.AggregateCall{Name: name, Args: []*plan.Expr{y, x}, Type: d}})
	}
	for _, q := range []string{"0.5", "0.25", "0.9", "1", "0"} {
		bind := []byte(fmt.Sprintf(`{"desc":false,"order":[0],"quantiles":[{"is_null":false,"type":{"id":"DOUBLE"},"value":%s}]}`, q))
		out = append(out, sqlAggregate{"quantile_cont(x, " + q + "::DOUBLE)", plan.AggregateCall{Name: "quantile_cont", Args: []*plan.Expr{x}, Type: d, Bind: bind}},
			sqlAggregate{"quantile_disc(x, " + q + "::DOUBLE)", plan.AggregateCall{Name: "quantile_disc", Args: []*plan.Expr{x}, Type: d, Bind: bind}})
	}
	out = append(out, sqlAggregate{"min(x)", plan.AggregateCall{Name: "min", Args: []*plan.Expr{x}, Type: d}},
		sqlAggregate{"arg_min_null(y, x)", plan.AggregateCall{Name: "arg_min_null", Args: []*plan.Expr{y, x}, Type: d}},
		sqlAggregate{"first(x ORDER BY x DESC NULLS FIRST)", plan.AggregateCall{Name: "first", Args: []*plan.Expr{x}, Type: d,
			OrderBy: []plan.SortKey{{Expr: x, Descending: true, NullsFirst: true}}}})
	return out
}

// TestFloatAggregatesEqualDuckDB feeds random rows with retractions and compares every group with DuckDB's answer for its rows, also where that is an error:
// then the group is not there.
func TestFloatAggregatesEqualDuckDB(t *testing.T) {
	oracle, err := duck.OpenOracle(duck.OracleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer oracle.Close()
	types := []row.Type{i64(), row.T(row.Float64), row.T(row.Float64)}
	for _, appendOnly := range []bool{false, true} {
		for i, agg := range doubles() {
			call := agg.call
			call.Distinct = i%5 == 4
			s := scenario{relations: map[string][]row.Type{"t": types}, appendOnly: appendOnly, root: func() plan.Node {
				return &plan.Aggregate{Input: get("t", types), Groups: []*plan.Expr{col(0, i64())}, Calls: []plan.AggregateCall{call}}
			}}
			text := agg.sql
			if call.Distinct {
				text = strings.Replace(text, "(", "(DISTINCT ", 1)
			}
			if call.Distinct && strings.Contains(text, ", ") && !strings.HasPrefix(text, "quantile") {
				call.Distinct = false
				text = agg.sql
			}
			t.Run(fmt.Sprintf("%s,append=%v", text, appendOnly), func(t *testing.T) { compareGroups(t, &s, oracle, text, uint64(i)) })
		}
	}
}

func drawDoubles(r *rand.Rand) []row.Value {
	one := func() row.Value {
		switch r.IntN(40) {
		case 0, 1, 2:
			return row.NullValue(row.T(row.Float64))
		case 3:
			return row.FloatValue([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e200, -1e-150}[r.IntN(5)])
		}
		return row.FloatValue(float64(r.IntN(64)-20) / 8)
	}
	return []row.Value{row.IntValue(i64(), int64(r.IntN(40))), one(), one()}
}

func compareGroups(t *testing.T, s *scenario, oracle *duck.Oracle, text string, seed uint64) {
	types := s.relations["t"]
	r := rand.New(rand.NewPCG(seed, 7))
	g := s.build(t, 1+int(seed%3))
	in, got := newZset(types), newZset(g.Types())
	for range 6 {
		b := in.change(r, 70, s.appendOnly, drawDoubles)
		out, err := g.Step(map[string]*row.Batch{"t": b}, parallel)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out {
			got.add(b)
		}
	}
	have := map[int64]row.Value{}
	for k, n := range got.n {
		if n != 1 {
			t.Fatalf("a group has weight %d", n)
		}
		if v, there := have[got.rows[k][0].I]; there {
			t.Fatalf("group %d has the values %v and %v", got.rows[k][0].I, v.F, got.rows[k][1].F)
		}
		have[got.rows[k][0].I] = got.rows[k][1]
	}
	schema := row.Schema{{Name: "k", Type: types[0]}, {Name: "x", Type: types[1]}, {Name: "y", Type: types[2]}}
	if err := oracle.Load("t", schema, []*row.Batch{in.batch()}); err != nil {
		t.Fatal(err)
	}
	for k := range int64(40) {
		want, known := askDuckDB(t, oracle, fmt.Sprintf("SELECT %s FROM t WHERE k = %d HAVING count(*) > 0", text, k))
		v, there := have[k]
		if known != there || known && !closeTo(v, want) {
			t.Errorf("group %d: %v (%v), DuckDB says %v (%v)", k, v, there, want, known)
		}
	}
}

// askDuckDB returns the value that a query answers; not known if it fails or has no row.
func askDuckDB(t *testing.T, oracle *duck.Oracle, text string) (v row.Value, known bool) {
	t.Helper()
	rows, err := oracle.Query(t.Context(), text)
	if err != nil {
		if !strings.Contains(err.Error(), "out of range") {
			t.Fatalf("%v\nin: %s", err, text)
		}
		return v, false
	}
	defer rows.Close()
	for {
		b, err := rows.Next(t.Context())
		if err != nil && strings.Contains(err.Error(), "out of range") {
			return v, false
		}
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			return v, known
		}
		if b.Len > 0 {
			v, known = b.Cols[0].Value(0), true
		}
	}
}

// closeTo lets a NaN stand for an infinity of DuckDB: whether a covariance with an infinity is one depends on the order of its rows.
func closeTo(a, b row.Value) bool {
	if a.Null || b.Null {
		return a.Null && b.Null
	}
	if b.Type.Nested() {
		return a == b
	}
	return a.F == b.F || a.F != a.F && b.F-b.F != 0 || math.Abs(a.F-b.F) <= 1e-9*math.Max(1, math.Abs(b.F))
}

// The variance of large values that differ little is exact, and nothing is left of what was retracted, however large it was.
func TestMomentsAreExact(t *testing.T) {
	for name, want := range map[string]float64{"var_pop": 0.25, "skewness": 0, "kurtosis_pop": -2} {
		a := statistic(name).(*momentsAcc)
		a.grow(1)
		feed := func(w int64, vals ...float64) {
			weights := slices.Repeat([]int64{w}, len(vals))
			a.update(make([]uint32, len(vals)), weights, []row.Vec{row.FromValues(row.T(row.Float64), vals, nil)})
		}
		base := float64(1 << 51)
		feed(1, base, base+1, base, base+1)
		feed(1, 1e300, 3e-300, 0.1, -7e150)
		feed(-1, 0.1, 1e300, -7e150, 3e-300)
		v, errs := a.result([]uint32{0})
		if got := row.Values[float64](&v)[0]; got != want || len(errs) > 0 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		feed(-1, base, base+1, base, base+1)
		a.result([]uint32{0})
		if a.counts.At(0).n != 0 || len(a.wide) != 0 || a.sums[1].At(0).used != 0 {
			t.Errorf("%s: something is left", name)
		}
	}
}

// A product does not drift while factors come and go.
func TestProductDoesNotDrift(t *testing.T) {
	a := &productAcc{}
	a.grow(1)
	r := rand.New(rand.NewPCG(1, 1))
	p := a.products.At(0)
	p.add(3, 1)
	for range 200_000 {
		x := math.Exp(r.NormFloat64() * 100)
		p.add(x, 1)
		p.add(x, -1)
	}
	if got := p.result(); math.Abs(got-3) > 1e-12 {
		t.Errorf("%v", got)
	}
	p.add(0, 2)
	p.add(-2, 3)
	if got := p.result(); got != 0 {
		t.Errorf("with zeros: %v", got)
	}
	p.add(0, -2)
	if got := p.result(); math.Abs(got+24) > 1e-10 {
		t.Errorf("-2³·3: %v", got)
	}
}

// The estimate stays within four standard errors of the truth while values come, come again and go.
func TestApproxCountDistinct(t *testing.T) {
	for _, appendOnly := range []bool{true, false} {
		a := newCardinalityAcc(appendOnly)
		a.grow(2)
		next, first := int64(0), int64(0)
		feed := func(lo, hi, w int64) {
			vals, groups, weights := []int64{}, []uint32{}, []int64{}
			for v := lo; v < hi; v++ {
				vals, groups, weights = append(vals, v), append(groups, 1), append(weights, w)
			}
			if appendOnly {
				weights = nil
			}
			a.update(groups, weights, []row.Vec{row.FromValues(i64(), vals, nil)})
		}
		check := func() {
			v, _ := a.result([]uint32{1})
			got, want := float64(row.Values[int64](&v)[0]), float64(next-first)
			if math.Abs(got-want) > math.Max(0.5, 4*1.04/64*want) {
				t.Errorf("append-only %v: %v, want %v", appendOnly, got, want)
			}
		}
		for _, n := range []int64{1, 2, 10, 100, 1000, 10_000, 200_000} {
			feed(next, n, 1)
			feed(next, n, 1)
			next = n
			check()
		}
		if appendOnly {
			continue
		}
		for _, n := range []int64{100_000, 199_000, 199_990, 200_000} {
			feed(first, n, -1)
			feed(first, n, -1)
			first = n
			check()
		}
		if a.registers.Len() != 0 || a.cells.Len() != 0 {
			t.Errorf("%d registers and %d cells are left", a.registers.Len(), a.cells.Len())
		}
	}
}

func TestApproxQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	qs := []quantile{{f: 0}, {f: 0.01}, {f: 0.5}, {f: 0.99}, {f: 1}}
	d := row.T(row.Float64)
	for _, q := range qs {
		a := newQuantileAcc(quantileApprox, d, d, d, false, false, []quantile{q})
		a.grow(1)
		vals := make([]float64, 50_000)
		for i := range vals {
			vals[i] = math.Exp(r.NormFloat64()*5) * float64(1-2*r.IntN(2))
		}
		groups := make([]uint32, len(vals))
		a.update(groups, nil, []row.Vec{row.FromValues(d, vals, nil)})
		gone := vals[:20_000]
		a.update(groups[:len(gone)], slices.Repeat([]int64{-1}, len(gone)), []row.Vec{row.FromValues(d, gone, nil)})
		left := slices.Sorted(slices.Values(vals[len(gone):]))
		v, _ := a.result([]uint32{0})
		got, want := row.Values[float64](&v)[0], left[q.index(int64(len(left)))]
		if math.Abs(got-want) > math.Abs(want)/512 {
			t.Errorf("%v: %v, want %v", q.f, got, want)
		}
		if a.bytes() > 1<<20 {
			t.Errorf("%d bytes", a.bytes())
		}
	}
}

// Arrivals keep their order while the oldest of equal values goes, and what goes before it comes is neither there.
func TestArrivalsKeepTheirOrder(t *testing.T) {
	a := newArrivals(text(), true)
	a.grow(1)
	feed := func(w int64, vals ...string) {
		b := row.NewBuilder(text(), len(vals))
		for _, v := range vals {
			b.AppendString(v)
		}
		a.update(make([]uint32, len(vals)), slices.Repeat([]int64{w}, len(vals)), []row.Vec{b.Finish()})
	}
	want := func(vals ...string) {
		t.Helper()
		v := a.gather(a.members(0, false, 100, nil))
		var got []string
		for i := range v.Len {
			got = append(got, v.Str(i))
		}
		if !slices.Equal(got, vals) {
			t.Errorf("%v, want %v", got, vals)
		}
	}
	feed(1, "a", "b", "a", "c")
	want("a", "b", "a", "c")
	feed(-1, "a")
	want("b", "a", "c")
	feed(2, "b")
	feed(-1, "b", "b")
	want("a", "c", "b")
	feed(-1, "a", "b", "c")
	want()
	if a.values.Len() != 0 || a.free.Len() != int(a.next) {
		t.Error("something is left")
	}
}
