package view

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

var benchSchema = row.Schema{
	{Name: "k", Type: row.T(row.Int64)}, {Name: "a", Type: row.T(row.Int64)}, {Name: "b", Type: row.T(row.Float64)},
	{Name: "c", Type: row.T(row.Int32)}, {Name: "d", Type: row.T(row.Timestamp)},
}

// benchRows makes rows of the given keys with their generation in column a.
func benchRows(keys, generation []int64) []row.Vec {
	n := len(keys)
	b, c, d := make([]float64, n), make([]int32, n), make([]int64, n)
	for i, k := range keys {
		b[i], c[i], d[i] = float64(generation[i])/3, int32(k), k*1000
	}
	return []row.Vec{
		row.FromValues(benchSchema[0].Type, keys, nil), row.FromValues(benchSchema[1].Type, generation, nil),
		row.FromValues(benchSchema[2].Type, b, nil), row.FromValues(benchSchema[3].Type, c, nil), row.FromValues(benchSchema[4].Type, d, nil),
	}
}

func benchStore(b *testing.B, o Options, n int) *Store {
	o.Schema = benchSchema
	s := New(o)
	for from := 0; from < n; from += 10_000 {
		keys := make([]int64, min(10_000, n-from))
		for i := range keys {
			keys[i] = int64(from + i)
		}
		tick := uint64(from/10_000 + 1)
		if err := s.Apply(tick, &row.Batch{Cols: benchRows(keys, make([]int64, len(keys))), Len: len(keys)}); err != nil {
			b.Fatal(err)
		}
		s.Publish(tick)
	}
	return s
}

// BenchmarkUpdate replaces rows of random keys in ticks of 4000 changes: (-old, +new) pairs, as an aggregate emits.
func BenchmarkUpdate(b *testing.B) {
	for _, key := range [][]int{{0}, nil} {
		for _, n := range []int{1000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("key=%v/rows=%d", key, n), func(b *testing.B) {
				s := benchStore(b, Options{Key: key}, n)
				generation, r := make([]int64, n), rand.New(rand.NewPCG(1, 1))
				tick, changes := s.Published(), 0
				seen := make([]int, n)
				for round := 1; b.Loop(); round++ {
					b.StopTimer()
					var keys, gens, weights []int64
					for range 2000 {
						k := r.Int64N(int64(n))
						if seen[k] == round {
							continue
						}
						seen[k] = round
						keys, gens = append(keys, k, k), append(gens, generation[k], generation[k]+1)
						weights = append(weights, -1, 1)
						generation[k]++
					}
					delta := &row.Batch{Cols: benchRows(keys, gens), Len: len(keys), Weights: weights}
					changes += delta.Len
					tick++
					b.StartTimer()
					if err := s.Apply(tick, delta); err != nil {
						b.Fatal(err)
					}
					s.Publish(tick)
				}
				st := s.Stats()
				b.ReportMetric(float64(changes)/b.Elapsed().Seconds()/1e6, "Mchanges/s")
				b.ReportMetric(float64(st.Bytes)/float64(st.Rows), "bytes/row")
				b.ReportMetric(float64(st.Versions)/float64(st.Rows), "versions/row")
			})
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	for name, o := range map[string]Options{"keyed": {Key: []int{0}}, "multiset": {}, "append": {AppendOnly: true}} {
		b.Run(name, func(b *testing.B) {
			o.Schema = benchSchema
			s := New(o)
			next, tick := int64(0), uint64(0)
			for b.Loop() {
				b.StopTimer()
				keys := make([]int64, 4000)
				for i := range keys {
					keys[i] = next
					next++
				}
				delta := &row.Batch{Cols: benchRows(keys, slices.Clone(keys)), Len: len(keys)}
				tick++
				b.StartTimer()
				if err := s.Apply(tick, delta); err != nil {
					b.Fatal(err)
				}
				s.Publish(tick)
			}
			b.ReportMetric(float64(next)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	s := benchStore(b, Options{Key: []int{0}}, 1_000_000)
	r := rand.New(rand.NewPCG(1, 1))
	p := s.At()
	defer p.Close()
	column := []int{0}
	b.Run("key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v := [1]row.Value{row.IntValue(benchSchema[0].Type, r.Int64N(1_000_000))}
			if rows, err := p.Lookup(column, v[:], 0); err != nil || rows.Len != 1 {
				b.Fatal(rows, err)
			}
		}
	})
	b.Run("key+snapshot", func(b *testing.B) {
		for b.Loop() {
			p := s.At()
			v := [1]row.Value{row.IntValue(benchSchema[0].Type, r.Int64N(1_000_000))}
			if rows, err := p.Lookup(column, v[:], 0); err != nil || rows.Len != 1 {
				b.Fatal(rows, err)
			}
			p.Close()
		}
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			v := [1]row.Value{row.IntValue(benchSchema[3].Type, r.Int64N(1_000_000))}
			if rows, err := p.Lookup([]int{3}, v[:], 0); err != nil || rows.Len != 1 {
				b.Fatal(rows, err)
			}
		}
		b.ReportMetric(float64(b.N)*1e6/b.Elapsed().Seconds()/1e6, "Mrows/s")
	})
	b.Run("order", func(b *testing.B) {
		s.ensureOrder()
		b.ReportMetric(b.Elapsed().Seconds()*1e3, "ms/Mrows")
	})
	b.Run("range100", func(b *testing.B) {
		for b.Loop() {
			v := row.IntValue(benchSchema[0].Type, r.Int64N(999_900))
			if rows, _, err := p.Range(RangeQuery{From: &v, Limit: 100}); err != nil || rows.Len != 100 {
				b.Fatal(rows, err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	const n = 1_000_000
	whole := benchStore(b, Options{Key: []int{0}}, n)
	holes := benchStore(b, Options{Key: []int{0}}, n)
	var keys, weights []int64
	for k := int64(0); k < n; k += 3 {
		keys, weights = append(keys, k), append(weights, -1)
	}
	tick := holes.Published() + 1
	if err := holes.Apply(tick, &row.Batch{Cols: benchRows(keys, make([]int64, len(keys))), Len: len(keys), Weights: weights}); err != nil {
		b.Fatal(err)
	}
	holes.Publish(tick)
	for name, s := range map[string]*Store{"whole": whole, "holes": holes} {
		b.Run(name, func(b *testing.B) {
			rows := 0
			for b.Loop() {
				p := s.At()
				it, err := p.Scan([]int{0, 1, 2, 3, 4})
				if err != nil {
					b.Fatal(err)
				}
				for {
					batch, err := it.Next()
					if err == io.EOF {
						break
					}
					rows += batch.Len
				}
				p.Close()
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

func BenchmarkConsolidate(b *testing.B) {
	const n = 65536
	r := rand.New(rand.NewPCG(1, 1))
	for name, spread := range map[string]int64{"distinct": 1 << 60, "merging": n / 4} {
		b.Run(name, func(b *testing.B) {
			keys, gens, weights := make([]int64, n), make([]int64, n), make([]int64, n)
			for i := range keys {
				keys[i], gens[i], weights[i] = r.Int64N(spread), 1, 1-2*r.Int64N(2)
			}
			batch := &row.Batch{Cols: benchRows(keys, gens), Len: n, Weights: weights}
			var c Consolidator
			for b.Loop() {
				c.Consolidate(batch)
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
