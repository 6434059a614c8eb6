package dataflow

import (
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/dataflow/state"
)

// saver saves the state of a graph after each tick as checkpoints do: what changed, and, a part at a time, everything.
type saver struct {
	r       *rand.Rand
	images  [][]byte // since the last time everything was begun to be saved
	before  [][]byte // of the time before, which is whole
	numbers []byte
	cursor  state.Cursor
	whole   bool
	begun   bool
}

func (s *saver) save(g *Graph) {
	k := state.NewKeeper()
	g.Persist(k)
	s.numbers = k.Numbers()
	if !s.begun || s.whole && s.r.IntN(6) == 0 {
		if s.whole {
			s.before = append(s.images, k.Changes(nil))
		} else {
			k.Forget()
		}
		s.images, s.cursor, s.whole, s.begun = nil, state.Cursor{}, false, true
	} else {
		image := k.Changes(nil)
		s.images = append(s.images, image)
		if !s.whole && s.before != nil {
			s.before = append(s.before, image)
		}
	}
	if !s.whole {
		var image []byte
		image, s.cursor, s.whole = k.Pages(nil, s.cursor, s.r.IntN(20_000))
		s.images = append(s.images, image)
	}
}

// load returns a graph with the state that was saved last, nil if nothing was saved as a whole yet.
func (s *saver) load(t *testing.T, build func() *Graph) *Graph {
	t.Helper()
	images := s.images
	if !s.whole {
		if images = s.before; images == nil {
			return nil
		}
	}
	g := build()
	k := state.NewLoader(s.numbers)
	g.Persist(k)
	for _, image := range images {
		if err := k.Restore(image); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Loaded(); err != nil {
		t.Fatal(err)
	}
	return g
}
