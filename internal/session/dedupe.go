package session

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
)

const (
	// defaultDedupeWindow is how long identities are remembered unless something else is said, maxDedupeWindow how long at most.
	defaultDedupeWindow = 10 * time.Minute
	maxDedupeWindow     = 7 * 24 * time.Hour
	// dedupeBytesMax bounds the memory of what a database remembers: about five million events. Beyond it the oldest are forgotten before their time.
	dedupeBytesMax = 256 << 20
	// eventIDBytes and requestIDBytes are what remembering one takes, with the maps' share; of a request the answer's errors come on top.
	eventIDBytes   = 56
	requestIDBytes = 256
	// generations is in how many pieces a window is forgotten.
	generations = 4
	// idempotencyKeyMax bounds the bytes of an Idempotency-Key.
	idempotencyKeyMax = 256
	// answerBytesMax bounds the answer that is stored with a request's rows.
	answerBytesMax = 64 << 10
)

// identityOf is the digest of what kind of thing is called by which name.
func identityOf(kind byte, name []byte) record.Identity {
	var buf [256]byte
	sum := sha256.Sum256(append(append(buf[:0], kind), name...))
	return record.Identity(sum[:])
}

// Kinds of names.
const (
	requestName = 'r'
	eventName   = 'e'
	keyName     = 'k'
	contentName = 'c'
)

// declaredIDs are the identities of rows by the columns that the stream declares; a row with a null there has none.
func declaredIDs(def *catalog.Relation, b *row.Batch) []record.Identity {
	ids := make([]record.Identity, b.Len)
	var key []byte
rows:
	for i := range ids {
		key = key[:0]
		for _, c := range def.DedupeKey {
			if b.Cols[c].Null(i) {
				continue rows
			}
			key = row.AppendKey(key, &b.Cols[c], i)
		}
		ids[i] = identityOf(keyName, key)
	}
	return ids
}

// eventIDs are the identities of events by what they say of themselves; "" is none.
func eventIDs(names []string) []record.Identity {
	ids := make([]record.Identity, len(names))
	for i, n := range names {
		if n != "" {
			ids[i] = identityOf(eventName, []byte(n))
		}
	}
	return ids
}

// dedupeMemory is what the dedupes of a database share: its bound, and its clock, which only goes forward: what is remembered ages by the time
// that the node runs, whatever happens to the machine's clock.
type dedupeMemory struct {
	window  time.Duration
	most    int64                // bytes
	elapsed func() time.Duration // since the start of the database
	used    atomic.Int64
	early   atomic.Int64 // identities forgotten before their time
}

// dedupe remembers the identities of what a stream or table has stored, and the answers to requests. It is safe for concurrent use.
type dedupe struct {
	shared *dedupeMemory
	window time.Duration

	mu       sync.Mutex
	storing  map[record.Identity]*storing // of events under way
	requests map[record.Identity]*request // under way, or answered and in order
	order    list.List                    // of *request, oldest first: those that are answered
	past     []generation                 // of events, oldest first
	marked   time.Duration                // when the log was last told that the relation's records carry identities; valid if isMarked
	isMarked bool
	closed   bool
}

// storing is an attempt to store events, which share it. failed is valid once ended is closed.
type storing struct {
	ended  chan struct{}
	failed bool
}

// request is a request with a key. All but key and content is valid once ended is closed.
type request struct {
	key, content record.Identity
	storing
	answer IngestResult
	at     time.Duration
	bytes  int64
}

// generation is events that were stored one after the other, with the time of each.
type generation struct {
	first, last time.Duration
	events      map[record.Identity]time.Duration
}

func newDedupe(shared *dedupeMemory, def *catalog.Relation) *dedupe {
	return &dedupe{shared: shared, window: durationOption(def, "dedupe_window", shared.window),
		storing: map[record.Identity]*storing{}, requests: map[record.Identity]*request{}}
}

// release forgets everything, for a relation that is dropped.
func (d *dedupe) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for len(d.past) > 0 {
		d.forgetGenerationLocked()
	}
	for d.order.Len() > 0 {
		d.forgetRequestLocked()
	}
}

func (d *dedupe) forgetGenerationLocked() int {
	n := len(d.past[0].events)
	d.shared.used.Add(-int64(n) * eventIDBytes)
	d.past[0] = generation{}
	d.past = d.past[1:]
	return n
}

func (d *dedupe) forgetRequestLocked() {
	r := d.order.Remove(d.order.Front()).(*request)
	d.shared.used.Add(-r.bytes)
	delete(d.requests, r.key)
}

// trimLocked forgets what is older than the window, and, where the memory is used up, what is oldest.
func (d *dedupe) trimLocked(now time.Duration) {
	for len(d.past) > 0 && now-d.past[0].last >= d.window {
		d.forgetGenerationLocked()
	}
	for d.order.Len() > 0 && now-d.order.Front().Value.(*request).at >= d.window {
		d.forgetRequestLocked()
	}
	for d.shared.used.Load() > d.shared.most {
		switch {
		case len(d.past) > 0:
			d.shared.early.Add(int64(d.forgetGenerationLocked()))
		case d.order.Len() > 0:
			d.forgetRequestLocked()
			d.shared.early.Add(1)
		default:
			return // others hold it
		}
	}
}

// rememberLocked notes events that were stored at a time that is not before those of earlier calls.
func (d *dedupe) rememberLocked(ids []record.Identity, at time.Duration) {
	if d.closed || len(ids) == 0 {
		return
	}
	if n := len(d.past); n == 0 || at-d.past[n-1].first >= d.window/generations || int64(len(d.past[n-1].events)) >= d.shared.most/eventIDBytes/generations {
		d.past = append(d.past, generation{first: at, last: at, events: map[record.Identity]time.Duration{}})
	}
	g := &d.past[len(d.past)-1]
	before := len(g.events)
	for _, id := range ids {
		g.events[id] = at
	}
	g.last = at
	d.shared.used.Add(int64(len(g.events)-before) * eventIDBytes)
	d.trimLocked(at)
}

