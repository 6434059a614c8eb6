package logtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

// Open makes an empty log for one test. reopen closes that log and opens it again on the same data;
// it is nil if the implementation keeps nothing. Run closes the log it has last been given.
type Open func(t *testing.T) (l log.Log, reopen func(t *testing.T) log.Log)

// patience is how long a test waits for something that has to happen.
const patience = 60 * time.Second

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*env)
	}{
		{"Topics", testTopics},
		{"InvalidArguments", testInvalid},
		{"AppendAndRead", testAppendAndRead},
		{"KindsOfTopics", testKinds},
		{"ReadFromEveryOffset", testEveryOffset},
		{"ReadRange", testReadRange},
		{"Bounds", testBounds},
		{"EndOfRead", testEndOfRead},
		{"GroupsOfConcurrentAppenders", testConcurrentAppenders},
		{"FollowWhileAppending", testFollow},
		{"SlowReader", testSlowReader},
		{"BigGroups", testBigGroups},
		{"ManyTopics", testManyTopics},
		{"CancelledAppend", testCancelledAppend},
		{"RetentionBySize", testRetentionBySize},
		{"RetentionByAge", testRetentionByAge},
		{"DeleteUnderReaders", testDelete},
		{"CloseUnderLoad", testClose},
		{"Reopen", testReopen},
		{"ReopenAfterRetention", testReopenAfterRetention},
		{"RetainLess", testRetainLess},
		{"RetainMore", testRetainMore},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			l, reopen := open(t)
			e := &env{T: t, Log: l, ctx: ctx, reopenLog: reopen}
			defer func() {
				if err := e.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
			}()
			c.test(e)
		})
	}
}

// env is a test with its log.
type env struct {
	*testing.T
	log.Log
	ctx       context.Context
	reopenLog func(t *testing.T) log.Log
}

// reopen replaces the log by one on the same data, or skips the test.
func (e *env) reopen() {
	e.Helper()
	if e.reopenLog == nil {
		e.Skip("the log keeps nothing")
	}
	e.Log = e.reopenLog(e.T)
}

func (e *env) create(topic string, c log.TopicConfig) {
	e.Helper()
	if err := e.Create(e.ctx, topic, c); err != nil {
		e.Fatalf("Create(%s): %v", topic, err)
	}
}

func (e *env) append(topic string, group ...log.Entry) log.Offset {
	e.Helper()
	o, err := e.Append(e.ctx, topic, group)
	if err != nil {
		e.Fatalf("Append(%s): %v", topic, err)
	}
	return o
}

func (e *env) bounds(topic string) log.Bounds {
	e.Helper()
	b, err := e.Bounds(e.ctx, topic)
	if err != nil {
		e.Fatalf("Bounds(%s): %v", topic, err)
	}
	if b.First > b.Next {
		e.Fatalf("Bounds(%s) = %v: First is above Next", topic, b)
	}
	return b
}

// records reads a range and checks what holds for every range.
func (e *env) records(topic string, from, to log.Offset) []log.Record {
	e.Helper()
	var rs []log.Record
	err := e.ReadRange(e.ctx, topic, from, to, func(r log.Record) error {
		rs = append(rs, r)
		return nil
	})
	if err != nil {
		e.Fatalf("ReadRange(%s, %d, %d) after %d records: %v", topic, from, to, len(rs), err)
	}
	for i, r := range rs {
		if r.Offset < from || r.Offset >= to {
			e.Fatalf("ReadRange(%s, %d, %d) gave offset %d", topic, from, to, r.Offset)
		}
		if i > 0 && r.Offset <= rs[i-1].Offset {
			e.Fatalf("offset %d follows %d", r.Offset, rs[i-1].Offset)
		}
		if i > 0 && r.Appended.Before(rs[i-1].Appended) {
			e.Fatalf("offset %d was appended at %v, the one before at %v", r.Offset, r.Appended, rs[i-1].Appended)
		}
	}
	return rs
}

// all reads everything the topic has now.
func (e *env) all(topic string) []log.Record {
	e.Helper()
	return e.records(topic, 0, e.bounds(topic).Next)
}

// visible waits until readers can see the record at o, which they can at once unless the topic is relaxed.
func (e *env) visible(topic string, o log.Offset) {
	e.Helper()
	e.eventually("an acknowledged record is readable", func() bool { return e.bounds(topic).Next > o })
}

// eventually waits for a condition.
func (e *env) eventually(what string, cond func() bool) {
	e.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			e.Fatalf("waited too long: %s", what)
		}
	}
}

func (e *env) wantError(what string, err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: error %v, want one that is %q", what, err, want)
	}
}

// await receives from a goroutine of the test.
func await[T any](e *env, what string, c <-chan T) T {
	e.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		e.Fatalf("waited too long: %s", what)
		panic("unreachable")
	}
}

// sameRecords compares all but the time of appending.
func sameRecords(e *env, what string, got, want []log.Record) {
	e.Helper()
	if len(got) != len(want) {
		e.Fatalf("%s: %d records, want %d", what, len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.Offset != w.Offset || g.Partition != w.Partition || g.Last != w.Last || !bytes.Equal(g.Body, w.Body) {
			e.Fatalf("%s: record %d is offset %d partition %d last %v, %d bytes; want offset %d partition %d last %v, %d bytes (or the bytes differ)",
				what, i, g.Offset, g.Partition, g.Last, len(g.Body), w.Offset, w.Partition, w.Last, len(w.Body))
		}
	}
}

// newBody makes n bytes that depend on the seed.
func newBody(seed uint64, n int) []byte {
	b := make([]byte, n, n+8)
	r := rand.NewPCG(seed, uint64(n))
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:i+8:n+8], r.Uint64())
	}
	return b
}

// numbered makes a group of n records in partition p whose bodies name who, the group and the place in it.
func numbered(who, group, n int, p uint16) []log.Entry {
	g := make([]log.Entry, n)
	for i := range g {
		b := make([]byte, 12, 12+group%100)
		binary.LittleEndian.PutUint32(b, uint32(who))
		binary.LittleEndian.PutUint32(b[4:], uint32(group))
		binary.LittleEndian.PutUint32(b[8:], uint32(i))
		g[i] = log.Entry{Partition: p, Body: b[:cap(b)]}
	}
	return g
}

func number(r log.Record) (who, group, i int) {
	return int(binary.LittleEndian.Uint32(r.Body)), int(binary.LittleEndian.Uint32(r.Body[4:])), int(binary.LittleEndian.Uint32(r.Body[8:]))
}

// bodies returns the bodies of records.
func bodies(rs []log.Record) [][]byte {
	var bs [][]byte
	for _, r := range rs {
		bs = append(bs, slices.Clone(r.Body))
	}
	return bs
}
