package session

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/token"
	"github.com/tidemill/tidemill/internal/trace"
)

// stored is a stream or table that can be written, in one version of its definition. Rows of an earlier version can still be written: their records
// say which it is.
type stored struct {
	def    *catalog.Relation
	target ingest.Target
	*storedWrites
}

// storedWrites is what all versions of a stream or table have in common.
type storedWrites struct {
	// lock orders the statements that read the table before they write it.
	lock   chan struct{}
	dedupe *dedupe

	mu   sync.Mutex
	last log.Offset // of the last write by this node
}

// newStored prepares to write a relation; before is the version before, nil for a new one.
func (db *Database) newStored(def *catalog.Relation, before *stored) (*stored, error) {
	c, err := row.NewCodec(def.Columns)
	if err != nil {
		return nil, fmt.Errorf("preparing to write %s: %w", def.Name, err)
	}
	key := def.PartitionKey
	if def.Kind == catalog.Table {
		key = def.Key
	}
	s := &stored{def: def, storedWrites: &storedWrites{lock: make(chan struct{}, 1), dedupe: newDedupe(&db.dedupe, def)}}
	if before != nil {
		s.storedWrites = before.storedWrites
	}
	s.target = ingest.Target{Codec: c, Schema: uint32(len(def.Versions) - 1), Partitions: def.Partitions, Key: key, Ops: def.Kind == catalog.Table}
	return s, nil
}

func (s *storedWrites) acquire(ctx context.Context) error {
	select {
	case s.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *storedWrites) release() { <-s.lock }

func (s *storedWrites) lastWrite() log.Offset {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *storedWrites) wrote(at log.Offset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, at)
}

// write is rows for one relation. The weights of a table's rows are operations: +1 upsert, -1 delete.
type write struct {
	to   *stored
	rows *row.Batch
	ids  record.Identities // what tells a repeat of the rows
}

// current returns writes as those of the definitions there are now.
func (db *Database) current(writes []write) ([]write, error) {
	out := writes
	for i, w := range writes {
		now := db.storedOf(w.to.def)
		switch {
		case now == w.to:
			continue
		case now == nil:
			return nil, fault.New(fault.UndefinedTable, "%s %q was dropped", w.to.def.Kind, w.to.def.Name)
		}
		c, err := now.def.Conversion(len(w.to.def.Versions) - 1)
		if err != nil {
			return nil, err
		}
		if &out[0] == &writes[0] {
			out = slices.Clone(writes) // results that are still open read the others
		}
		out[i] = write{now, c.Apply(w.rows), w.ids}
	}
	return out, nil
}

// store stores writes to different relations, all or none and all in one tick, and returns where they ended.
func (db *Database) store(ctx context.Context, writes []write) ([]token.Position, error) {
	now := db.steady.now()
	merged := slices.DeleteFunc(writes, func(w write) bool { return w.rows == nil || w.rows.Len == 0 })
	if len(merged) == 0 {
		return nil, nil
	}
	for _, w := range merged {
		if err := db.markIdentified(ctx, w); err != nil {
			return nil, err
		}
	}
	if len(merged) == 1 {
		entries, err := merged[0].to.target.EncodeIdentified(merged[0].rows, now, record.TxID{}, false, &merged[0].ids)
		if err != nil {
			return nil, err
		}
		if groupBytes(entries) <= log.MaxGroupBytes {
			at, err := db.appendGroup(ctx, merged[0].to.def, entries, now)
			if err != nil {
				return nil, err
			}
			merged[0].to.wrote(at)
			return []token.Position{{Relation: merged[0].to.def.ID, Offset: uint64(at)}}, nil
		}
	}
	return db.appendTransaction(ctx, merged, now)
}

// appendGroup appends records of a relation; taken is the time they carry, by which a tick knows them again that belongs to a trace.
func (db *Database) appendGroup(ctx context.Context, rel *catalog.Relation, entries []log.Entry, taken time.Time) (log.Offset, error) {
	forget := trace.Await(ctx, rel.ID, taken)
	ctx, span := trace.Start(ctx, "append")
	at, err := db.log.Append(ctx, rel.Topic(), entries)
	span.Set("tidemill.relation", rel.Name).Set("tidemill.records", len(entries)).End(err)
	if err != nil {
		forget()
	}
	return at, err
}

func groupBytes(entries []log.Entry) int {
	n := 0
	for i := range entries {
		n += len(entries[i].Body)
	}
	return n
}

// mergeWrites joins the writes to each relation, in order.
func mergeWrites(writes []write) []write {
	var out []write
	for _, w := range writes {
		if w.rows == nil || w.rows.Len == 0 {
			continue
		}
		k := slices.IndexFunc(out, func(o write) bool { return o.to == w.to })
		if k < 0 {
			out = append(out, w)
			continue
		}
		out[k].rows = row.Concat([]*row.Batch{out[k].rows, w.rows})
	}
	return out
}

// appendTransaction stores writes in pieces that count once the commit record is durable.
func (db *Database) appendTransaction(ctx context.Context, writes []write, now time.Time) ([]token.Position, error) {
	var tx record.TxID
	binary.BigEndian.PutUint64(tx[:8], db.engine.Epoch())
	if _, err := rand.Read(tx[8:]); err != nil {
		return nil, fmt.Errorf("naming a transaction: %w", err)
	}
	// One transaction at a time, so that two never stand in different orders in two topics.
	db.txMu.Lock()
	defer db.txMu.Unlock()
	participants := make([]uint64, len(writes))
	positions := make([]token.Position, len(writes))
	for i, w := range writes {
		participants[i] = w.to.def.ID
		at, err := db.appendPieces(ctx, w, tx, now)
		if err != nil {
			db.engine.Abort(tx)
			return nil, err
		}
		positions[i] = token.Position{Relation: w.to.def.ID, Offset: uint64(at)}
	}
	// Not to be canceled: from here on the transaction either is committed or is known not to be.
	if _, err := db.log.Append(context.WithoutCancel(ctx), txTopic, []log.Entry{{Body: tx[:]}}); err != nil {
		db.engine.Abort(tx)
		return nil, err
	}
	db.engine.Commit(tx, participants)
	for i, w := range writes {
		w.to.wrote(log.Offset(positions[i].Offset))
	}
	return positions, nil
}

func (db *Database) appendPieces(ctx context.Context, w write, tx record.TxID, now time.Time) (log.Offset, error) {
	entries, err := w.to.target.EncodeIdentified(w.rows, now, tx, true, &w.ids)
	if err != nil {
		return 0, err
	}
	var at log.Offset
	for len(entries) > 0 {
		n, size := 0, 0
		for n < len(entries) && (n == 0 || size+len(entries[n].Body) <= log.MaxGroupBytes) {
			size += len(entries[n].Body)
			n++
		}
		if at, err = db.appendGroup(ctx, w.to.def, entries[:n], now); err != nil {
			return 0, err
		}
		entries = entries[n:]
	}
	return at, nil
}
