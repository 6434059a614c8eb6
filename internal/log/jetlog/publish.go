package jetlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/jetlog/frame"
)

const (
	// ackPoll is how long a writer waits for an answer before it looks whether the stream is frozen.
	ackPoll = 250 * time.Millisecond
	// ackTimeout is how long it waits before it sends the frame again.
	ackTimeout = 10 * time.Second
	// askTimeout bounds a question to the server.
	askTimeout = 5 * time.Second

	expectHeader = "Nats-Expected-Last-Sequence"
	statusHeader = "Status"

	codeNoMessage     = 10037
	codeNoStream      = 10059
	codeWrongSequence = 10071
)

// link is a writer's side of the conversation with a server: the subscription on which it gets its
// acknowledgements.
type link struct {
	to    *embedded
	sub   *nats.Subscription
	inbox string
	acks  chan *nats.Msg
	sent  int
}

func (k *link) open(e *embedded) error {
	if k.to == e {
		return nil
	}
	k.close()
	inbox := e.pub.NewInbox()
	acks := make(chan *nats.Msg, 64)
	sub, err := e.pub.ChanSubscribe(inbox+".*", acks)
	if err != nil {
		return fmt.Errorf("subscribing to acknowledgements: %w", err)
	}
	*k = link{to: e, sub: sub, inbox: inbox, acks: acks}
	return nil
}

func (k *link) close() {
	if k.sub != nil {
		_ = k.sub.Unsubscribe() // fails only when its connection is closed already
	}
	*k = link{}
}

// verdict is how an attempt to store a frame ended.
type verdict int

const (
	stored  verdict = iota
	refused         // the server answered that it did not store this attempt
	fenced          // the server answered that the stream's last sequence is another one
	frozen          // the stream does not take messages
	unclear         // no answer, or none that says
)

// publish stores the frame. Its error wraps log.ErrUnavailable when the frame is not in the stream,
// log.ErrCorrupt when the stream holds something else in its place, and log.ErrClosed together with
// context.DeadlineExceeded when the log closed before it could be found out.
func (t *topic) publish(f frame.Frame) error {
	if err := t.log.refused(); err != nil {
		return err
	}
	for {
		e := t.log.server()
		v, cause := t.attempt(e, f)
		if v == stored {
			return nil
		}
		if v == frozen {
			t.log.repair(e, cause)
		}
		held, err := t.keeps(f)
		if err != nil {
			return err
		}
		switch {
		case held:
			return nil
		case v == refused || v == frozen:
			return fmt.Errorf("%w: %w", log.ErrUnavailable, cause)
		case v == fenced:
			return fmt.Errorf("%w: frame %d cannot follow: %w", log.ErrCorrupt, f.Number, cause)
		}
		t.log.logger.Warn("storing a frame again", "topic", t.name, "frame", f.Number, "cause", cause)
	}
}

// attempt sends the frame once and waits for the answer.
func (t *topic) attempt(e *embedded, f frame.Frame) (verdict, error) {
	if err := t.link.open(e); err != nil {
		return t.pause(e, err)
	}
	t.link.sent++
	reply := t.link.inbox + "." + strconv.Itoa(t.link.sent)
	err := e.pub.PublishMsg(&nats.Msg{
		Subject: t.subject,
		Reply:   reply,
		Header:  nats.Header{expectHeader: []string{strconv.FormatUint(f.Number-1, 10)}},
		Data:    f.Bytes,
	})
	if err != nil {
		return t.pause(e, err)
	}
	poll := time.NewTicker(ackPoll)
	defer poll.Stop()
	for began := time.Now(); ; {
		select {
		case m := <-t.link.acks:
			if m.Subject == reply {
				return t.judge(e, m, f.Number)
			}
		case <-poll.C:
			if why := e.frozen(t.stream); why != "" {
				return frozen, fmt.Errorf("the storage says: %s", why)
			}
			if t.log.server() != e {
				return unclear, fmt.Errorf("the storage was restarted")
			}
			if waited := time.Since(began); waited > ackTimeout {
				return unclear, fmt.Errorf("no answer within %v", waited.Round(time.Second))
			}
		case <-t.log.cutoff:
			return unclear, log.ErrClosed
		}
	}
}

