package jetlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/jetlog/frame"
)

const (
	// hotFrames bounds the frames a reader takes from memory at a time.
	hotFrames = 16
	// readAttempts is how often in a row a reader asks a running server in vain.
	readAttempts = 5
	readPause    = 50 * time.Millisecond
)

// reader is one Read or ReadRange.
type reader struct {
	t  *topic
	fn func(log.Record) error
	to log.Offset
	// number and index are the position: the next frame, and the record in it.
	number uint64
	index  int
	failed int // attempts to fetch since the last one that succeeded
	fetch  fetcher
}

// passed is an error of the reader's function or context, to be returned as it is.
type passed struct{ error }

func (p passed) Unwrap() error { return p.error }

func (t *topic) read(ctx context.Context, from, to log.Offset, fn func(log.Record) error) error {
	done := ctx.Done()
	r := reader{t: t, to: to, fetch: fetcher{t: t}, fn: func(rec log.Record) error {
		select {
		case <-done:
			return passed{ctx.Err()}
		default:
		}
		if err := fn(rec); err != nil {
			return passed{err}
		}
		return nil
	}}
	defer r.fetch.close()
	if err := r.start(ctx, from); err != nil {
		return err
	}
	var hot [hotFrames]frame.Frame
	for frame.Offset(r.number, r.index) < to {
		if err := t.ended(ctx); err != nil {
			return err
		}
		n, end, wake := t.hotFrom(r.number, hot[:])
		switch {
		case wake != nil && r.number < t.lost:
			return r.damaged(r.number, fmt.Errorf("it is missing, as are all up to frame %d: the storage has lost the end of what it had stored", t.lost-1))
		case n > 0:
			for i := range n {
				if err := r.deliver(ctx, hot[i]); err != nil {
					return err
				}
				hot[i] = frame.Frame{}
			}
		case wake == nil:
			if err := r.cold(ctx, end); err != nil {
				return err
			}
		default:
			select {
			case <-wake:
			case <-ctx.Done():
			case <-t.gone:
			case <-t.log.closing:
			}
		}
	}
	return nil
}

// start sets the position to from, or to the oldest frame if that is later.
func (r *reader) start(ctx context.Context, from log.Offset) error {
	t := r.t
	t.mu.Lock()
	end := frame.Offset(max(t.next, t.lost), 0)
	if t.cfg.Relaxed {
		end = frame.Offset(t.endLocked(), 0)
	}
	t.mu.Unlock()
	if from > end {
		return fmt.Errorf("%w: asked for offset %d, but it ends at %d", log.ErrCorrupt, from, end)
	}
	first, err := t.first(ctx)
	if err != nil {
		return err
	}
	r.number, r.index = frame.Split(from)
	if r.number < first {
		r.number, r.index = first, 0
	}
	return nil
}

// ended returns why a reader must stop, nil if it need not.
func (t *topic) ended(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return passed{ctx.Err()}
	case <-t.gone:
		return log.ErrNoTopic
	case <-t.log.closing:
		return log.ErrClosed
	default:
		return nil
	}
}

// hotFrom copies frames from number on that are in memory to dst. If there are none it returns either
// a channel that is closed when frame number becomes durable, or no channel: then the frames from
// number to end are in the stream only.
func (t *topic) hotFrom(number uint64, dst []frame.Frame) (n int, end uint64, wake <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if number >= t.next {
		if t.wake == nil {
			t.wake = make(chan struct{})
		}
		return 0, t.next, t.wake
	}
	end = t.next
	if len(t.hot) > 0 {
		if end = t.hot[0].Number; number >= end {
			n = copy(dst, t.hot[number-end:])
		}
	}
	return n, end, nil
}

// deliver passes the records of the frame at the reader's position on.
func (r *reader) deliver(ctx context.Context, f frame.Frame) error {
	if err := r.t.ended(ctx); err != nil {
		return err
	}
	if err := f.Each(r.index, r.to, r.fn); err != nil {
		return err
	}
	r.number, r.index = f.Number+1, 0
	return nil
}

// cold delivers frames from the stream, not beyond end.
func (r *reader) cold(ctx context.Context, end uint64) error {
	bufs, err := r.fetch.next(ctx, r.number, end)
	switch {
	case errors.Is(err, errNoFrames):
		return r.skip(ctx, end)
	case err != nil:
		return r.later(ctx, err)
	}
	r.failed = 0
	for i, buf := range bufs {
		if r.number >= end || frame.Offset(r.number, r.index) >= r.to {
			return nil
		}
		f, err := frame.Decode(buf)
		if err != nil {
			return r.damaged(r.number, err)
		}
		bufs[i] = nil
		if f.Number != r.number {
			if f.Number < r.number {
				return r.damaged(r.number, fmt.Errorf("frame %d is in its place", f.Number))
			}
			if err := r.skip(ctx, f.Number); err != nil || r.number != f.Number {
				return err
			}
		}
		if err := r.deliver(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// skip moves the position over frames that are missing before number to, if retention explains that.
func (r *reader) skip(ctx context.Context, to uint64) error {
	first, err := r.t.first(ctx)
	if err != nil {
		return err
	}
	if first <= r.number {
		return r.damaged(r.number, errors.New("it is missing"))
	}
	if first < to {
		return r.damaged(first, errors.New("it is missing"))
	}
	r.number, r.index = to, 0
	return nil
}

func (r *reader) damaged(number uint64, err error) error {
	if file := blockOf(r.t.log.dir, r.t.stream, number); file != "" {
		return fmt.Errorf("%w: frame %d at offset %d, in %s: %w", log.ErrCorrupt, number, frame.Offset(number, 0), file, err)
	}
	return fmt.Errorf("%w: frame %d at offset %d: %w", log.ErrCorrupt, number, frame.Offset(number, 0), err)
}

// later waits a moment after a failed fetch. It returns the error when the reader has to end or the
// server, although it runs, has not answered for too long.
func (r *reader) later(ctx context.Context, err error) error {
	if end := r.t.ended(ctx); end != nil {
		return end
	}
	if r.t.log.repairing.Load() {
		r.failed = 0
	}
	if r.failed++; r.failed > readAttempts {
		return err
	}
	select {
	case <-time.After(readPause):
	case <-ctx.Done():
	case <-r.t.gone:
	case <-r.t.log.closing:
	}
	return nil
}
