package view

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// model is a relation under test with its oracle.
type model struct {
	t      *testing.T
	r      *rand.Rand
	s      *Store
	schema row.Schema
	key    []int
	now    *state            // of the open tick
	past   map[uint64]*state // of published ticks
	byKey  map[string]line   // keyed: newest row per key
	tick   uint64
	held   []*Snapshot
	change func(m *model, n int) ([]line, []int64)
}

func (m *model) run(ticks int) {
	m.past = map[uint64]*state{0: m.now.clone()}
	for range ticks {
		m.tick += uint64(1 + m.r.IntN(3))
		if m.r.IntN(6) > 0 {
			n := 1 + m.r.IntN(200)
			if m.r.IntN(20) == 0 {
				n = 3000
			}
			m.applyTick(n)
		}
		m.s.Publish(m.tick)
		m.past[m.tick] = m.now.clone()
		m.snapshots()
	}
	for _, p := range m.held {
		m.check(p)
		p.Close()
	}
	m.checkHistory()
}

func (m *model) applyTick(n int) {
	lines, weights := m.change(m, n)
	b := batchOf(m.schema, lines, weights)
	before := m.now.clone()
	for i, l := range lines {
		m.now.add(l, b.Weight(i))
	}
	b = Consolidate(b)
	half := 0
	if m.key == nil && m.r.IntN(4) == 0 {
		half = m.r.IntN(b.Len + 1)
	}
	for _, part := range []*row.Batch{b.Slice(0, half), b.Slice(half, b.Len)} {
		if err := m.s.Apply(m.tick, part); err != nil {
			m.t.Fatal(err)
		}
	}
	// Nobody sees the open tick.
	p := m.s.At()
	defer p.Close()
	same(m.t, "open tick", scanLines(m.t, p, count(len(m.schema))), before.all(nil, count(len(m.schema))))
}

func (m *model) snapshots() {
	if m.r.IntN(3) == 0 {
		m.held = append(m.held, m.s.At())
	}
	if m.r.IntN(10) == 0 {
		oldest := m.s.Stats().OldestTick
		if p, err := m.s.Snapshot(oldest + m.r.Uint64N(m.tick-oldest+1)); err != nil {
			m.t.Fatal(err)
		} else {
			m.held = append(m.held, p)
		}
	}
	if n := len(m.held); n > 0 {
		i := m.r.IntN(n)
		m.check(m.held[i])
		if m.r.IntN(2) == 0 {
			m.held[i].Close()
			m.held = slices.Delete(m.held, i, i+1)
		}
	}
	if m.r.IntN(15) == 0 {
		for _, p := range m.held {
			p.Close()
		}
		m.held = nil
	}
}

func (m *model) want(tick uint64) *state {
	for ; ; tick-- {
		if s, ok := m.past[tick]; ok {
			return s
		}
	}
}

func (m *model) check(p *Snapshot) {
	m.t.Helper()
	want, all := m.want(p.Tick()), count(len(m.schema))
	rows := want.all(nil, all)
	if p.Rows() != int64(len(rows)) {
		m.t.Fatalf("tick %d: Rows() = %d, want %d", p.Tick(), p.Rows(), len(rows))
	}
	same(m.t, fmt.Sprintf("scan at %d", p.Tick()), scanLines(m.t, p, all), rows)
	cols := count(len(m.schema))[m.r.IntN(2):2]
	same(m.t, "projected scan", scanLines(m.t, p, cols), want.all(nil, cols))
	if n := len(scanLines(m.t, p, []int{-1})); n != len(rows) {
		m.t.Fatalf("count scan: %d rows, want %d", n, len(rows))
	}
	for range 2 {
		m.checkLookup(p, want)
		if m.s.table != nil {
			m.checkRange(p, want)
		}
	}
}

// anyLine returns a row, mostly one that is or was there.
func (m *model) anyLine(want *state) line {
	if m.r.IntN(4) > 0 {
		for _, l := range want.lines {
			return l
		}
	}
	lines, _ := m.change(&model{r: m.r, byKey: map[string]line{}, now: &state{map[string]int64{}, map[string]line{}}}, 1)
	return lines[0]
}

