package session

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/record"
)

func numberedIDs(from, n int) (ids []record.Identity, rows []int32) {
	for i := range n {
		var id record.Identity
		binary.LittleEndian.PutUint64(id[:], uint64(from+i)+1)
		ids, rows = append(ids, id), append(rows, int32(i))
	}
	return ids, rows
}

// store claims and stores events, and returns how many were new.
func (d *dedupe) store(ids []record.Identity, rows []int32) int {
	c := d.claim(ids, rows)
	d.settle(&c, false)
	return len(c.rows)
}

// TestDedupeBound: beyond its memory a database forgets the oldest first, and counts that; a relation that is dropped gives back its part.
func TestDedupeBound(t *testing.T) {
	now := time.Duration(0)
	shared := &dedupeMemory{window: time.Minute, most: 1000 * eventIDBytes, elapsed: func() time.Duration { return now }}
	d, other := newDedupe(shared, &catalog.Relation{}), newDedupe(shared, &catalog.Relation{})
	for i := range 50 {
		if n := d.store(numberedIDs(100*i, 100)); n != 100 {
			t.Fatalf("%d of 100 are new", n)
		}
		if used := shared.used.Load(); used > shared.most {
			t.Fatalf("%d bytes are used, at most %d may be", used, shared.most)
		}
		now += time.Millisecond
	}
	if n := d.store(numberedIDs(4500, 500)); n != 0 {
		t.Errorf("%d of the newest are forgotten", n)
	}
	if n := d.store(numberedIDs(0, 100)); n != 100 || shared.early.Load() < 4000 {
		t.Errorf("%d of the oldest are new, %d were forgotten early", n, shared.early.Load())
	}
	for i := range 300 {
		r, _, err := other.begin(context.Background(), string(rune(i+1000)), record.Identity{})
		if err != nil || r == nil {
			t.Fatal(err)
		}
		other.finish(r, IngestResult{}, nil)
	}
	if used := shared.used.Load(); used > shared.most {
		t.Errorf("%d bytes are used, at most %d may be", used, shared.most)
	}
	d.release()
	other.release()
	if used := shared.used.Load(); used != 0 {
		t.Errorf("%d bytes are used by nobody", used)
	}
	if n := d.store(numberedIDs(0, 10)); n != 10 || shared.used.Load() != 0 {
		t.Error("a dropped relation remembers")
	}
}

func BenchmarkDedupe(b *testing.B) {
	began := time.Now()
	shared := &dedupeMemory{window: time.Minute, most: dedupeBytesMax, elapsed: func() time.Duration { return time.Since(began) }}
	d := newDedupe(shared, &catalog.Relation{})
	const batch = 1000
	at := 0
	for b.Loop() {
		d.store(numberedIDs(at, batch))
		at += batch
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(at), "ns/event")
}
