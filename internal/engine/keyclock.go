package engine

import (
	"math"
	"slices"
	"time"

	"github.com/tidwall/btree"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/row"
)

// keyClocks follow the event time of the keys of one stream. The stream's is the least of those that are not idle.
type keyClocks struct {
	ids    map[string]uint32
	clocks []keyClock
	active *btree.BTreeG[keyTime] // those that are not idle, by their latest time
	seen   *btree.BTreeG[keyTime] // the same, by when their last record came
	moved  []uint32               // since the tick began
}

type keyClock struct {
	latest, seen      int64
	idle, some, moved bool
}

type keyTime struct {
	at int64
	id uint32
}

func newKeyClocks() *keyClocks {
	byTime := func() *btree.BTreeG[keyTime] {
		return btree.NewBTreeGOptions(func(a, b keyTime) bool { return a.at < b.at || a.at == b.at && a.id < b.id }, btree.Options{NoLocks: true})
	}
	return &keyClocks{ids: map[string]uint32{}, active: byTime(), seen: byTime()}
}

// keySpans finds the event times of a batch by key.
func (t *EventTime) keySpans(rel *catalog.Relation, b *row.Batch, ingested time.Time) []span {
	cols, types := make([]row.Vec, len(t.Per)), make([]row.Type, len(t.Per))
	for i, name := range t.Per {
		cols[i] = b.Cols[rel.Columns.Index(name)]
		types[i] = cols[i].Type
	}
	hash := make([]uint64, b.Len)
	row.Hash(cols, hash)
	set, ids := state.NewSet(types), make([]uint32, b.Len)
	added := set.FindOrAdd(cols, hash, ids, nil)
	spans := make([]span, len(added))
	for k, i := range added {
		s := &spans[k]
		s.ingested, s.earliest, s.latest = ingested.UnixMicro(), math.MaxInt64, math.MinInt64
		for c := range cols {
			s.key = row.AppendKey(s.key, &cols[c], int(i))
		}
	}
	limit := ingested.UnixMicro() + t.FutureLimit.Microseconds()
	v := &b.Cols[rel.Columns.Index(rel.Watermark.Column)]
	for i, id := range ids {
		if v.Null(i) || b.Weight(i) < 0 {
			continue
		}
		s, at := &spans[id], row.Micros(v, i)
		s.timed = true
		s.earliest = min(s.earliest, at)
		if at <= limit {
			s.counts = true
			s.latest = max(s.latest, at)
		}
	}
	return spans
}

// takeKey moves the clock of a key.
func (c *clock) takeKey(s span) {
	k := c.keys
	id, ok := k.ids[string(s.key)]
	if !ok {
		id = uint32(len(k.clocks))
		k.ids[string(s.key)] = id
		k.clocks = append(k.clocks, keyClock{idle: true, seen: math.MinInt64})
	}
	kc := &k.clocks[id]
	if !kc.idle {
		k.active.Delete(keyTime{kc.latest, id})
		k.seen.Delete(keyTime{kc.seen, id})
	}
	kc.seen = max(kc.seen, s.ingested)
	if s.counts && (!kc.some || s.latest > kc.latest) {
		if !kc.moved {
			kc.moved = true
			k.moved = append(k.moved, id)
		}
		kc.latest, kc.some = s.latest, true
	}
	kc.idle = !kc.some
	if kc.some {
		k.active.Set(keyTime{kc.latest, id})
		k.seen.Set(keyTime{kc.seen, id})
	}
}

// expire makes keys idle whose last record came before since.
func (k *keyClocks) expire(since int64) {
	for {
		first, ok := k.seen.Min()
		if !ok || first.at > since {
			return
		}
		k.seen.Delete(first)
		kc := &k.clocks[first.id]
		k.active.Delete(keyTime{kc.latest, first.id})
		kc.idle = true
	}
}

// least is the latest time of the key that is furthest behind.
func (k *keyClocks) least() (int64, bool) {
	first, ok := k.active.Min()
	return first.at, ok
}

// begin begins a tick.
func (k *keyClocks) begin() {
	for _, id := range k.moved {
		k.clocks[id].moved = false
	}
	k.moved = k.moved[:0]
}

// behindKey reports whether a group has rows that are late for their key only by what the tick has taken since it began.
func (c *clock) behindKey(spans []span) bool {
	for _, s := range spans {
		id, ok := c.keys.ids[string(s.key)]
		if !ok || !s.timed || !c.keys.clocks[id].moved {
			continue
		}
		if mark, ok := c.of.Mark(c.keys.clocks[id].latest); ok && s.earliest < mark {
			return true
		}
	}
	return false
}

// ahead reports whether a group has times that count by when the log took it, but would be too far ahead of the tick's first group.
func (c *clock) ahead(spans []span, first int64) bool {
	limit := first + c.of.FutureLimit.Microseconds()
	return slices.ContainsFunc(spans, func(s span) bool { return s.counts && s.latest > limit })
}
