package session

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/view"
)

// sharedViews are the views that exist for subscriptions to a query, by the query's plan. A view that nobody subscribes to any more stays for a
// while, so that who comes back finds its history.
type sharedViews struct {
	mu    sync.Mutex
	views map[string]*sharedView
}

type sharedView struct {
	id    uint64
	users int
	built chan struct{} // closed when err and id are valid
	err   error
	idle  *time.Timer
}

const (
	sharedLinger = time.Minute
	sharedMax    = 1000
)

func (v *sharedViews) acquire(ctx context.Context, db *Database, p *selectPlan) (uint64, func(), error) {
	key := fmt.Sprint(plan.Fingerprint(p.node), p.schemas, "\n")
	for _, id := range p.relations {
		key += fmt.Sprintf("|%d", id)
	}
	v.mu.Lock()
	if v.views == nil {
		v.views = map[string]*sharedView{}
	}
	s := v.views[key]
	mine := s == nil
	if mine {
		if len(v.views) >= sharedMax {
			v.mu.Unlock()
			return 0, nil, fault.New(fault.LimitExceeded, "%d different queries are subscribed to, which is the most", sharedMax).WithHint("subscribe to a materialized view")
		}
		s = &sharedView{built: make(chan struct{})}
		v.views[key] = s
	}
	s.users++
	if s.idle != nil {
		s.idle.Stop()
		s.idle = nil
	}
	v.mu.Unlock()
	if mine {
		s.id, s.err = db.buildShared(ctx, p)
		if s.err != nil {
			v.mu.Lock()
			delete(v.views, key)
			v.mu.Unlock()
		}
		close(s.built)
	}
	select {
	case <-s.built:
	case <-ctx.Done():
		v.release(db, key, s)
		return 0, nil, ctx.Err()
	}
	if s.err != nil {
		return 0, nil, s.err
	}
	var once sync.Once
	return s.id, func() { once.Do(func() { v.release(db, key, s) }) }, nil
}

func (v *sharedViews) release(db *Database, key string, s *sharedView) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.users--; s.users > 0 || v.views[key] != s {
		return
	}
	s.idle = time.AfterFunc(sharedLinger, func() {
		v.mu.Lock()
		gone := s.users == 0 && v.views[key] == s
		if gone {
			delete(v.views, key)
		}
		v.mu.Unlock()
		if gone {
			_ = db.engine.Drop(context.Background(), s.id)
		}
	})
}

// dropReaders ends the shared views that read a relation.
func (v *sharedViews) dropReaders(db *Database, relation uint64) {
	v.mu.Lock()
	var doomed []*sharedView
	for key, s := range v.views {
		for part := range strings.SplitSeq(key[strings.LastIndexByte(key, '\n')+1:], "|") {
			if part == fmt.Sprint(relation) {
				doomed = append(doomed, s)
				delete(v.views, key)
				break
			}
		}
	}
	v.mu.Unlock()
	for _, s := range doomed {
		<-s.built
		if s.err == nil {
			db.hub.Drop(s.id)
			_ = db.engine.Drop(context.Background(), s.id)
		}
	}
}

func (db *Database) buildShared(ctx context.Context, p *selectPlan) (uint64, error) {
	r := &catalog.Relation{ID: db.catalog.NextID(), Kind: catalog.MaterializedView, Name: "(subscription)", Columns: p.columns}
	g, reads, err := db.compile(p.node, r)
	if err != nil {
		return 0, err
	}
	r.AppendOnly = g.AppendOnly()
	store := view.New(view.Options{Schema: r.Columns, AppendOnly: g.AppendOnly()})
	copies, err := db.copiesFor(ctx, g, reads)
	if err != nil {
		g.Close()
		return 0, err
	}
	err = db.engine.AddViewOver(ctx, r, g, store, reads, copies)
	if db.fresh(p) {
		return r.ID, err
	}
	// What the view was compiled for may not be what it read.
	if err == nil {
		_ = db.engine.Drop(context.WithoutCancel(ctx), r.ID)
	}
	return 0, errAltered
}