// pause waits a moment after an attempt that could not even be sent.
func (t *topic) pause(e *embedded, err error) (verdict, error) {
	if why := e.frozen(t.stream); why != "" {
		return frozen, fmt.Errorf("%w (%s)", err, why)
	}
	select {
	case <-time.After(ackPoll):
	case <-t.log.cutoff:
	}
	return unclear, err
}

// answer is the server's answer to a message or a question about one.
type answer struct {
	Seq   uint64 `json:"seq"`
	Error *struct {
		Code        int    `json:"code"`
		ErrCode     int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
	Message *struct {
		Seq  uint64 `json:"seq"`
		Data []byte `json:"data"`
	} `json:"message"`
}

func (t *topic) judge(e *embedded, m *nats.Msg, number uint64) (verdict, error) {
	if len(m.Data) == 0 { // nobody is there to answer
		return t.pause(e, fmt.Errorf("status %q", m.Header.Get(statusHeader)))
	}
	var a answer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return unclear, fmt.Errorf("decoding the acknowledgement: %w", err)
	}
	switch {
	case a.Error != nil && a.Error.ErrCode == codeWrongSequence:
		return fenced, fmt.Errorf("%s", a.Error.Description)
	case a.Error != nil:
		return refused, fmt.Errorf("%s (%d)", a.Error.Description, a.Error.ErrCode)
	case a.Seq != number:
		return fenced, fmt.Errorf("it was stored as number %d", a.Seq)
	}
	return stored, nil
}

// keeps finds out whether the stream holds this very frame and will after a crash. What a frozen stream says does not count: it may hold what could not be synced,
// or not know of bytes that are found when it is opened again.
func (t *topic) keeps(f frame.Frame) (bool, error) {
	for {
		e := t.log.server()
		held, err := t.holds(f)
		if err != nil {
			return false, err
		}
		why := e.frozen(t.stream)
		if why != "" {
			t.log.repair(e, fmt.Errorf("the storage says: %s", why))
		}
		if t.log.server() != e {
			continue
		}
		if why != "" {
			return false, fmt.Errorf("%w, and whether the records are stored is not known: %w", log.ErrClosed, context.DeadlineExceeded)
		}
		return held, nil
	}
}

// holds finds out whether the stream holds this very frame, however long that takes. It asks the
// leader of the stream rather than any of its copies.
func (t *topic) holds(f frame.Frame) (bool, error) {
	for level := slog.LevelWarn; ; level = slog.LevelDebug { // once is enough: it may ask for long
		e := t.log.server()
		held, err := t.ask(f)
		if err == nil || errors.Is(err, log.ErrCorrupt) {
			return held, err
		}
		if errors.Is(err, nats.ErrConnectionClosed) {
			t.log.repair(e, err) // this server will never answer again
		}
		t.log.logger.Log(context.Background(), level, "asking whether a frame is stored", "topic", t.name, "frame", f.Number, "error", err)
		select {
		case <-time.After(ackPoll):
		case <-t.log.cutoff:
			return false, fmt.Errorf("%w, and whether the records are stored is not known: %w", log.ErrClosed, context.DeadlineExceeded)
		}
	}
}

func (t *topic) ask(f frame.Frame) (bool, error) {
	m, err := t.log.server().pub.Request("$JS.API.STREAM.MSG.GET."+t.stream,
		fmt.Appendf(nil, `{"seq":%d}`, f.Number), askTimeout)
	if err != nil {
		return false, err
	}
	var a answer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return false, fmt.Errorf("decoding the answer: %w", err)
	}
	switch {
	case a.Error != nil && a.Error.ErrCode == codeNoMessage:
		return false, nil
	case a.Error != nil && a.Error.ErrCode == codeNoStream:
		return false, fmt.Errorf("%w: its stream is gone", log.ErrCorrupt)
	case a.Error != nil:
		return false, fmt.Errorf("%s (%d)", a.Error.Description, a.Error.ErrCode)
	case a.Message == nil:
		return false, fmt.Errorf("an answer without a message")
	}
	return bytes.Equal(a.Message.Data, f.Bytes), nil
}
