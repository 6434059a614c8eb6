package view

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// someValue returns a value of a type, often a special or a repeated one.
func someValue(r *rand.Rand, t row.Type) row.Value {
	if r.IntN(10) == 0 {
		return row.NullValue(t)
	}
	v := row.Value{Type: t}
	n := []int64{0, -1, 1, math.MinInt64, math.MaxInt64, r.Int64N(50) - 25, int64(r.Uint64())}[r.IntN(7)]
	switch t.Phys() {
	case row.PhysBool:
		v.I = n & 1
	case row.PhysFloat32, row.PhysFloat64:
		v.F = []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), float64(n), r.NormFloat64()}[r.IntN(7)]
	case row.PhysInterval:
		v.V = row.IntervalValue{Months: int32(r.IntN(5)) - 2, Days: int32(r.IntN(120)) - 60, Micros: (r.Int64N(9) - 4) * 43_200_000_000}
	case row.PhysInt128:
		v.I, v.H = n, []int64{0, -1, n, 1}[r.IntN(4)]
	case row.PhysUUID:
		b := make([]byte, 16)
		b[r.IntN(16)] = byte(n)
		v.S = string(b)
	case row.PhysBytes:
		for range r.IntN(5) {
			v.S += string([]byte{[]byte{0, 1, 'a', 0xff}[r.IntN(4)]})
		}
	default:
		v.I = n // the builder truncates it to the width
	}
	return v
}

func everyType() []row.Type {
	ts := []row.Type{row.DecimalType(10, 2), row.DecimalType(38, 3), {Kind: row.Other, Name: "INTEGER[]"}}
	for k := row.Bool; k < row.Other; k++ {
		if k != row.Decimal {
			ts = append(ts, row.T(k))
		}
	}
	return ts
}

// For every type of key, rows are found by key, come in the order of row.Compare, and are updated and deleted.
func TestEveryTypeAsKey(t *testing.T) {
	for _, typ := range everyType() {
		t.Run(typ.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, uint64(typ.Kind)))
			s := New(Options{Schema: row.Schema{{Name: "key", Type: typ}, {Name: "n", Type: row.T(row.Int32)}}, Key: []int{0}})
			// Distinct values, by the package's own rules of equality.
			b := row.NewBuilder(typ, 0)
			for range 300 {
				b.AppendValue(someValue(r, typ))
			}
			all := b.Finish()
			weights := slices.Repeat([]int64{1}, all.Len)
			distinct := Consolidate(&row.Batch{Cols: []row.Vec{all}, Len: all.Len, Weights: weights}).Cols[0]
			n := distinct.Len
			at := make([]int32, n)
			for i := range at {
				at[i] = int32(i)
			}
			slices.SortFunc(at, func(i, j int32) int { return row.Compare(&distinct, int(i), &distinct, int(j)) })
			sorted := distinct.Gather(at)

			apply := func(tick uint64, from, to, weight int, numbers ...int) {
				batch := &row.Batch{Cols: []row.Vec{sorted.Slice(from, to), row.IntValue(row.T(row.Int32), int64(numbers[0])).Repeat(to - from)}, Len: to - from}
				batch.Weights = slices.Repeat([]int64{int64(weight)}, to-from)
				mustApply(t, s, tick, batch)
			}
			apply(1, 0, n, 1, 7)
			s.Publish(1)
			apply(2, 0, n, -1, 7)
			apply(2, n/3, n, 1, 8)
			s.Publish(2)
			old, err := s.Snapshot(1)
			if err != nil {
				t.Fatal(err)
			}
			now := s.At()
			checkTyped(t, old, sorted, 0, 7)
			checkTyped(t, now, sorted, n/3, 8)
			old.Close()
			now.Close()
		})
	}
}

// checkTyped expects the sorted keys from a position on.
func checkTyped(t *testing.T, p *Snapshot, sorted row.Vec, from int, number int64) {
	t.Helper()
	rows, next, err := p.Range(RangeQuery{})
	if err != nil || next != nil || rows.Len != sorted.Len-from {
		t.Fatalf("%d rows of %d, %v", rows.Len, sorted.Len-from, err)
	}
	for i := range rows.Len {
		if !row.Equal(&rows.Cols[0], i, &sorted, from+i) {
			t.Fatalf("row %d of the range is another", i)
		}
	}
	for i := range sorted.Len {
		v := sorted.Value(i)
		b, err := p.Lookup([]int{0}, []row.Value{v}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if want := i >= from; (b.Len == 1) != want || (want && b.Cols[1].Value(0).I != number) {
			t.Fatalf("lookup of %+v: %d rows", v, b.Len)
		}
		// The same by a filter, since the index is not of these columns.
		wide, err := (&gathering{p: p, columns: []int{0}, want: []row.Vec{sorted.Slice(i, i+1)}, limit: 10}).scanned()
		if err != nil || wide.Len != b.Len {
			t.Fatalf("scan for %+v: %d rows, %v", v, wide.Len, err)
		}
		if i < from || v.Null {
			continue
		}
		b, _, err = p.Range(RangeQuery{From: &v, Limit: 2})
		if err != nil || b.Len == 0 || !row.Equal(&b.Cols[0], 0, &sorted, i) {
			t.Fatalf("range from %+v: %v %v", v, b, err)
		}
	}
}

func (g *gathering) scanned() (*row.Batch, error) {
	g.scan()
	return g.result()
}

// Rows of every type at once, as a multiset: the same values come back.
func TestEveryTypeInARow(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	types := everyType()
	schema := make(row.Schema, len(types))
	for i, typ := range types {
		schema[i] = row.Column{Name: fmt.Sprint("c", i), Type: typ}
	}
	bb := row.NewBatchBuilder(types, 0)
	const rows = 5000
	for range rows {
		for i, typ := range types {
			bb.Cols[i].AppendValue(someValue(r, typ))
		}
	}
	all := bb.Finish(rows)
	s := New(Options{Schema: schema})
	mustApply(t, s, 1, all.Slice(0, 3000))
	s.Publish(1)
	mustApply(t, s, 2, all.Slice(3000, rows))
	gone := all.Slice(100, 4000)
	gone = &row.Batch{Cols: gone.Cols, Len: gone.Len, Weights: slices.Repeat([]int64{-1}, gone.Len)}
	mustApply(t, s, 2, gone)
	s.Publish(2)
	p := s.At()
	defer p.Close()
	it, err := p.Scan(count(len(types)))
	if err != nil {
		t.Fatal(err)
	}
	got := []*row.Batch{all.Slice(0, 100), all.Slice(4000, rows)}
	for {
		b, err := it.Next()
		if err != nil {
			break
		}
		got = append(got, &row.Batch{Cols: b.Cols, Len: b.Len, Weights: slices.Repeat([]int64{-1}, b.Len)})
	}
	if rest := Consolidate(row.Concat(got)); rest.Len != 0 {
		t.Errorf("%d rows too few or too many", rest.Len)
	}
}
