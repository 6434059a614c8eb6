package logtest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

func testRetentionBySize(e *env) {
	const bound, size, n = 4 << 20, 100_000, 120
	e.create("t", log.TopicConfig{Partitions: 1, MaxBytes: bound})
	var offsets []log.Offset
	for i := range n {
		offsets = append(offsets, e.append("t", log.Entry{Body: newBody(uint64(i), size)}))
	}
	e.eventually("the oldest records are removed", func() bool {
		b := e.bounds("t")
		return b.First > offsets[n-bound/size-1]
	})
	kept := e.all("t")
	if len(kept) < bound/size/2 || len(kept) > bound/size {
		e.Errorf("%d records of %d bytes are kept in %d bytes", len(kept), size, bound)
	}
	for i, r := range kept {
		k := n - len(kept) + i
		if r.Offset != offsets[k] || string(r.Body) != string(newBody(uint64(k), size)) {
			e.Fatalf("record %d of those kept is not the one at offset %d", i, offsets[k])
		}
	}
	if b := e.bounds("t"); kept[0].Offset != b.First {
		e.Errorf("reading from 0 starts at %d, First is %d", kept[0].Offset, b.First)
	}
}

func testRetentionByAge(e *env) {
	e.create("t", log.TopicConfig{Partitions: 1, MaxAge: 150 * time.Millisecond})
	for i := range 5 {
		e.append("t", numbered(0, i, 2, 0)...)
	}
	before := e.bounds("t").Next
	e.eventually("all records are removed", func() bool {
		b := e.bounds("t")
		return b.First == b.Next
	})
	if b := e.bounds("t"); b.Next != before {
		e.Errorf("Next went from %d to %d without an append", before, b.Next)
	}
	e.nextRecord("t", 0, before)
}

// nextRecord reads from a position on at which records have been removed, while new ones are appended
// (which may be removed soon, too). What it reads first must be new.
func (e *env) nextRecord(topic string, from, before log.Offset) {
	e.Helper()
	got := make(chan log.Offset, 1)
	done := make(chan error, 1)
	go func() {
		done <- e.Read(e.ctx, topic, from, func(r log.Record) error {
			got <- r.Offset
			return errEnough
		})
	}()
	e.eventually("a new record is read", func() bool {
		e.append(topic, numbered(0, 9, 1, 0)...)
		return len(got) > 0
	})
	if o := <-got; o < before {
		e.Errorf("read offset %d, which is below %d, where the topic ended before", o, before)
	}
	e.wantError("Read", await(e, "the reader", done), errEnough)
}

func testDelete(e *env) {
	durable, memory, relaxed := log.TopicConfig{Partitions: 1}, log.TopicConfig{Partitions: 1, Memory: true}, log.TopicConfig{Partitions: 1, Relaxed: true}
	for _, c := range []log.TopicConfig{durable, memory, relaxed, durable, relaxed, memory, durable} {
		e.create("t", c)
		e.append("t", numbered(0, 0, 3, 0)...)
		const readers = 4
		errs := make(chan error, readers+1)
		ready := make(chan struct{}, readers)
		for range readers {
			go func() {
				n := 0
				errs <- e.Read(e.ctx, "t", 0, func(r log.Record) error {
					if n++; n == 3 {
						ready <- struct{}{}
					}
					return nil
				})
			}()
		}
		for range readers {
			await(e, "a reader at the end", ready)
		}
		go func() {
			for i := 0; ; i++ {
				if _, err := e.Append(e.ctx, "t", numbered(0, i, 1, 0)); err != nil {
					errs <- err
					return
				}
			}
		}()
		if err := e.Delete(e.ctx, "t"); err != nil {
			e.Fatalf("Delete: %v", err)
		}
		for range readers + 1 {
			e.wantError("a reader or appender of the deleted topic", await(e, "a reader or appender", errs), log.ErrNoTopic)
		}
		e.create("t", c)
		if rs := e.all("t"); len(rs) != 0 {
			e.Errorf("the new topic of the same name has %d records", len(rs))
		}
		e.visible("t", e.append("t", numbered(7, 7, 1, 0)...))
		if rs := e.all("t"); len(rs) != 1 {
			e.Errorf("the new topic has %d records, want 1", len(rs))
		}
		if err := e.Delete(e.ctx, "t"); err != nil {
			e.Fatalf("Delete: %v", err)
		}
	}
}

