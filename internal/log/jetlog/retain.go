package jetlog

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidemill/tidemill/internal/log"
)

// retention is what bounds a topic; see log.TopicConfig.
type retention struct {
	maxAge   time.Duration
	maxBytes int64
}

// frameTarget is the size at which a frame takes no further groups: frames are removed as a whole.
func (r retention) frameTarget() int {
	if r.maxBytes > 0 {
		return int(min(frameTarget, max(minFrameTarget, r.maxBytes/8)))
	}
	return frameTarget
}

// bound gives a stream the bounds.
func (r retention) bound(s *jetstream.StreamConfig) {
	s.MaxAge, s.MaxBytes, s.Duplicates = 0, -1, dedupeWindow
	if r.maxAge > 0 {
		s.MaxAge = max(r.maxAge, minMaxAge)
		s.Duplicates = min(dedupeWindow, s.MaxAge)
	}
	if r.maxBytes > 0 {
		s.MaxBytes = min(r.maxBytes, unbounded>>12)
	}
}

// Retain implements log.Log.
func (l *Log) Retain(ctx context.Context, name string, maxAge time.Duration, maxBytes int64) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.calls.Done()
	if l.server() == nil {
		return l.mem.Retain(ctx, name, maxAge, maxBytes)
	}
	l.manage.Lock()
	defer l.manage.Unlock()
	if err := l.retain(ctx, name, retention{maxAge, maxBytes}); err != nil {
		return fmt.Errorf("changing the retention of topic %s: %w", name, err)
	}
	return nil
}

func (l *Log) retain(ctx context.Context, name string, r retention) error {
	all, err := l.all(ctx)
	if err != nil {
		return err
	}
	c, there := all[name]
	if !there {
		return log.ErrNoTopic
	}
	t := l.topic(name)
	stream, trimmed := l.markers[name], false
	if t != nil {
		stream, trimmed = t.stream, t.mayLackFrames()
	}
	c.MaxAge, c.MaxBytes = r.maxAge, r.maxBytes
	if err := log.CheckTopic(name, c); err != nil {
		return err
	}
	stored, err := metadata(name, c, trimmed)
	if err != nil {
		return err
	}
	var gone chan struct{}
	if t != nil {
		gone = t.gone
	}
	err = l.retry(ctx, func(ctx context.Context, e *embedded) error {
		s, err := e.js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		config := s.CachedInfo().Config
		config.Metadata = stored
		if t != nil {
			r.bound(&config)
		}
		_, err = e.js.UpdateStream(ctx, config)
		return err
	}, gone)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("%w: %w", log.ErrUnavailable, err)
	case t == nil:
		return l.mem.Retain(ctx, name, r.maxAge, r.maxBytes)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retention, t.trimmed, t.target = r, trimmed, r.frameTarget()
	return nil
}

// config is the topic's configuration as it is now.
func (t *topic) config() log.TopicConfig {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.configLocked()
}

func (t *topic) configLocked() log.TopicConfig {
	c := t.cfg
	c.MaxAge, c.MaxBytes = t.retention.maxAge, t.retention.maxBytes
	return c
}

// mayLackFrames reports whether frames may have been removed.
func (t *topic) mayLackFrames() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trimmed || t.retention != retention{}
}
