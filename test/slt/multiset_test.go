package slt

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// multiset is rows by their text.
type multiset map[string]*countedRow

type countedRow struct {
	text   string // of all but the floats
	floats []float64
	n      int64
}

func (m multiset) add(b *row.Batch) {
	for i := range b.Len {
		var r countedRow
		var t, exact []byte
		for c := range b.Cols {
			v := &b.Cols[c]
			t = append(t, " | "...)
			switch {
			case v.Null(i):
				t = append(t, "NULL"...)
			case v.Type.Kind == row.Float64 || v.Type.Kind == row.Float32:
				f := v.Value(i).F
				r.floats = append(r.floats, f)
				exact = strconv.AppendFloat(append(exact, ' '), f, 'g', -1, 64)
				t = append(t, '~')
			default:
				t = row.AppendText(t, v, i)
			}
		}
		r.text = string(t)
		key := r.text + string(exact)
		if m[key] == nil {
			m[key] = &r
		}
		if m[key].n += b.Weight(i); m[key].n == 0 {
			delete(m, key)
		}
	}
}

// flat lists the rows in an order in which those that are nearly equal stand at the same place.
func (m multiset) flat() []*countedRow {
	var out []*countedRow
	for _, r := range m {
		for range max(r.n, 1) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *countedRow) int {
		if c := strings.Compare(a.text, b.text); c != 0 {
			return c
		}
		return slices.Compare(a.floats, b.floats)
	})
	return out
}

func (r *countedRow) near(o *countedRow) bool {
	return r.text == o.text && r.n > 0 && o.n > 0 && slices.EqualFunc(r.floats, o.floats, func(a, b float64) bool {
		return a == b || a != a && b != b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), 1e-3)
	})
}

// differ says how the rows differ from those wanted, "" if they do not.
func (m multiset) differ(want multiset) string {
	got, exp := m.flat(), want.flat()
	if slices.EqualFunc(got, exp, (*countedRow).near) {
		return ""
	}
	used := make([]bool, len(exp))
	var b strings.Builder
	lines := 0
	show := func(side string, r *countedRow) {
		if lines++; lines <= 10 {
			fmt.Fprintf(&b, "  only in %s: %d × %s %v\n", side, r.n, r.text, r.floats)
		}
	}
	for _, r := range got {
		k := slices.IndexFunc(exp, r.near)
		for k >= 0 && used[k] {
			if next := slices.IndexFunc(exp[k+1:], r.near); next >= 0 {
				k += 1 + next
			} else {
				k = -1
			}
		}
		if k < 0 {
			show("Tidemill", r)
			continue
		}
		used[k] = true
	}
	for k, r := range exp {
		if !used[k] {
			show("DuckDB", r)
		}
	}
	return b.String()
}