// testClose closes the log under readers and appenders. What was acknowledged must be there after
// opening it again, what was refused must not.
func testClose(e *env) {
	const appenders, readers = 6, 4
	e.create("t", log.TopicConfig{Partitions: 4})
	e.append("t", numbered(appenders, 0, 1, 0)...)
	read := make(chan error, readers)
	next := e.bounds("t").Next
	for i := range readers {
		go func() {
			from := log.Offset(0)
			if i == 0 {
				from = next
			}
			read <- e.Read(e.ctx, "t", from, func(log.Record) error { return nil })
		}()
	}
	var acked atomic.Int64
	offsets := make([][]log.Offset, appenders)
	errs := make([]error, appenders)
	old := e.Log
	var wg sync.WaitGroup
	for who := range appenders {
		wg.Go(func() {
			for g := 0; errs[who] == nil; g++ {
				var o log.Offset
				if o, errs[who] = old.Append(e.ctx, "t", numbered(who, g, 1+(who+g)%5, uint16(who%4))); errs[who] == nil {
					offsets[who] = append(offsets[who], o)
					acked.Add(1)
				}
			}
		})
	}
	e.eventually("some appends", func() bool { return acked.Load() > 50 })
	if err := old.Close(); err != nil {
		e.Fatalf("Close: %v", err)
	}
	wg.Wait()
	for _, err := range errs {
		e.wantError("Append", err, log.ErrClosed)
	}
	for range readers {
		e.wantError("Read", await(e, "a reader", read), log.ErrClosed)
	}
	e.closed(old)
	e.reopen()
	checkNumbered(e, e.all("t")[1:], offsets)
}

// closed checks that a closed log says so.
func (e *env) closed(l log.Log) {
	e.Helper()
	_, err := l.Append(e.ctx, "t", numbered(0, 0, 1, 0))
	e.wantError("Append after Close", err, log.ErrClosed)
	_, err = l.Bounds(e.ctx, "t")
	e.wantError("Bounds after Close", err, log.ErrClosed)
	_, err = l.Topics(e.ctx)
	e.wantError("Topics after Close", err, log.ErrClosed)
	e.wantError("Read after Close", l.Read(e.ctx, "t", 0, nil), log.ErrClosed)
	e.wantError("ReadRange after Close", l.ReadRange(e.ctx, "t", 0, 9, nil), log.ErrClosed)
	e.wantError("Create after Close", l.Create(e.ctx, "u", log.TopicConfig{Partitions: 1}), log.ErrClosed)
	e.wantError("Delete after Close", l.Delete(e.ctx, "t"), log.ErrClosed)
	if err := l.Close(); err != nil {
		e.Errorf("closing again: %v", err)
	}
}

func testReopen(e *env) {
	if e.reopenLog == nil {
		e.Skip("the log keeps nothing")
	}
	e.create("t", log.TopicConfig{Partitions: 4, MaxAge: time.Hour})
	e.create("relaxed", log.TopicConfig{Partitions: 4, Relaxed: true})
	e.create("memory", log.TopicConfig{Partitions: 4, Memory: true})
	e.create("deleted", log.TopicConfig{Partitions: 4})
	e.append("deleted", numbered(0, 0, 1, 0)...)
	if err := e.Delete(e.ctx, "deleted"); err != nil {
		e.Fatal(err)
	}
	var want []log.Record
	for round := range 3 {
		for i := range 10 {
			group := numbered(round, i, 1+i%3, uint16(round))
			for _, topic := range []string{"t", "relaxed"} {
				e.append(topic, group...)
			}
		}
		memory := e.append("memory", numbered(round, 0, 1, 0)...)
		want = e.all("t")
		next := e.bounds("t").Next
		topics, err := e.Topics(e.ctx)
		if err != nil || len(topics) != 3 {
			e.Fatalf("Topics() = %v, %v", topics, err)
		}
		e.reopen()
		again, err := e.Topics(e.ctx)
		if err != nil || len(again) != len(topics) {
			e.Fatalf("Topics() = %v, %v; before it was %v", again, err, topics)
		}
		for name, c := range topics {
			if again[name] != c {
				e.Errorf("topic %s is %v, was %v", name, again[name], c)
			}
		}
		if b := e.bounds("t"); b.Next != next {
			e.Errorf("Next is %d, was %d", b.Next, next)
		}
		sameRecords(e, "after opening again", e.all("t"), want)
		relaxed := e.all("relaxed")
		for i := range min(len(relaxed), len(want)) {
			want[i].Offset = relaxed[i].Offset
		}
		sameRecords(e, "relaxed topic after opening again", relaxed, want)
		if b := e.bounds("memory"); b.First != b.Next || b.Next <= memory {
			e.Errorf("the memory topic is at %v, its last record was %d", b, memory)
		}
	}
	if len(want) != 57 {
		e.Errorf("%d records, want 57", len(want))
	}
}

func testReopenAfterRetention(e *env) {
	if e.reopenLog == nil {
		e.Skip("the log keeps nothing")
	}
	e.create("t", log.TopicConfig{Partitions: 1, MaxAge: 150 * time.Millisecond})
	last := e.append("t", numbered(0, 0, 1, 0)...)
	e.eventually("the record is removed", func() bool {
		b := e.bounds("t")
		return b.First == b.Next
	})
	before := e.bounds("t")
	e.reopen()
	if b := e.bounds("t"); b.First != before.First || b.Next != before.Next {
		e.Errorf("Bounds = %v, were %v", b, before)
	}
	if o := e.append("t", numbered(0, 1, 1, 0)...); o <= last || o < before.Next {
		e.Errorf("offset %d was given out, %d had been before", o, last)
	}
	e.nextRecord("t", last, before.Next)
}
