package logtest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

func testTopics(e *env) {
	want := map[string]log.TopicConfig{}
	check := func() {
		e.Helper()
		got, err := e.Topics(e.ctx)
		if err != nil || !maps.Equal(got, want) {
			e.Fatalf("Topics() = %v, %v; want %v", got, err, want)
		}
	}
	check()
	for name, c := range map[string]log.TopicConfig{
		"a":                      {Partitions: 1},
		"KV_B-2":                 {Partitions: 1024, MaxAge: time.Hour, MaxBytes: 1 << 30},
		"relaxed":                {Partitions: 3, Relaxed: true},
		"memory":                 {Partitions: 3, Memory: true},
		strings.Repeat("n", 200): {Partitions: 7, MaxAge: time.Second},
	} {
		e.create(name, c)
		want[name] = c
		check()
		e.wantError("creating again", e.Create(e.ctx, name, c), log.ErrTopicExists)
	}
	for name := range want {
		if err := e.Delete(e.ctx, name); err != nil {
			e.Fatalf("Delete(%s): %v", name, err)
		}
		delete(want, name)
		check()
		e.wantError("deleting again", e.Delete(e.ctx, name), log.ErrNoTopic)
	}
	_, err := e.Append(e.ctx, "a", numbered(0, 0, 1, 0))
	e.wantError("Append", err, log.ErrNoTopic)
	_, err = e.Bounds(e.ctx, "a")
	e.wantError("Bounds", err, log.ErrNoTopic)
	e.wantError("Read", e.Read(e.ctx, "a", 0, nil), log.ErrNoTopic)
	e.wantError("ReadRange", e.ReadRange(e.ctx, "a", 0, 1, nil), log.ErrNoTopic)
}

func testInvalid(e *env) {
	one := log.TopicConfig{Partitions: 1}
	for _, name := range []string{"", "a.b", "a b", "*", ">", "a/b", "ü", strings.Repeat("n", 201), "a\x00"} {
		e.wantError("topic name "+name, e.Create(e.ctx, name, one), log.ErrInvalid)
	}
	for _, c := range []log.TopicConfig{{}, {Partitions: -1}, {Partitions: 1025},
		{Partitions: 1, MaxAge: -1}, {Partitions: 1, MaxBytes: -1}} {
		e.wantError("topic configuration", e.Create(e.ctx, "x", c), log.ErrInvalid)
	}
	e.create("t", log.TopicConfig{Partitions: 2})
	_, err := e.Append(e.ctx, "t", nil)
	e.wantError("empty group", err, log.ErrInvalid)
	_, err = e.Append(e.ctx, "t", []log.Entry{{Partition: 1}, {Partition: 2}})
	e.wantError("partition 2 of 2", err, log.ErrInvalid)
	if b := e.bounds("t"); b.First != b.Next {
		e.Errorf("Bounds = %v after refused groups", b)
	}
}

// testAppendAndRead appends groups of many shapes and compares what comes back.
func testAppendAndRead(e *env) { appendAndRead(e, "t", log.TopicConfig{Partitions: 1024}) }

func appendAndRead(e *env, topic string, c log.TopicConfig) {
	e.create(topic, c)
	began := time.Now().Add(-time.Millisecond)
	var want []log.Record
	seed := uint64(0)
	for _, sizes := range [][]int{{0}, {1}, {0, 0, 0}, {7, 8, 9}, {1023, 1024, 1025, 5, 64, 4096},
		{100_000}, {3, 300_000, 1}, {1 << 20}, {2}, {1_500_000, 1_500_000}} {
		var group []log.Entry
		for _, n := range sizes {
			seed++
			group = append(group, log.Entry{Partition: uint16(seed * 101 % uint64(c.Partitions)), Body: newBody(seed, n)})
		}
		last := e.append(topic, group...)
		for i, g := range group {
			want = append(want, log.Record{Partition: g.Partition, Body: g.Body, Last: i == len(group)-1})
		}
		want[len(want)-1].Offset = last
		clear(group) // the slice, unlike the bodies, is the caller's
	}
	e.visible(topic, want[len(want)-1].Offset)
	got := e.all(topic)
	if len(got) != len(want) {
		e.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if !want[i].Last {
			want[i].Offset = got[i].Offset
		}
		if r := got[i]; r.Appended.Before(began) || r.Appended.After(time.Now()) {
			e.Errorf("record %d says it was appended at %v", i, r.Appended)
		}
	}
	sameRecords(e, "reading back", got, want)
	kept := bodies(got)
	for range 20 {
		e.append(topic, log.Entry{Body: newBody(seed, 100_000)})
	}
	for i := range kept {
		if !bytes.Equal(kept[i], got[i].Body) {
			e.Fatalf("the body of record %d changed later", i)
		}
	}
}

func testKinds(e *env) {
	appendAndRead(e, "relaxed", log.TopicConfig{Partitions: 3, Relaxed: true})
	appendAndRead(e, "memory", log.TopicConfig{Partitions: 3, Memory: true})
}

