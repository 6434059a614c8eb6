package dataflow

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// TestBinsEqualDuckDB compares histograms with bins over random rows with retractions, infinities and what is no number.
func TestBinsEqualDuckDB(t *testing.T) {
	oracle, err := duck.OpenOracle(duck.OracleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer oracle.Close()
	types := []row.Type{i64(), row.T(row.Float64), row.T(row.Float64)}
	d := row.T(row.Float64)
	for i, bins := range [][]float64{{0, 1, 2.5}, {3, -1}, {0}, {}} {
		list := make([]row.Value, len(bins))
		text := "["
		for k, b := range bins {
			list[k] = row.FloatValue(b)
			text += fmt.Sprintf("%g::DOUBLE,", b)
		}
		for _, name := range []string{"histogram", "histogram_exact"} {
			call := plan.AggregateCall{Name: name, Type: row.MapOf(d, row.T(row.Uint64)), Args: []*plan.Expr{col(1, d), plan.Const(row.ListValue(row.ListOf(d), list...))}}
			s := scenario{relations: map[string][]row.Type{"t": types}, root: func() plan.Node {
				return &plan.Aggregate{Input: get("t", types), Groups: []*plan.Expr{col(0, i64())}, Calls: []plan.AggregateCall{call}}
			}}
			asked := fmt.Sprintf("%s(x, %s]::DOUBLE[])", name, text)
			t.Run(asked, func(t *testing.T) {
				compareGroups(t, &s, oracle, asked, uint64(i))
				resume(t, &s, uint64(i))
			})
		}
	}
}

// resume wants a graph that was loaded from what another one has saved to go on as that one does.
func resume(t *testing.T, s *scenario, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 8))
	g, in := s.build(t, 1), newZset(s.relations["t"])
	saved := saver{r: r}
	step := func(g *Graph, b *row.Batch) map[string]int64 {
		out, err := g.Step(map[string]*row.Batch{"t": b}, parallel)
		if err != nil {
			t.Fatal(err)
		}
		z := newZset(g.Types())
		for _, b := range out {
			z.add(b)
		}
		return z.n
	}
	var twin *Graph
	for twin == nil {
		step(g, in.change(r, 70, false, drawDoubles))
		saved.save(g)
		twin = saved.load(t, func() *Graph { return s.build(t, 1) })
	}
	for range 3 {
		b := in.change(r, 70, false, drawDoubles)
		if want, got := step(g, b), step(twin, b); !maps.Equal(got, want) {
			t.Fatalf("%d rows change, %d in the graph that was loaded", len(want), len(got))
		}
	}
}
