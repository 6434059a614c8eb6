package jetlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidemill/tidemill/internal/log"
)

const (
	// fetchFrames and fetchBytes bound one request. The server stops at the frame that crosses
	// fetchBytes, so one answer is at most fetchBytes + frame.MaxBytes.
	fetchFrames = 1024
	fetchBytes  = 4 << 20
	// maxFetches bounds the requests under way in a Log: their answers fit maxPending.
	maxFetches = 16
	// fetchTimeout is how long an answer may be without progress.
	fetchTimeout = 10 * time.Second
)

// errNoFrames is the answer that the stream has no frame at or after the number asked for.
var errNoFrames = errors.New("no frames")

// answerSet is the answer to one request: the frames from number from on, as stored.
type answerSet struct {
	from   uint64
	frames [][]byte
	err    error
	done   chan struct{} // closed when the answer is complete
	// release gives the log's permission for a request back, once.
	release func()
}

// fetcher reads frames of a topic from its stream for one reader, at most one request ahead.
type fetcher struct {
	t  *topic
	to *embedded
	// sub delivers the answers' messages to receive, in a goroutine of its connection.
	sub   *nats.Subscription
	inbox string
	// progress is nudged by receive.
	progress chan struct{}
	ahead    *answerSet // requested and not taken yet
}

func (c *fetcher) close() {
	if c.sub != nil {
		_ = c.sub.Unsubscribe() // fails only when its connection is closed already
	}
	if c.ahead != nil {
		c.ahead.release()
	}
	*c = fetcher{t: c.t}
}

// next returns the frames from number from on that the stream holds, at least one and in order, and
// asks for those that follow if there are any below limit. errNoFrames: it holds none from there on.
func (c *fetcher) next(ctx context.Context, from, limit uint64) ([][]byte, error) {
	if c.ahead == nil || c.ahead.from != from || c.to != c.t.log.server() {
		c.close()
		if err := c.request(ctx, from); err != nil {
			return nil, err
		}
	}
	a := c.ahead
	if err := c.wait(ctx, a); err != nil {
		c.close()
		return nil, err
	}
	c.ahead = nil
	if a.err != nil {
		return nil, a.err
	}
	if follow := from + uint64(len(a.frames)); follow < limit && c.t.log.fetches.TryAcquire(1) {
		if err := c.ask(follow); err != nil {
			c.close()
		}
	}
	return a.frames, nil
}

// request connects to the present server if need be, and asks for the frames from number from on.
func (c *fetcher) request(ctx context.Context, from uint64) error {
	if err := c.t.log.fetches.Acquire(ctx, 1); err != nil {
		return err
	}
	if err := c.ask(from); err != nil {
		c.close()
		return err
	}
	return nil
}

// ask sends a request. The caller has acquired one of the log's fetches, which c.ahead owns from here;
// it is given back when the answer has arrived, so a slow reader does not hold it.
func (c *fetcher) ask(from uint64) error {
	a := &answerSet{from: from, done: make(chan struct{})}
	fetches := c.t.log.fetches
	a.release = sync.OnceFunc(func() { fetches.Release(1) })
	c.ahead = a
	if c.sub != nil {
		_ = c.sub.Unsubscribe()
		c.sub = nil
	}
	c.to = c.t.log.server()
	c.inbox = c.to.get.NewInbox()
	c.progress = make(chan struct{}, 1)
	sub, err := c.to.get.Subscribe(c.inbox, receive(a, c.progress))
	if err != nil {
		return fmt.Errorf("subscribing to frames: %w", err)
	}
	c.sub = sub
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return fmt.Errorf("subscribing to frames: %w", err)
	}
	q := fmt.Appendf(nil, `{"seq":%d,"batch":%d,"max_bytes":%d,"no_hdr":true}`, from, fetchFrames, fetchBytes)
	if err := c.to.get.PublishRequest("$JS.API.DIRECT.GET."+c.t.stream, c.inbox, q); err != nil {
		return fmt.Errorf("asking for frames: %w", err)
	}
	return nil
}

// receive makes the function that collects an answer. It runs in the connection's goroutine; what it
// collects belongs to the reader once done is closed.
func receive(a *answerSet, progress chan<- struct{}) nats.MsgHandler {
	ended := false
	return func(m *nats.Msg) {
		if ended {
			return
		}
		status := m.Header.Get(statusHeader)
		if status == "" {
			a.frames = append(a.frames, m.Data)
			select {
			case progress <- struct{}{}:
			default:
			}
			return
		}
		ended = true
		switch {
		case status == "204" && len(a.frames) > 0:
		case status == "204" || status == "404":
			a.err = errNoFrames
		default:
			a.err = fmt.Errorf("asking for frames: status %s %s", status, m.Header.Get("Description"))
		}
		close(a.done)
		a.release()
	}
}

// wait waits until the answer is complete.
func (c *fetcher) wait(ctx context.Context, a *answerSet) error {
	timeout := time.NewTimer(fetchTimeout)
	defer timeout.Stop()
	for {
		select {
		case <-a.done:
			return nil
		case <-c.progress:
			timeout.Reset(fetchTimeout)
		case <-timeout.C:
			return fmt.Errorf("asking for frames: no answer within %v", fetchTimeout)
		case <-ctx.Done():
			return ctx.Err()
		case <-c.t.gone:
			return log.ErrNoTopic
		case <-c.t.log.closing:
			return log.ErrClosed
		}
	}
}
