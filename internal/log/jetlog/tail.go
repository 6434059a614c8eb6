package jetlog

import (
	"sync"

	"github.com/tidemill/tidemill/internal/log/jetlog/frame"
)

// frameOverhead is what a frame in memory is counted with besides its bytes.
const frameOverhead = 256

// tailCache bounds the memory of the newest frames of all topics together. The frames themselves are
// in their topics (topic.hot); the cache knows the order in which they came and takes the oldest
// away first, whichever topic it belongs to. A reader that is handed a frame keeps it alive by itself.
//
// Lock order: tailCache.mu before topic.mu.
type tailCache struct {
	max int64

	mu    sync.Mutex
	bytes int64
	order []hotFrame // oldest first
}

type hotFrame struct {
	topic  *topic
	number uint64
	bytes  int64
}

// add counts a frame that is the newest of its topic and evicts old ones. The newest frame of all
// always stays.
func (c *tailCache) add(t *topic, f frame.Frame) {
	n := int64(cap(f.Bytes)) + frameOverhead
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order = append(c.order, hotFrame{topic: t, number: f.Number, bytes: n})
	c.bytes += n
	i := 0
	for ; c.bytes > c.max && i < len(c.order)-1; i++ {
		c.order[i].topic.cool(c.order[i].number)
		c.bytes -= c.order[i].bytes
		c.order[i] = hotFrame{}
	}
	c.order = c.order[i:]
}

// forget takes all frames of a topic away.
func (c *tailCache) forget(t *topic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.order[:0]
	for _, h := range c.order {
		if h.topic == t {
			c.bytes -= h.bytes
			continue
		}
		kept = append(kept, h)
	}
	clear(c.order[len(kept):])
	c.order = kept
	t.mu.Lock()
	t.hot = nil
	t.mu.Unlock()
}

// cool removes the frames up to this number from memory.
func (t *topic) cool(number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := 0
	for i < len(t.hot) && t.hot[i].Number <= number {
		t.hot[i] = frame.Frame{}
		i++
	}
	t.hot = t.hot[i:]
}