func (m *model) checkLookup(p *Snapshot, want *state) {
	l := m.anyLine(want)
	var cols []int
	switch m.r.IntN(4) {
	case 0:
		cols = slices.Clone(m.key)
	case 1:
		if m.key != nil {
			cols = []int{m.key[0]}
		}
	case 2:
		cols = count(len(m.schema))
	}
	for range m.r.IntN(2) {
		cols = append(cols, m.r.IntN(len(m.schema)))
	}
	vals := l.project(cols)
	wanted := want.all(func(x line) bool { return x.project(cols).String() == vals.String() }, count(len(m.schema)))
	limit := 0
	if m.r.IntN(3) == 0 {
		limit = 1 + m.r.IntN(20)
	}
	got, err := p.Lookup(cols, vals, limit)
	if err != nil {
		m.t.Fatal(err)
	}
	if limit > 0 && limit < len(wanted) {
		if got.Len != limit {
			m.t.Fatalf("lookup returned %d rows, limit %d", got.Len, limit)
		}
		for _, g := range linesOf(got, false) {
			if !slices.Contains(wanted, g) {
				m.t.Fatalf("lookup of columns %v = %v returned %s", cols, vals, g)
			}
		}
		return
	}
	same(m.t, fmt.Sprintf("lookup at %d of columns %v = %v", p.Tick(), cols, vals), linesOf(got, true), wanted)
}

func (m *model) checkRange(p *Snapshot, want *state) {
	key := m.key
	if key == nil {
		key = count(len(m.schema))
	}
	l := m.anyLine(want)
	q := RangeQuery{Descending: m.r.IntN(2) == 0, Limit: 1 + m.r.IntN(40)}
	q.Prefix = l.project(key[:m.r.IntN(len(key)+1)])
	n := len(q.Prefix)
	if n < len(key) {
		bound := func() *row.Value {
			if v := m.anyLine(want)[key[n]]; m.r.IntN(2) == 0 && !v.Null {
				return &v
			}
			return nil
		}
		q.From, q.To = bound(), bound()
		q.FromExclusive, q.ToExclusive = m.r.IntN(2) == 0, m.r.IntN(2) == 0
	}
	var wanted []string
	match := func(l line) bool { return inRange(q, l, key, m.schema) }
	for _, x := range want.ordered(match, key, m.schema) {
		wanted = append(wanted, x.String())
	}
	if q.Descending {
		slices.Reverse(wanted)
	}
	var got []string
	for {
		b, next, err := p.Range(q)
		if err != nil {
			m.t.Fatal(err)
		}
		if b.Len > q.Limit || (next != nil && b.Len != q.Limit) {
			m.t.Fatalf("a page of %d rows, limit %d, next %x", b.Len, q.Limit, next)
		}
		got = append(got, linesOf(b, false)...)
		if next == nil {
			break
		}
		q.After = next
	}
	same(m.t, fmt.Sprintf("range %+v", q), got, wanted)
}

func inRange(q RangeQuery, l line, key []int, schema row.Schema) bool {
	n := len(q.Prefix)
	if l.project(key[:n]).String() != line(q.Prefix).String() {
		return false
	}
	if q.From == nil && q.To == nil {
		return true
	}
	v, typ := l[key[n]], schema[key[n]].Type
	if v.Null {
		return false
	}
	if q.From != nil {
		if c := compareValues(typ, v, *q.From); c < 0 || (c == 0 && q.FromExclusive) {
			return false
		}
	}
	if q.To != nil {
		if c := compareValues(typ, v, *q.To); c > 0 || (c == 0 && q.ToExclusive) {
			return false
		}
	}
	return true
}

