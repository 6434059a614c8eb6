package session

import (
	"container/list"
	"context"
	"time"

	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/token"
)

// appendNew stores the decoded events but those whose identity was stored within the dedupe window, and returns a position from which all of them are seen.
// An event that another request is storing now is waited for, and stored here if it failed there.
func (db *Database) appendNew(ctx context.Context, to *stored, d *ingest.Decoded) ([]token.Position, error) {
	if d.IDs == nil {
		return db.append(ctx, []write{{to, d.Rows}})
	}
	left := make([]int32, len(d.IDs))
	for i := range left {
		left[i] = int32(i)
	}
	repeated := false
	var ps []token.Position
	for len(left) > 0 {
		c := db.dedupe.claim(to.def.ID, d.IDs, left, db.now())
		repeated = repeated || len(c.rows) < len(left)
		stored, err := db.append(ctx, []write{{to, gatherRows(d.Rows, c.rows)}})
		db.dedupe.settle(&c, err != nil)
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

func gatherRows(b *row.Batch, at []int32) *row.Batch {
	if len(at) == b.Len {
		return b
	}
	return b.Gather(at)
}

// claim is what a request may store of its events.
type claim struct {
	rows   []int32       // those it has to store: no other request stores them
	mine   []*remembered // their identities
	ended  chan struct{} // closed when they are stored, or not
	others []elsewhere
}

// elsewhere is an event that another request is storing.
type elsewhere struct {
	row   int32
	entry *remembered
}

// claim notes the identities of events as being stored by the caller, who settles the claim.
func (d *dedupe) claim(relation uint64, ids []string, rows []int32, now time.Time) claim {
	c := claim{ended: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trimLocked(now)
	for _, i := range rows {
		if ids[i] == "" {
			c.rows = append(c.rows, i)
			continue
		}
		id := identity{relation, "event:" + ids[i]}
		if e := d.known[id]; e != nil {
			c.meet(i, e)
			continue
		}
		r := &remembered{id: id, at: now, ended: c.ended}
		d.addLocked(r)
		c.rows, c.mine = append(c.rows, i), append(c.mine, r)
	}
	return c
}

// meet notes an event whose identity is known.
func (c *claim) meet(at int32, e *list.Element) {
	r := e.Value.(*remembered)
	select {
	case <-r.ended:
	default:
		if r.ended != c.ended {
			c.others = append(c.others, elsewhere{at, r})
		}
	}
}

// settle says whether the events of a claim were stored; those that were not are forgotten.
func (d *dedupe) settle(c *claim, failed bool) {
	d.mu.Lock()
	if failed {
		for _, r := range c.mine {
			r.failed = true
			d.forgetLocked(r)
		}
	}
	d.mu.Unlock()
	close(c.ended)
}

// failedElsewhere waits for the other requests and returns the events that they have not stored.
func (c *claim) failedElsewhere(ctx context.Context) ([]int32, error) {
	var rows []int32
	for _, o := range c.others {
		select {
		case <-o.entry.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if o.entry.failed {
			rows = append(rows, o.row)
		}
	}
	return rows, nil
}
