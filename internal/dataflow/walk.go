package dataflow

import "github.com/tidemill/tidemill/internal/dataflow/state"

// walkLanes is how many lists are followed at a time.
const walkLanes = 64

// walker follows the lists of many keys side by side. The next row of a list is known only when the link of the one before has come from memory, so one list after
// the other would wait for each row by itself; the rows of many lists are waited for together.
type walker struct {
	trail []walkStep
}

// walkStep is a row that the list of a lane has.
type walkStep struct{ lane, row uint32 }

// match lists the rows of the keys ids, None for no key: the position in ids and the row, in the order of ids.
func (w *walker) match(s *joinSide, ids []uint32) (at []int32, rows []uint32, err error) {
	at, rows = make([]int32, 0, len(ids)), make([]uint32, 0, len(ids))
	var items [walkLanes]int32
	var heads [walkLanes]uint32
	for lo := 0; lo < len(ids); {
		n := 0
		for ; lo < len(ids) && n < walkLanes; lo++ {
			if k := ids[lo]; k != state.None {
				items[n], heads[n] = int32(lo), *s.heads.Peek(k)
				n++
			}
		}
		counts, err := w.follow(s, heads[:n], maxMatches-len(at))
		if err != nil {
			return nil, nil, err
		}
		base := len(at)
		var to [walkLanes]int
		for l := range n {
			to[l] = len(at)
			for range counts[l] {
				at = append(at, items[l])
			}
		}
		rows = append(rows, make([]uint32, len(at)-base)...)
		for _, step := range w.trail {
			rows[to[step.lane]] = step.row
			to[step.lane]++
		}
	}
	w.trail = emptied(w.trail)
	return at, rows, nil
}

// follow takes the lists that begin at next, rows + 1, a step each in turn, and counts the rows of each.
func (w *walker) follow(s *joinSide, next []uint32, most int) (counts [walkLanes]int, err error) {
	var live [walkLanes]uint8
	left := 0
	for l, r := range next {
		if r != 0 {
			live[left] = uint8(l)
			left++
		}
	}
	w.trail = w.trail[:0]
	for left > 0 {
		if len(w.trail) > most {
			return counts, errMatches
		}
		k := 0
		for _, l := range live[:left] {
			r := next[l] - 1
			w.trail = append(w.trail, walkStep{uint32(l), r})
			counts[l]++
			if next[l] = s.links.Peek(r).next; next[l] != 0 {
				live[k] = l
				k++
			}
		}
		left = k
	}
	if len(w.trail) > most {
		return counts, errMatches
	}
	return counts, nil
}
