package logtest

import (
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

func (e *env) retain(topic string, maxAge time.Duration, maxBytes int64) {
	e.Helper()
	if err := e.Retain(e.ctx, topic, maxAge, maxBytes); err != nil {
		e.Fatalf("Retain(%s): %v", topic, err)
	}
	all, err := e.Topics(e.ctx)
	if c := all[topic]; err != nil || c.MaxAge != maxAge || c.MaxBytes != maxBytes {
		e.Fatalf("%s has the configuration %+v after Retain, error %v", topic, c, err)
	}
}

func testRetainLess(e *env) {
	for _, name := range []string{"t", "memory"} {
		e.create(name, log.TopicConfig{Partitions: 2, Memory: name == "memory"})
		e.append(name, numbered(0, 1, 3, 0)...)
		e.retain(name, 150*time.Millisecond, 0)
		e.eventually("all records are removed", func() bool {
			b := e.bounds(name)
			return b.First == b.Next
		})
	}
	e.create("big", log.TopicConfig{Partitions: 1})
	var last log.Offset
	for i := range 30 {
		last = e.append("big", log.Entry{Body: newBody(uint64(i), 200_000)})
	}
	e.retain("big", 0, 2<<20)
	e.eventually("the oldest records are removed", func() bool { return e.bounds("big").First > 1 })
	kept := e.all("big")
	if n := len(kept); n == 0 || n > 10 || kept[n-1].Offset != last {
		e.Errorf("%d of the records of 200 kB are kept in 2 MiB", n)
	}
	e.wantError("Retain of no topic", e.Retain(e.ctx, "none", 0, 0), log.ErrNoTopic)
	e.wantError("a negative age", e.Retain(e.ctx, "big", -1, 0), log.ErrInvalid)
}

// testRetainMore wants what is no longer bounded to stay, also when the log is opened again, and what was removed to stay away.
func testRetainMore(e *env) {
	e.create("t", log.TopicConfig{Partitions: 1, MaxAge: 150 * time.Millisecond})
	e.append("t", numbered(0, 0, 2, 0)...)
	e.eventually("all records are removed", func() bool {
		b := e.bounds("t")
		return b.First == b.Next
	})
	e.retain("t", 0, 0)
	at := e.append("t", numbered(0, 1, 1, 0)...)
	check := func() {
		e.Helper()
		if all := e.all("t"); len(all) != 1 || all[0].Offset != at {
			e.Fatalf("the topic holds %d records", len(all))
		}
		if b := e.bounds("t"); b.First == 1 || b.First > at {
			e.Fatalf("the topic begins at %d, its first record is at %d", b.First, at)
		}
	}
	time.Sleep(400 * time.Millisecond)
	check()
	e.reopen()
	check()
	if all, err := e.Topics(e.ctx); err != nil || all["t"].MaxAge != 0 {
		e.Errorf("opened again the topic has %+v, error %v", all["t"], err)
	}
}
