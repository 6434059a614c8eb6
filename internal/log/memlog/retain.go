package memlog

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

// Retain implements log.Log.
func (l *Log) Retain(ctx context.Context, name string, maxAge time.Duration, maxBytes int64) error {
	t, err := l.enter(ctx, name)
	if err != nil {
		return fmt.Errorf("changing the retention of topic %s: %w", name, err)
	}
	defer l.calls.Done()
	c := t.cfg
	c.MaxAge, c.MaxBytes = maxAge, maxBytes
	if err := log.CheckTopic(name, c); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.maxAge, t.maxBytes = maxAge, maxBytes
	t.expire(l.o.Now())
	if maxBytes > 0 {
		t.drop(func(*group) bool { return t.bytes > maxBytes })
	}
	return nil
}

// config is the topic's configuration as it is now.
func (t *topic) config() log.TopicConfig {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.cfg
	c.MaxAge, c.MaxBytes = t.maxAge, t.maxBytes
	return c
}
