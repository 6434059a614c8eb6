package engine

import (
	"testing"

	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// aBlock is a block with everything in it.
func aBlock(t testing.TB) []byte {
	t.Helper()
	columns := row.Schema{{Name: "a", Type: row.T(row.Int64)}, {Name: "b", Type: row.T(row.String)}}
	codec, err := contentCodec(columns)
	if err != nil {
		t.Fatal(err)
	}
	rows := func(weights ...int64) *row.Batch {
		b := row.NewBatchBuilder(columns.Types(), 2)
		for i := range 2 {
			b.Cols[0].AppendInt(int64(i))
			b.Cols[1].AppendBytes([]byte("text that is long enough"))
		}
		out := b.Finish(2)
		out.Weights = weights
		return out
	}
	store := view.New(view.Options{Schema: columns})
	if err := store.Apply(1, rows()); err != nil {
		t.Fatal(err)
	}
	store.Publish(1)
	cs := newClocks()
	c := newClock(EventTime{Per: []string{"a"}})
	c.parts[3] = &partClock{latest: 5, seen: 7, some: true}
	c.keys.ids["key"] = 0
	c.keys.clocks = append(c.keys.clocks, keyClock{latest: 5, seen: 6, some: true})
	cs.of[9] = c
	set := state.NewSet(columns.Types())
	set.FindOrAdd(rows().Cols, []uint64{1, 2}, make([]uint32, 2), nil)
	k := state.NewKeeper()
	set.Keep(k)
	pages, _, _ := k.Pages(nil, state.Cursor{}, 1<<20)
	u := &unit{id: 4, codec: codec, running: true, paged: true}
	u.rows = contentOf(&unit{of: store})
	b := &block{tick: 12, epochs: []epoch{{1, 5}, {2, 12}}, inputs: []savedInput{{9, 100, 1}, {4, 7, 2}}, clocks: cs.append(nil), lost: []uint64{77},
		units: []unitPart{{unit: u, codec: codec, begin: true, born: 3, graph: &graphPart{workers: 2, numbers: k.Numbers(), delta: k.Changes(nil)}, pages: pages, paged: true,
			changes: []view.Change{{Tick: 11, Batch: rows(1, -1)}, {Tick: 12, Batch: rows()}}, rows: u.rows, rowBytes: 1 << 20}}}
	body, err := b.append(nil)
	if err != nil || b.units[0].failed != nil || !b.units[0].exhausted {
		t.Fatal(err, b.units[0].failed, b.units[0].exhausted)
	}
	return body
}

func TestBlockRoundTrip(t *testing.T) {
	s := scanner{b: aBlock(t)}
	h := s.head()
	if h.tick != 12 || len(h.epochs) != 2 || h.epochs[1] != (epoch{2, 12}) || len(h.inputs) != 2 || h.inputs[1] != (savedInput{4, 7, 2}) {
		t.Errorf("%+v", h)
	}
	r := restoring{units: map[uint64]*savedUnit{77: {whole: true}}, head: h}
	begins := map[uint64]*savedUnit{}
	kinds := map[section]int{}
	s.parts(func(id uint64, kind section, body []byte) {
		kinds[kind]++
		r.note(id, kind, body, 40, begins)
	})
	if s.err != nil || kinds[sectionBegin] != 1 || kinds[sectionGraph] != 1 || kinds[sectionPages] != 1 || kinds[sectionChanges] != 1 || kinds[sectionRows] != 1 || kinds[sectionWhole] != 1 || kinds[sectionLost] != 1 {
		t.Errorf("%v, %v", kinds, s.err)
	}
	u := r.units[4]
	if r.units[77] != nil || u == nil || !u.whole || u.complete != 40 || u.since != 12 || u.born != 3 || u.graph.workers != 2 {
		t.Errorf("%+v", u)
	}
	cs := newClocks()
	cs.of[9] = newClock(EventTime{Per: []string{"a"}})
	clocks := scanner{b: h.clocks}
	if clocks.clocks(cs); clocks.err != nil || cs.of[9].parts[3].latest != 5 || cs.of[9].keys.clocks[0].seen != 6 {
		t.Errorf("%+v, %v", cs.of[9], clocks.err)
	}
}

// FuzzBlock wants every sequence of bytes to be read or refused.
func FuzzBlock(f *testing.F) {
	f.Add(aBlock(f))
	columns := row.Schema{{Name: "a", Type: row.T(row.Int64)}, {Name: "b", Type: row.T(row.String)}}
	codec, err := contentCodec(columns)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := scanner{b: b}
		h := s.head()
		cs := newClocks()
		clocks := scanner{b: h.clocks}
		clocks.clocks(cs)
		r := restoring{units: map[uint64]*savedUnit{}, head: h}
		begins := map[uint64]*savedUnit{}
		s.parts(func(id uint64, kind section, body []byte) {
			r.note(id, kind, body, 1, begins)
			set := state.NewSet(columns.Types())
			u := &savedUnit{store: view.New(view.Options{Schema: columns}), decode: func(_ int, b []byte) (*row.Batch, error) { return codec.Decode(b) }, since: 1}
			if g := r.units[id]; g != nil && g.graph != nil {
				u.loader = state.NewLoader(g.graph.numbers)
				set.Keep(u.loader)
			}
			_ = u.load(kind, body, 1)
		})
	})
}
