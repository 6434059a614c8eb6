package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/token"
)

// ingestOnce is ingest for a request with a key: a repeat is answered like the first, and one that says something else is refused.
func (s *Session) ingestOnce(ctx context.Context, to *stored, body io.Reader, o IngestOptions) (IngestResult, error) {
	text, err := ingest.ReadBody(body, o.bodyMax(), o.BodyBytes)
	if err != nil {
		return IngestResult{}, userError(err)
	}
	mine, answer, err := to.dedupe.begin(ctx, o.IdempotencyKey, contentOf(text, o))
	if err != nil || mine == nil {
		return answer, err
	}
	r, err := s.ingest(ctx, to, bytes.NewReader(text), o, &record.Request{Key: mine.key, Content: mine.content})
	to.dedupe.finish(mine, r, err)
	return r, err
}

// contentOf is the digest of what a request says: its body, and how that is to be read.
func contentOf(body []byte, o IngestOptions) record.Identity {
	h := sha256.New()
	fmt.Fprintf(h, "%c%q %t", contentName, o.ContentType, o.Delete)
	for _, k := range slices.Sorted(maps.Keys(o.CloudEvent)) {
		fmt.Fprintf(h, " %q=%q", k, o.CloudEvent[k])
	}
	h.Write([]byte{0})
	h.Write(body)
	return record.Identity(h.Sum(nil))
}

// appendNew stores the rows but those whose identity was stored within the dedupe window, and returns a position from which all of them are seen.
// A row that another writer is storing now is waited for, and stored here if it failed there.
func (db *Database) appendNew(ctx context.Context, w write, ids []record.Identity) ([]token.Position, error) {
	to := w.to
	left := make([]int32, len(ids))
	for i := range left {
		left[i] = int32(i)
	}
	repeated := false
	var ps []token.Position
	for len(left) > 0 {
		c := to.dedupe.claim(ids, left)
		repeated = repeated || len(c.rows) < len(left)
		stored, err := db.store(ctx, []write{{to: to, rows: gatherRows(w.rows, c.rows), ids: record.Identities{Events: c.mine, Request: w.ids.Request}}})
		to.dedupe.settle(&c, err != nil)
		if err != nil {
			return nil, err
		}
		if stored != nil {
			ps = stored
		}
		if left, err = c.failedElsewhere(ctx); err != nil {
			return nil, err
		}
	}
	if at := to.lastWrite(); repeated && at > 0 {
		// The first ones may have been written behind what was written here.
		return []token.Position{{Relation: to.def.ID, Offset: uint64(at)}}, nil
	}
	return ps, nil
}

// append stores writes, all or none and all in one tick, and returns where they ended. Of streams that declare what tells their events apart it leaves out repeats.
func (db *Database) append(ctx context.Context, writes []write) ([]token.Position, error) {
	merged := mergeWrites(writes)
	declared := slices.ContainsFunc(merged, func(w write) bool { return len(w.to.def.DedupeKey) > 0 })
	switch {
	case !declared:
		return db.store(ctx, merged)
	case len(merged) == 1:
		return db.appendNew(context.WithoutCancel(ctx), merged[0], declaredIDs(merged[0].to.def, merged[0].rows))
	}
	return db.appendDeclared(context.WithoutCancel(ctx), merged)
}

// appendDeclared is append for several relations. It waits for other writers before it stores anything, since what it stores is one transaction: to wait
// while holding claims is safe because those who store to a single relation never do, and there is one of these at a time.
func (db *Database) appendDeclared(ctx context.Context, writes []write) (ps []token.Position, err error) {
	db.declaredMu.Lock()
	defer db.declaredMu.Unlock()
	type held struct {
		d *dedupe
		c claim
	}
	var claims []held
	defer func() {
		for i := range claims {
			claims[i].d.settle(&claims[i].c, err != nil)
		}
	}()
	for i := range writes {
		w := &writes[i]
		if len(w.to.def.DedupeKey) == 0 {
			continue
		}
		ids := declaredIDs(w.to.def, w.rows)
		left := make([]int32, len(ids))
		for k := range left {
			left[k] = int32(k)
		}
		var rows []int32
		for len(left) > 0 {
			claims = append(claims, held{w.to.dedupe, w.to.dedupe.claim(ids, left)})
			c := &claims[len(claims)-1].c
			rows, w.ids.Events = append(rows, c.rows...), append(w.ids.Events, c.mine...)
			if left, err = c.failedElsewhere(ctx); err != nil {
				return nil, err
			}
		}
		slices.Sort(rows)
		w.rows = gatherRows(w.rows, rows)
	}
	return db.store(ctx, mergeWrites(writes))
}

func gatherRows(b *row.Batch, at []int32) *row.Batch {
	if len(at) == b.Len {
		return b
	}
	return b.Gather(at)
}

// identitiesBytes bounds the topic of marks: enough for some ten thousand of them.
const identitiesBytes = 4 << 20