// checkHistory folds the changes from every tick still reachable and compares with the present.
func (m *model) checkHistory() {
	start := m.s.HistoryStart()
	if start > 0 {
		if _, ok := m.s.Changes(start - 1); ok {
			m.t.Fatalf("changes after %d, history starts at %d", start-1, start)
		}
	}
	for tick := range m.past {
		changes, ok := m.s.Changes(tick)
		if ok != (tick >= start) {
			m.t.Fatalf("changes after %d: %v, history starts at %d", tick, ok, start)
		}
		if !ok {
			continue
		}
		fold, last := m.past[tick].clone(), tick
		for _, c := range changes {
			if c.Tick <= last {
				m.t.Fatalf("change at %d after %d", c.Tick, last)
			}
			last = c.Tick
			for i := range c.Batch.Len {
				fold.add(lineAt(c.Batch, i), c.Batch.Weight(i))
			}
		}
		all := count(len(m.schema))
		same(m.t, fmt.Sprintf("history from %d", tick), fold.all(nil, all), m.now.all(nil, all))
	}
}

func newModel(t *testing.T, seed uint64, o Options, change func(m *model, n int) ([]line, []int64)) *model {
	return &model{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), s: New(o), schema: o.Schema, key: o.Key, change: change,
		now: &state{map[string]int64{}, map[string]line{}}, byKey: map[string]line{},
	}
}

func seeds(t *testing.T) []uint64 {
	if testing.Short() || underRace {
		return []uint64{1}
	}
	return []uint64{1, 2, 3}
}

// keyedChange inserts, updates and deletes rows of a few thousand keys, mostly the hot ones. Insertions may stand before
// the deletions they replace.
func keyedChange(m *model, n int) (lines []line, weights []int64) {
	touched := map[string]bool{}
	for range n {
		id := m.r.IntN(60)
		if m.r.IntN(3) == 0 {
			id = m.r.IntN(500)
		}
		l := keyedLine(m.r, m.r.IntN(5), id)
		k := l.project(keyedKey).String()
		if touched[k] {
			continue
		}
		touched[k] = true
		old, had := m.byKey[k]
		remove, insert := had, !had || m.r.IntN(3) > 0
		if insert && remove && old.String() == l.String() {
			continue
		}
		from := len(lines)
		if remove {
			lines, weights = append(lines, old), append(weights, -1)
			delete(m.byKey, k)
		}
		if insert {
			lines, weights = append(lines, l), append(weights, 1)
			m.byKey[k] = l
		}
		if m.r.IntN(2) == 0 {
			slices.Reverse(lines[from:])
			slices.Reverse(weights[from:])
		}
	}
	if len(lines) == 0 {
		return keyedChange(m, n)
	}
	return lines, weights
}

func TestKeyedModel(t *testing.T) {
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			o := Options{Schema: keyedSchema, Key: keyedKey, HistoryBytes: 200 << 10}
			newModel(t, seed, o, keyedChange).run(100)
		})
	}
}

func TestMultisetModel(t *testing.T) {
	change := func(m *model, n int) (lines []line, weights []int64) {
		left := maps.Clone(m.now.count)
		for range n {
			if m.r.IntN(2) == 0 && len(left) > 0 {
				for k, have := range left {
					w := 1 + m.r.Int64N(have)
					if m.r.IntN(3) == 0 {
						w = have
					}
					lines, weights = append(lines, m.now.lines[k]), append(weights, -w)
					delete(left, k)
					break
				}
				continue
			}
			lines, weights = append(lines, plainLine(m.r)), append(weights, 1+m.r.Int64N(2))
		}
		return lines, weights
	}
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newModel(t, seed, Options{Schema: plainSchema, HistoryTicks: 40}, change).run(100)
		})
	}
}

func TestAppendOnlyModel(t *testing.T) {
	change := func(m *model, n int) (lines []line, weights []int64) {
		for range n {
			lines = append(lines, plainLine(m.r))
		}
		if m.r.IntN(2) == 0 {
			for range n {
				weights = append(weights, 1)
			}
		}
		return lines, weights
	}
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newModel(t, seed, Options{Schema: plainSchema, AppendOnly: true}, change).run(50)
		})
	}
}
