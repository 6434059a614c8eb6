package logtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/tidemill/tidemill/internal/log"
)

var errEnough = errors.New("enough")

// appenders runs n goroutines that append groups of 1 to 5 records each and returns what Append
// returned for each group of each, and waits for them.
func (e *env) appenders(topic string, n, groups int) [][]log.Offset {
	offsets := make([][]log.Offset, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for who := range n {
		wg.Go(func() {
			for g := range groups {
				o, err := e.Append(e.ctx, topic, numbered(who, g, 1+(who+g)%5, uint16(who%4)))
				if err != nil {
					errs[who] = err
					return
				}
				offsets[who] = append(offsets[who], o)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		e.Fatalf("Append: %v", err)
	}
	return offsets
}

// checkNumbered checks that the records are what appenders appended: each group whole and contiguous,
// those of one appender in order, each at its offset.
func checkNumbered(e *env, rs []log.Record, offsets [][]log.Offset) {
	e.Helper()
	next := make([]int, len(offsets))
	inGroup := 0
	for _, r := range rs {
		who, g, i := number(r)
		if g != next[who] || i != inGroup || int(r.Partition) != who%4 {
			e.Fatalf("offset %d is record %d of group %d of appender %d; expected record %d of group %d", r.Offset, i, g, who, inGroup, next[who])
		}
		inGroup++
		if last := inGroup == 1+(who+g)%5; last != r.Last {
			e.Fatalf("offset %d: Last is %v", r.Offset, r.Last)
		}
		if r.Last {
			if r.Offset != offsets[who][g] {
				e.Fatalf("group %d of appender %d ends at offset %d, Append returned %d", g, who, r.Offset, offsets[who][g])
			}
			next[who]++
			inGroup = 0
		}
	}
	for who := range next {
		if next[who] != len(offsets[who]) {
			e.Fatalf("%d groups of appender %d, want %d", next[who], who, len(offsets[who]))
		}
	}
}

func testConcurrentAppenders(e *env) {
	e.create("t", log.TopicConfig{Partitions: 4})
	offsets := e.appenders("t", 16, 50)
	checkNumbered(e, e.all("t"), offsets)
}

// testFollow has readers start at all times while appenders are at work.
func testFollow(e *env) {
	const appenders, groups, readers = 8, 60, 12
	e.create("t", log.TopicConfig{Partitions: 4})
	total := 0
	for who := range appenders {
		for g := range groups {
			total += 1 + (who+g)%5
		}
	}
	start := make(chan log.Offset, readers) // each reader starts when it gets its position
	seen := make([][]log.Record, readers)
	from := make([]log.Offset, readers)
	errs := make(chan error, readers)
	for i := range readers {
		go func() {
			from[i] = <-start
			errs <- e.Read(e.ctx, "t", from[i], func(r log.Record) error {
				seen[i] = append(seen[i], r)
				if who, g, n := number(r); who == appenders && g == 0 && n == 0 {
					return errEnough
				}
				return nil
			})
		}()
	}
	for range readers / 4 {
		start <- 0
	}
	feeding, fed := context.WithCancel(e.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := readers / 4; i < readers; i++ {
			b, err := e.Bounds(e.ctx, "t")
			switch {
			case err != nil:
				e.Errorf("Bounds: %v", err)
			case i%2 == 0:
				b.Next -= (b.Next - b.First) / 2
			}
			start <- b.Next
		}
		<-feeding.Done()
	})
	offsets := e.appenders("t", appenders, groups)
	fed()
	wg.Wait()
	e.append("t", numbered(appenders, 0, 1, 0)...)
	for range readers {
		if err := await(e, "a reader", errs); err != errEnough {
			e.Fatalf("Read: %v", err)
		}
	}
	all := e.all("t")
	checkNumbered(e, all[:len(all)-1], offsets)
	if len(all) != total+1 {
		e.Fatalf("%d records, want %d", len(all), total+1)
	}
	for i := range readers {
		sameRecords(e, fmt.Sprintf("reader %d from %d", i, from[i]), seen[i], e.records("t", from[i], all[len(all)-1].Offset+1))
	}
}

// testSlowReader stops one reader while more is appended than any memory of recent records holds, and
// lets another follow.
func testSlowReader(e *env) {
	e.create("t", log.TopicConfig{Partitions: 1})
	const n, size = 200, 200_000
	stopped, cont := make(chan struct{}), make(chan struct{})
	read := func(slow bool) <-chan error {
		done := make(chan error, 1)
		go func() {
			i := 0
			done <- e.Read(e.ctx, "t", 0, func(r log.Record) error {
				if slow && i == 3 {
					close(stopped)
					<-cont
				}
				if want := newBody(uint64(i), size); string(want) != string(r.Body) {
					return fmt.Errorf("record %d at offset %d is not the one appended", i, r.Offset)
				}
				if i++; i == n {
					return errEnough
				}
				return nil
			})
		}()
		return done
	}
	slow, quick := read(true), read(false)
	for i := range n {
		e.append("t", log.Entry{Body: newBody(uint64(i), size)})
		if i == 5 {
			await(e, "the slow reader", stopped)
		}
	}
	e.wantError("quick reader", await(e, "the quick reader", quick), errEnough)
	close(cont)
	e.wantError("slow reader", await(e, "the slow reader", slow), errEnough)
}

func testBigGroups(e *env) {
	e.create("t", log.TopicConfig{Partitions: 2})
	even := func(records, size int) []log.Entry {
		g := make([]log.Entry, records)
		for i := range g {
			g[i] = log.Entry{Partition: uint16(i % 2), Body: newBody(uint64(i), size)}
		}
		return g
	}
	var want []log.Record
	for _, g := range [][]log.Entry{
		even(1, log.MaxGroupBytes),
		even(log.MaxGroupRecords, log.MaxGroupBytes/log.MaxGroupRecords),
		even(log.MaxGroupRecords, 0),
		even(log.MaxGroupBytes/1024, 1024),
		append(even(6143, 1024), even(log.MaxGroupRecords-6143, 0)...),
		even(3, 1),
	} {
		o := e.append("t", g...)
		for i := range g {
			want = append(want, log.Record{Partition: g[i].Partition, Body: g[i].Body, Last: i == len(g)-1})
		}
		want[len(want)-1].Offset = o
	}
	for _, g := range [][]log.Entry{
		even(1, log.MaxGroupBytes+1),
		even(2, log.MaxGroupBytes/2+1),
		even(log.MaxGroupRecords+1, 0),
	} {
		_, err := e.Append(e.ctx, "t", g)
		e.wantError("too large a group", err, log.ErrTooLarge)
	}
	got := e.all("t")
	for i := range min(len(got), len(want)) {
		if !want[i].Last {
			want[i].Offset = got[i].Offset
		}
	}
	sameRecords(e, "big groups", got, want)
}

func testManyTopics(e *env) {
	const topics, groups = 40, 10
	name := func(i int) string { return fmt.Sprintf("topic-%d", i) }
	for i := range topics {
		e.create(name(i), log.TopicConfig{Partitions: 1 + i, Memory: i%7 == 3, Relaxed: i%5 == 2})
	}
	errs := make(chan error, topics)
	for i := range topics {
		go func() {
			n := 0
			errs <- e.Read(e.ctx, name(i), 0, func(r log.Record) error {
				if who, g, _ := number(r); who != i || g != n {
					return fmt.Errorf("topic %d has record %d of topic %d, expected record %d", i, g, who, n)
				}
				if n++; n == groups {
					return errEnough
				}
				return nil
			})
		}()
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 0))
			for g := range groups {
				for _, i := range r.Perm(topics / 4) {
					i = i*4 + w
					if _, err := e.Append(e.ctx, name(i), numbered(i, g, 1, uint16(i))); err != nil {
						e.Errorf("Append(%s): %v", name(i), err)
					}
				}
			}
		})
	}
	wg.Wait()
	for range topics {
		e.wantError("reader", await(e, "a reader", errs), errEnough)
	}
}