func testEveryOffset(e *env) {
	e.create("t", log.TopicConfig{Partitions: 1})
	for i := range 30 {
		e.append("t", numbered(0, i, 1+i%4, 0)...)
	}
	all := e.all("t")
	next := e.bounds("t").Next
	for i, r := range all {
		sameRecords(e, "from a record", e.records("t", r.Offset, next), all[i:])
		sameRecords(e, "from after a record", e.records("t", r.Offset+1, next), all[i+1:])
		sameRecords(e, "up to a record", e.records("t", 0, r.Offset), all[:i])
		sameRecords(e, "up to after a record", e.records("t", 0, r.Offset+1), all[:i+1])
	}
}

func testReadRange(e *env) {
	e.create("t", log.TopicConfig{Partitions: 1})
	sameRecords(e, "empty topic", e.records("t", 0, e.bounds("t").Next), nil)
	first := e.append("t", numbered(0, 0, 2, 0)...)
	next := e.bounds("t").Next
	sameRecords(e, "empty range", e.records("t", next, next), nil)
	sameRecords(e, "reversed range", e.records("t", next, first), nil)
	sameRecords(e, "range before all", e.records("t", 0, 1), nil)
	sameRecords(e, "reversed range beyond the end", e.records("t", next+1<<40, next), nil)

	// A range that ends in the future waits for it.
	got := make(chan []log.Record, 1)
	started := make(chan struct{})
	go func() {
		var rs []log.Record
		_ = e.ReadRange(e.ctx, "t", first, next+1, func(r log.Record) error {
			if len(rs) == 0 {
				close(started)
			}
			rs = append(rs, r)
			return nil
		})
		got <- rs
	}()
	await(e, "the first record", started)
	select {
	case <-got:
		e.Fatal("ReadRange returned before the range was complete")
	default:
	}
	o := e.append("t", numbered(0, 1, 1, 0)...)
	rs := await(e, "the end of the range", got)
	if n := len(rs); n < 1 || n > 2 || rs[0].Offset != first || n == 2 && (rs[1].Offset != o || o != next) {
		e.Errorf("range from %d to %d gave %d records", first, next+1, n)
	}
	e.wantError("a position that the log never had",
		e.ReadRange(e.ctx, "t", e.bounds("t").Next+1<<32, 1<<63, nil), log.ErrCorrupt)
}

func testBounds(e *env) {
	e.create("t", log.TopicConfig{Partitions: 1})
	b := e.bounds("t")
	if b.First != b.Next {
		e.Errorf("Bounds of an empty topic = %v", b)
	}
	for i := range 20 {
		group := numbered(0, i, 1+i%3, 0)
		o := e.append("t", group...)
		after := e.bounds("t")
		if after.First != b.First {
			e.Errorf("First went from %d to %d", b.First, after.First)
		}
		if after.Next <= o {
			e.Errorf("Next is %d after offset %d was appended", after.Next, o)
		}
		if rs := e.records("t", b.Next, after.Next); len(rs) != len(group) || rs[len(rs)-1].Offset != o {
			e.Errorf("%d records between the bounds before and after an append of %d", len(rs), len(group))
		}
		b = after
	}
}

func testEndOfRead(e *env) {
	e.create("t", log.TopicConfig{Partitions: 1})
	e.append("t", numbered(0, 0, 3, 0)...)
	mine := errors.New("mine")
	calls := 0
	err := e.Read(e.ctx, "t", 0, func(log.Record) error {
		calls++
		return mine
	})
	if err != mine || calls != 1 {
		e.Errorf("Read = %v after %d calls, want fn's own error after 1", err, calls)
	}
	ctx, cancel := context.WithCancel(e.ctx)
	calls = 0
	err = e.Read(ctx, "t", 0, func(log.Record) error {
		calls++
		cancel()
		return nil
	})
	if err != context.Canceled || calls != 1 {
		e.Errorf("Read = %v after %d calls, want the context's error after 1", err, calls)
	}
	ctx, cancel = context.WithCancel(e.ctx)
	ended := make(chan error, 1)
	reached := make(chan struct{})
	go func() {
		n := 0
		ended <- e.Read(ctx, "t", 0, func(log.Record) error {
			if n++; n == 3 {
				close(reached)
			}
			return nil
		})
	}()
	await(e, "the end of the topic", reached)
	cancel()
	if err := await(e, "a waiting reader", ended); err != context.Canceled {
		e.Errorf("a waiting Read ended with %v", err)
	}
}

func testCancelledAppend(e *env) {
	e.create("t", log.TopicConfig{Partitions: 1})
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err := e.Append(ctx, "t", numbered(0, 0, 1, 0))
	e.wantError("Append", err, context.Canceled)
	e.wantError("Read", e.Read(ctx, "t", 0, func(log.Record) error { return nil }), context.Canceled)
	e.append("t", numbered(0, 1, 1, 0)...)
	if rs := e.all("t"); len(rs) < 1 || len(rs) > 2 {
		e.Errorf("%d records", len(rs))
	}
}
