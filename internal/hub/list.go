package hub

import (
	"cmp"
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// Listed describes an open subscription.
type Listed struct {
	// ID is the subscription's number among those of this hub, from 1.
	ID uint64
	// Relation, Columns and Values are its shape's; they must not be changed.
	Relation uint64
	Columns  []int
	Values   []row.Value
	// Waiting is the number of frames that wait for the subscriber; Behind says that there were too many, so that it gets what it missed
	// from the change history.
	Waiting int
	Behind  bool
}

// List returns the open subscriptions, the oldest first.
func (h *Hub) List() []Listed {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Listed, 0, h.mu.count)
	for _, r := range h.mu.relations {
		r.each(func(s *Subscription) { out = append(out, s.listed()) })
	}
	slices.SortFunc(out, func(a, b Listed) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// listed is called with the hub's lock held.
func (s *Subscription) listed() Listed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Listed{ID: s.id, Relation: s.relation, Columns: s.columns, Values: s.values, Waiting: len(s.frames), Behind: s.lagged}
}