// markIdentified notes in the log, before the first identities of every half window, that a relation's records carry some.
func (db *Database) markIdentified(ctx context.Context, w write) error {
	d := w.to.dedupe
	if w.ids.Empty() || w.to.def.Options["storage"] == "memory" {
		return nil
	}
	now := d.shared.elapsed()
	d.mu.Lock()
	fresh := d.isMarked && now-d.marked < d.window/2
	d.mu.Unlock()
	if fresh {
		return nil
	}
	if err := db.mark(ctx, w.to.def.ID); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.marked, d.isMarked = now, true
	return nil
}

func (db *Database) mark(ctx context.Context, relation uint64) error {
	_, err := db.log.Append(ctx, identitiesTopic, []log.Entry{{Body: binary.LittleEndian.AppendUint64(nil, relation)}})
	return err
}

// resetMarks makes an empty topic of marks in the place of one that is damaged.
func (db *Database) resetMarks(ctx context.Context) error {
	err := db.log.Delete(ctx, identitiesTopic)
	if err == nil {
		err = db.log.Create(ctx, identitiesTopic, log.TopicConfig{Partitions: 1, MaxBytes: identitiesBytes})
	}
	if err != nil {
		return fmt.Errorf("making topic %s anew: %w", identitiesTopic, err)
	}
	return nil
}

// lastMarks is when each relation was last marked.
func (db *Database) lastMarks(ctx context.Context) (map[uint64]time.Time, error) {
	marks := map[uint64]time.Time{}
	b, err := db.log.Bounds(ctx, identitiesTopic)
	if err == nil {
		err = db.log.ReadRange(ctx, identitiesTopic, 0, b.Next, func(r log.Record) error {
			if len(r.Body) == 8 {
				marks[binary.LittleEndian.Uint64(r.Body)] = r.Appended
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("reading topic %s: %w", identitiesTopic, err)
	}
	return marks, nil
}

// restoreIdentities reads the identities that the log has of the last dedupe window, which counts back from when the node stopped: a client that
// comes back after that has waited for the node. committed are the transactions that count.
func (db *Database) restoreIdentities(ctx context.Context, committed map[record.TxID]bool) error {
	var newest time.Time
	bounds := map[*stored]log.Bounds{}
	for _, to := range db.stored {
		b, err := db.log.Bounds(ctx, to.def.Topic())
		if err != nil {
			return fmt.Errorf("finding the end of %s: %w", to.def.Name, err)
		}
		if b.First < b.Next {
			bounds[to] = b
		}
		if b.Newest.After(newest) {
			newest = b.Newest
		}
	}
	marks, err := db.lastMarks(ctx)
	unknown := errors.Is(err, log.ErrCorrupt)
	if err != nil && !unknown {
		return err
	}
	if unknown { // the marks only save time: without them all relations are read, and those that have identities are marked anew
		db.logger.Error("which relations have identities is not known, reading all", "error", err)
		if err := db.resetMarks(ctx); err != nil {
			return err
		}
	}
	for to, b := range bounds {
		// A mark stands for half a window, and what it stands for may have taken a while.
		at, marked := marks[to.def.ID]
		recent := marked && newest.Sub(at) < 2*to.dedupe.window
		if !recent && !unknown || newest.Sub(b.Newest) >= to.dedupe.window {
			continue
		}
		if err := db.restoreIdentitiesOf(ctx, to, b, newest, committed); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// Whoever reads the relation is told of the damage; what was stored before it is known.
			db.logger.Error("reading back which events were stored failed", "relation", to.def.Name, "error", err)
		}
		if unknown && to.dedupe.some() {
			if err := db.mark(ctx, to.def.ID); err != nil && !errors.Is(err, log.ErrUnavailable) {
				return err
			}
		}
	}
	return nil
}

func (db *Database) restoreIdentitiesOf(ctx context.Context, to *stored, b log.Bounds, newest time.Time, committed map[record.TxID]bool) error {
	oldest := newest.Add(-to.dedupe.window)
	from, err := log.Since(ctx, db.log, to.def.Topic(), oldest)
	if err != nil {
		return err
	}
	now := db.dedupe.elapsed()
	return db.log.ReadRange(ctx, to.def.Topic(), from, b.Next, func(r log.Record) error {
		if r.Appended.Before(oldest) {
			return nil
		}
		h, _, err := record.Parse(r.Body)
		if err != nil || (h.Tx != (record.TxID{}) && !committed[h.Tx]) {
			return err
		}
		ids, err := record.ParseIdentities(r.Body)
		if err != nil || ids.Empty() {
			return err
		}
		var answer IngestResult
		if ids.Request != nil {
			if err := json.Unmarshal(ids.Request.Answer, &answer); err != nil {
				return fmt.Errorf("record %d: reading the answer to a request: %w", r.Offset, err)
			}
			answer.Token = db.writeToken([]token.Position{{Relation: to.def.ID, Offset: uint64(r.Offset)}})
		}
		to.dedupe.restore(&ids, answer, now-max(0, newest.Sub(r.Appended)))
		return nil
	})
}
