package session

import (
	"context"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/token"
)

// verificationsName is the stream of what verifications found.
const verificationsName = catalog.SystemSchema + ".verifications"

const (
	verificationsRetention = "30 days"
	// verifyPulse is how often it is looked whether a verification is due.
	verifyPulse = 500 * time.Millisecond
	// verifyPause is for how many times the time a verification took there is none afterwards: in the background, one core gives at most a
	// tenth of its time to them.
	verifyPause = 9
)

func verificationColumns() row.Schema {
	return columnsOf("view VARCHAR, at TIMESTAMPTZ, tick BIGINT, equal BOOLEAN, rows BIGINT, missing BIGINT, unexpected BIGINT, ms BIGINT, note VARCHAR")
}

// verifications remembers the last verification of each view, and runs those that are scheduled, one after the other.
type verifications struct {
	mu     sync.Mutex
	last   map[uint64]*verification
	tried  map[uint64]time.Time // of scheduled ones
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// openVerifications makes the stream if it is not there yet, and starts what verifies on schedule.
func (db *Database) openVerifications(ctx context.Context) error {
	if db.catalog.Get(verificationsName) == nil {
		r := &catalog.Relation{Kind: catalog.Stream, Name: verificationsName, Columns: verificationColumns(), Defaults: make([]string, len(verificationColumns())), Partitions: 1,
			Comment: "what VERIFY VIEW found", Options: map[string]string{"durability": "relaxed", "retention": verificationsRetention, "retention_bytes": rejectsRetentionBytes}}
		if err := db.createStored(ctx, r); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	v := &db.verifications
	v.mu.Lock()
	v.cancel, v.last, v.tried = cancel, map[uint64]*verification{}, map[uint64]time.Time{}
	v.mu.Unlock()
	started := db.now()
	v.done.Go(func() { v.run(ctx, db, started) })
	return nil
}

func (v *verifications) close() {
	v.mu.Lock()
	cancel := v.cancel
	v.mu.Unlock()
	if cancel != nil {
		cancel()
		v.done.Wait()
	}
}

// run verifies views when they are due.
func (v *verifications) run(ctx context.Context, db *Database, started time.Time) {
	pulse := time.NewTicker(verifyPulse)
	defer pulse.Stop()
	for {
		select {
		case <-pulse.C:
		case <-ctx.Done():
			return
		}
		rel := v.due(db, started)
		if rel == nil {
			continue
		}
		begun := time.Now()
		found, err := db.verify(ctx, rel, verifyOptions{sample: 1, rows: verifyRowsMax})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f := fault.From(err)
			db.logger.Warn("a view could not be verified", "view", rel.Name, "error", err)
			found = &verification{rel: rel, at: db.now(), tick: db.engine.Tick(), verdict: verdictUnknown, took: time.Since(begun), note: f.Message}
		case found.verdict == verdictDiffers:
			db.logger.Error("a view differs from its query", "view", rel.Name, "missing", found.missing, "unexpected", found.unexpected, "tick", found.tick)
		}
		v.note(db, found)
		select {
		case <-time.After(verifyPause * time.Since(begun)):
		case <-ctx.Done():
			return
		}
	}
}

// due returns the view whose scheduled verification is the most overdue, nil if there is none.
func (v *verifications) due(db *Database, started time.Time) *catalog.Relation {
	now := db.now()
	var first *catalog.Relation
	var most time.Duration
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range db.catalog.All() {
		text := r.Options[verifyOption]
		if r.Kind != catalog.MaterializedView || text == "" {
			continue
		}
		every, err := parseDuration(text)
		if err != nil {
			continue
		}
		since, tried := v.tried[r.ID]
		if !tried {
			since = started
			if r.CreatedAt.After(since) {
				since = r.CreatedAt
			}
		}
		if late := now.Sub(since) - every; late >= most && late >= 0 {
			first, most = r, late
		}
	}
	if first != nil {
		v.tried[first.ID] = now
	}
	return first
}

// note keeps and records what a verification found; it returns where that was written.
func (v *verifications) note(db *Database, found *verification) []token.Position {
	v.mu.Lock()
	if v.last != nil {
		v.last[found.rel.ID] = found
	}
	v.mu.Unlock()
	to := db.storedOf(db.catalog.Get(verificationsName))
	w := &rowWriter{bb: row.NewBatchBuilder(verificationColumns().Types(), 1)}
	w.add(found.rel.Name, found.at.UnixMicro(), found.tick, found.isEqual(), found.rows, found.missing, found.unexpected, found.took.Milliseconds(), orNull(found.note))
	ps, err := db.append(context.Background(), []write{{to: to, rows: w.bb.Finish(1)}})
	if err != nil {
		db.logger.Warn("a verification could not be noted", "view", found.rel.Name, "error", err)
	}
	return ps
}

// isEqual is the verdict as a BOOLEAN, null if there is none.
func (f *verification) isEqual() any {
	if f.verdict == verdictUnknown {
		return nil
	}
	return f.verdict == verdictEqual
}

// forget drops what is known of a view that was dropped.
func (v *verifications) forget(view uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.last, view)
	delete(v.tried, view)
}

// of returns when a view was verified last in this run, and the verdict; nulls if it was not.
func (v *verifications) of(view uint64) (at, equal any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if found := v.last[view]; found != nil {
		return found.at.UnixMicro(), found.isEqual()
	}
	return nil, nil
}

// verifyOption is the option of a materialized view that says how often it is verified.
const verifyOption = "verify"
