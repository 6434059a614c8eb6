package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
)

const (
	// StuckAfter is how long something may stand still although work waits before it counts as stuck; with watchEvery it is found within a minute.
	StuckAfter = 30 * time.Second
	// watchEvery is how often somebody looks.
	watchEvery = 5 * time.Second
)

// Kinds of problems.
const (
	ProblemTick    = "tick"    // a tick does not end
	ProblemInput   = "input"   // what was written to a stream or table is not taken
	ProblemView    = "view"    // a view that is being built does not get on
	ProblemStopped = "stopped" // a relation has stopped at an error: what was written since is not in it
	ProblemLog     = "log"     // the log takes no writes, or none for one topic
)

// Problem is something that has stopped moving although work waits.
type Problem struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Reason string `json:"reason"`
	// Seconds is for how long that has been known.
	Seconds int64 `json:"for_seconds"`
}

// String is a line for people.
func (p Problem) String() string { return fmt.Sprintf("%s %s: %s", p.Kind, p.Name, p.Reason) }

// part is something that has to move while work waits.
type part struct {
	kind, name string
	id         uint64
	at         [2]uint64 // how far it has come, in whatever counts
	waits      bool
	stopped    error // it will not move any more
}

type partKey struct {
	kind string
	id   uint64
}

// standing is a part that has not moved.
type standing struct {
	at    [2]uint64
	since time.Time
}

// health remembers since when parts have not moved. A part that moves, or for which nothing waits, is forgotten.
type health struct {
	mu       sync.Mutex
	standing map[partKey]standing
	unbuilt  map[uint64]error // views of the catalog that could not be built again
	cancel   context.CancelFunc
	done     sync.WaitGroup
}

// look compares the parts with how they were before and returns what is wrong, in the order of the parts.
func (h *health) look(now time.Time, parts []part) []Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Problem
	next := make(map[partKey]standing, len(h.standing))
	for _, p := range parts {
		if !p.waits && p.stopped == nil {
			continue
		}
		k := partKey{p.kind, p.id}
		st, known := h.standing[k]
		if !known || st.at != p.at {
			st = standing{p.at, now}
		}
		next[k] = st
		stood := now.Sub(st.since)
		switch {
		case p.stopped != nil:
			out = append(out, Problem{p.kind, p.name, p.stopped.Error(), int64(stood.Seconds())})
		case stood >= StuckAfter:
			out = append(out, Problem{p.kind, p.name, standingReason(p.kind, stood), int64(stood.Seconds())})
		}
	}
	h.standing = next
	return out
}

func standingReason(kind string, stood time.Duration) string {
	stood = stood.Round(time.Second)
	switch kind {
	case ProblemTick:
		return fmt.Sprintf("work has waited for the tick to end for %s", stood)
	case ProblemInput:
		return fmt.Sprintf("what was written has not been taken by a tick for %s", stood)
	}
	return fmt.Sprintf("it is being built and has not got on for %s", stood)
}

// parts lists everything of the database that has to move. Whatever else carries its data belongs here, too.
func (db *Database) parts() []part {
	views, inputs, tick := db.engine.Status(db.now())
	name := db.name
	if tick.At != "" {
		name = tick.At
	}
	out := []part{{kind: ProblemTick, name: name, at: [2]uint64{tick.Number}, waits: tick.Waiting}}
	for _, in := range inputs {
		p := part{kind: ProblemInput, name: in.Name, id: in.Relation, at: [2]uint64{uint64(in.Applied), uint64(in.Read)}, waits: in.Waiting, stopped: in.Stopped}
		if s := db.storedByID(in.Relation); s != nil {
			if last := s.lastWrite(); last > 0 && last >= in.Applied {
				p.waits = true // the reader may not have it yet
			}
		}
		if in.Stopped != nil {
			p.kind = ProblemStopped
		}
		out = append(out, p)
	}
	for _, v := range views {
		switch {
		case v.Stopped != nil:
			out = append(out, part{kind: ProblemStopped, name: v.Name, id: v.Relation, stopped: v.Stopped})
		case v.Building:
			out = append(out, part{kind: ProblemView, name: v.Name, id: v.Relation, at: [2]uint64{uint64(v.Ticks)}, waits: true})
		}
	}
	return append(out, db.unbuiltParts()...)
}

// unbuiltParts lists the views of the catalog that could not be built again.
func (db *Database) unbuiltParts() []part {
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	var out []part
	for id, err := range db.health.unbuilt {
		r := db.catalog.ByID(id)
		if r == nil {
			delete(db.health.unbuilt, id) // it was dropped, or replaced by one that was built
			continue
		}
		out = append(out, part{kind: ProblemStopped, name: r.Name, id: id, stopped: err})
	}
	slices.SortFunc(out, func(a, b part) int { return cmp.Compare(a.id, b.id) })
	return out
}

// RelationOf is the name of the relation whose records a topic holds, else the topic's.
func (db *Database) RelationOf(topic string) string {
	for _, r := range db.catalog.All() {
		if r.Stored() && r.Topic() == topic {
			return r.Name
		}
	}
	return topic
}

// Problems lists what has stopped moving although work waits, and what has stopped for good.
func (db *Database) Problems() []Problem { return db.health.look(db.now(), db.parts()) }

// noteUnbuilt remembers a view that could not be built again.
func (db *Database) noteUnbuilt(r *catalog.Relation, err error) {
	db.engine.Refuse(r.ID, err)
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	if db.health.unbuilt == nil {
		db.health.unbuilt = map[uint64]error{}
	}
	db.health.unbuilt[r.ID] = err
}

func (db *Database) storedByID(id uint64) *stored {
	db.storedMu.RLock()
	defer db.storedMu.RUnlock()
	return db.stored[id]
}

// watch looks at the parts from time to time, whether or not somebody asks, and logs what gets stuck and what moves again.
func (db *Database) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	db.health.cancel = cancel
	db.health.done.Go(func() {
		pulse := time.NewTicker(watchEvery)
		defer pulse.Stop()
		var known []Problem
		for {
			select {
			case <-pulse.C:
				known = db.report(known, db.Problems())
			case <-ctx.Done():
				return
			}
		}
	})
}

// report logs how what is wrong differs from what was.
func (db *Database) report(before, now []Problem) []Problem {
	same := func(a Problem) func(Problem) bool {
		return func(b Problem) bool { return a.Kind == b.Kind && a.Name == b.Name }
	}
	for _, p := range now {
		if p.Kind != ProblemStopped && !slices.ContainsFunc(before, same(p)) { // what stops has been logged with its error
			db.logger.Error("work waits and nothing moves", "database", db.name, "kind", p.Kind, "name", p.Name, "reason", p.Reason)
		}
	}
	for _, p := range before {
		if !slices.ContainsFunc(now, same(p)) {
			db.logger.Info("work moves again", "database", db.name, "kind", p.Kind, "name", p.Name)
		}
	}
	return now
}

func (h *health) close() {
	if h.cancel != nil {
		h.cancel()
		h.done.Wait()
	}
}
