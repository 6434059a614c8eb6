package view

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// line is a row as the oracle holds it: one Value per column.
type line []row.Value

func (l line) String() string {
	var b []byte
	for _, v := range l {
		switch {
		case v.Null:
			b = append(b, "null"...)
		case v.Type.Kind == row.Float64:
			b = strconv.AppendFloat(b, v.F, 'g', -1, 64)
		case v.Type.Phys() == row.PhysBytes:
			b = strconv.AppendQuote(b, v.S)
		default:
			b = strconv.AppendInt(b, v.I, 10)
		}
		b = append(b, '|')
	}
	return string(b)
}

func lineAt(b *row.Batch, i int) line {
	l := make(line, len(b.Cols))
	for c := range b.Cols {
		l[c] = b.Cols[c].Value(i)
	}
	return l
}

func (l line) project(cols []int) line {
	out := make(line, len(cols))
	for i, c := range cols {
		out[i] = l[c]
	}
	return out
}

// batchOf makes a batch of lines; weights may be nil.
func batchOf(schema row.Schema, lines []line, weights []int64) *row.Batch {
	bb := row.NewBatchBuilder(schema.Types(), len(lines))
	for _, l := range lines {
		for c, v := range l {
			bb.Cols[c].AppendValue(v)
		}
	}
	b := bb.Finish(len(lines))
	b.Weights = weights
	return b
}

// linesOf returns the rows of a batch, sorted if asked.
func linesOf(b *row.Batch, sorted bool) []string {
	out := make([]string, b.Len)
	for i := range b.Len {
		out[i] = lineAt(b, i).String()
	}
	if sorted {
		slices.Sort(out)
	}
	return out
}

func scanLines(t *testing.T, p *Snapshot, columns []int) []string {
	t.Helper()
	it, err := p.Scan(columns)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	var out []string
	for {
		b, err := it.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if b.Len == 0 {
			t.Fatal("an empty batch")
		}
		out = append(out, linesOf(b, false)...)
	}
	slices.Sort(out)
	return out
}

// state is what the oracle knows of a tick: how many there are of each row.
type state struct {
	count map[string]int64
	lines map[string]line
}

func (s *state) clone() *state { return &state{maps.Clone(s.count), maps.Clone(s.lines)} }

func (s *state) add(l line, w int64) {
	k := l.String()
	s.count[k] += w
	s.lines[k] = l
	if s.count[k] == 0 {
		delete(s.count, k)
		delete(s.lines, k)
	}
}

// all returns the rows, copies repeated, sorted by their text.
func (s *state) all(match func(line) bool, columns []int) []string {
	var out []string
	for k, n := range s.count {
		if l := s.lines[k]; match == nil || match(l) {
			text := k
			if len(columns) != len(l) {
				text = l.project(columns).String()
			}
			for range n {
				out = append(out, text)
			}
		}
	}
	slices.Sort(out)
	return out
}

// ordered returns the rows that match in the order of the columns.
func (s *state) ordered(match func(line) bool, columns []int, schema row.Schema) []line {
	var out []line
	for k, n := range s.count {
		if !match(s.lines[k]) {
			continue
		}
		for range n {
			out = append(out, s.lines[k])
		}
	}
	slices.SortFunc(out, func(a, b line) int {
		for _, c := range columns {
			if d := compareValues(schema[c].Type, a[c], b[c]); d != 0 {
				return d
			}
		}
		return 0
	})
	return out
}

// compareValues orders values of one of the tests' types, nulls last.
func compareValues(t row.Type, a, b row.Value) int {
	switch {
	case a.Null && b.Null:
		return 0
	case a.Null:
		return 1
	case b.Null:
		return -1
	case t.Kind == row.Float64:
		return cmp.Compare(a.F, b.F)
	case t.Phys() == row.PhysBytes:
		return cmp.Compare(a.S, b.S)
	}
	return cmp.Compare(a.I, b.I)
}

func count(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		for i := range max(len(got), len(want)) {
			g, w := "(none)", "(none)"
			if i < len(got) {
				g = got[i]
			}
			if i < len(want) {
				w = want[i]
			}
			if g != w {
				t.Fatalf("%s: %d rows, want %d; row %d is %s, want %s", what, len(got), len(want), i, g, w)
			}
		}
	}
}

var (
	keyedSchema = row.Schema{
		{Name: "zone", Type: row.T(row.String)}, {Name: "v", Type: row.T(row.Float64)}, {Name: "id", Type: row.T(row.Int32)},
		{Name: "note", Type: row.T(row.String)}, {Name: "n", Type: row.T(row.Int64)}, {Name: "ok", Type: row.T(row.Bool)},
	}
	keyedKey    = []int{0, 2}
	plainSchema = row.Schema{{Name: "a", Type: row.T(row.Int16)}, {Name: "b", Type: row.T(row.String)}, {Name: "f", Type: row.T(row.Float64)}}
)

func maybeNull(r *rand.Rand, t row.Type, v row.Value) row.Value {
	if r.IntN(8) == 0 {
		return row.NullValue(t)
	}
	return v
}

func keyedLine(r *rand.Rand, zone, id int) line {
	zones := []row.Value{row.StringValue(""), row.StringValue("a"), row.StringValue("a\x00b"), row.StringValue("b"), row.NullValue(row.T(row.String))}
	return line{
		zones[zone], maybeNull(r, row.T(row.Float64), row.FloatValue(float64(r.IntN(4)))), row.IntValue(row.T(row.Int32), int64(id)-20),
		maybeNull(r, row.T(row.String), row.StringValue(strings.Repeat("x", r.IntN(30)))), row.IntValue(row.T(row.Int64), int64(r.IntN(3))),
		row.BoolValue(r.IntN(2) == 0),
	}
}

func plainLine(r *rand.Rand) line {
	f := []float64{0, 1.5, -1, math.Inf(1)}[r.IntN(4)]
	return line{maybeNull(r, row.T(row.Int16), row.IntValue(row.T(row.Int16), int64(r.IntN(7)))),
		row.StringValue([]string{"", "x", "yy"}[r.IntN(3)]), row.FloatValue(f)}
}

func TestAppendOnlyPages(t *testing.T) {
	schema := row.Schema{{Name: "i", Type: row.T(row.Int64)}}
	s := New(Options{Schema: schema, AppendOnly: true})
	r := rand.New(rand.NewPCG(7, 7))
	var want []string
	for tick := uint64(1); len(want) < 20000; tick++ {
		var lines []line
		for range 1 + r.IntN([]int{2, 100, 3000}[r.IntN(3)]) {
			l := line{row.IntValue(schema[0].Type, int64(len(want)))}
			lines, want = append(lines, l), append(want, l.String())
		}
		if err := s.Apply(tick, batchOf(schema, lines, nil)); err != nil {
			t.Fatal(err)
		}
		s.Publish(tick)
	}
	if st := s.Stats(); st.Chunks > 20+len(want)/1000 {
		t.Errorf("%d batches for %d rows", st.Chunks, len(want))
	}
	p := s.At()
	defer p.Close()
	for _, descending := range []bool{false, true} {
		q := RangeQuery{Limit: 777, Descending: descending}
		var got []string
		for {
			b, next, err := p.Range(q)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, linesOf(b, false)...)
			if q.After = next; next == nil {
				break
			}
		}
		if descending {
			slices.Reverse(got)
		}
		same(t, "pages", got, want)
	}
	// A scan gives the order of arrival, too.
	var got []string
	it, err := p.Scan([]int{0})
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		got = append(got, linesOf(b, false)...)
	}
	same(t, "scan", got, want)
}