func (d *dedupe) knownLocked(id record.Identity, now time.Duration) bool {
	for i := len(d.past) - 1; i >= 0; i-- {
		if at, there := d.past[i].events[id]; there {
			return now-at < d.window
		}
	}
	return false
}

// claim is what a writer may store of its events.
type claim struct {
	rows   []int32           // those it has to store: no other writer stores them
	mine   []record.Identity // their identities
	own    *storing
	others []elsewhere
}

// elsewhere is an event that another writer is storing.
type elsewhere struct {
	row  int32
	with *storing
}

// claim notes the identities of events as being stored by the caller, who settles the claim. The zero Identity is always new.
func (d *dedupe) claim(ids []record.Identity, rows []int32) claim {
	c := claim{own: &storing{ended: make(chan struct{})}}
	now := d.shared.elapsed()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trimLocked(now)
	for _, i := range rows {
		id := ids[i]
		if id == (record.Identity{}) {
			c.rows = append(c.rows, i)
			continue
		}
		if s := d.storing[id]; s != nil {
			if s != c.own { // else it is in the same request twice
				c.others = append(c.others, elsewhere{i, s})
			}
			continue
		}
		if d.knownLocked(id, now) {
			continue
		}
		d.storing[id] = c.own
		c.rows, c.mine = append(c.rows, i), append(c.mine, id)
	}
	return c
}

// settle says whether the events of a claim were stored; those that were not are forgotten.
func (d *dedupe) settle(c *claim, failed bool) {
	d.mu.Lock()
	for _, id := range c.mine {
		delete(d.storing, id)
	}
	if !failed {
		d.rememberLocked(c.mine, d.shared.elapsed())
	}
	d.mu.Unlock()
	c.own.failed = failed
	close(c.own.ended)
}

// failedElsewhere waits for the other writers and returns the events that they have not stored.
func (c *claim) failedElsewhere(ctx context.Context) ([]int32, error) {
	var rows []int32
	for _, o := range c.others {
		select {
		case <-o.with.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if o.with.failed {
			rows = append(rows, o.row)
		}
	}
	return rows, nil
}

// begin notes a request. If it is new it is returned, and finish must be called with the outcome; one that failed is forgotten. Otherwise
// answer is that of the first one, which is waited for.
func (d *dedupe) begin(ctx context.Context, key string, content record.Identity) (mine *request, answer IngestResult, err error) {
	if len(key) > idempotencyKeyMax {
		return nil, answer, fault.New(fault.InvalidParameterValue, "the Idempotency-Key has %d bytes, at most %d", len(key), idempotencyKeyMax)
	}
	id := identityOf(requestName, []byte(key))
	for {
		now := d.shared.elapsed()
		d.mu.Lock()
		d.trimLocked(now)
		r := d.requests[id]
		if r == nil {
			r = &request{key: id, content: content, storing: storing{ended: make(chan struct{})}}
			d.requests[id] = r
			d.mu.Unlock()
			return r, answer, nil
		}
		d.mu.Unlock()
		if r.content != content {
			return nil, answer, fault.New(fault.IdempotencyKeyReused, "the Idempotency-Key %q was used for another request", key).
				WithDetail("a request with this key and another body came within the last %s", d.window).
				WithHint("use a key once; repeat a request with exactly the same body")
		}
		select {
		case <-r.ended:
		case <-ctx.Done():
			return nil, answer, ctx.Err()
		}
		if !r.failed {
			return nil, r.answer, nil
		}
	}
}

func (d *dedupe) finish(r *request, answer IngestResult, err error) {
	d.mu.Lock()
	r.answer, r.failed = answer, err != nil
	if r.failed || d.closed {
		delete(d.requests, r.key)
	} else {
		d.answeredLocked(r, d.shared.elapsed())
	}
	d.mu.Unlock()
	close(r.ended)
}

// answeredLocked keeps an answered request.
func (d *dedupe) answeredLocked(r *request, at time.Duration) {
	r.at, r.bytes = at, requestIDBytes
	for _, e := range r.answer.Errors {
		r.bytes += int64(len(e.Code)+len(e.Column)+len(e.Message)) + 64
	}
	d.requests[r.key] = r
	d.order.PushBack(r)
	d.shared.used.Add(r.bytes)
	d.trimLocked(at)
}

// some reports whether anything is remembered.
func (d *dedupe) some() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.past) > 0 || d.order.Len() > 0
}

// restore notes what a record of the log carries; records come in order. answer is the request's, if there is one.
func (d *dedupe) restore(ids *record.Identities, answer IngestResult, at time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rememberLocked(ids.Events, at)
	if ids.Request == nil || d.requests[ids.Request.Key] != nil {
		return
	}
	r := &request{key: ids.Request.Key, content: ids.Request.Content, storing: storing{ended: make(chan struct{})}, answer: answer}
	close(r.ended)
	d.answeredLocked(r, at)
}

// storedAnswer is an answer as it is kept with the rows: without its token, which is where they are.
func storedAnswer(r IngestResult) ([]byte, error) {
	r.Token = ""
	for {
		b, err := json.Marshal(r)
		if err != nil || len(b) <= answerBytesMax || len(r.Errors) == 0 {
			return b, err
		}
		r.Errors = r.Errors[:len(r.Errors)/2]
	}
}
