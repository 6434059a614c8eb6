package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/internal/node"
)

// FreshnessOptions chooses what Freshness runs.
type FreshnessOptions struct {
	Client Client
	// Load is the share of the rate at which the node is saturated, for instance 0.5; Rate, if not 0, is events per second instead.
	Load, Rate float64
	// Batch is the number of events in a request, Connections the number of senders, Subscribers of live queries.
	Batch, Connections, Subscribers int
	// Time is how long events are sent, Saturate how long for finding the rate.
	Time, Saturate time.Duration
	Progress       func(string)
}

// FreshnessResult is what was measured.
type FreshnessResult struct {
	// Saturated is what the node took when the senders did not wait, 0 if that was not measured; Rate is what was sent, both in events per second.
	Saturated   float64 `json:"saturated_events_per_second"`
	Rate        float64 `json:"events_per_second"`
	Requests    int     `json:"requests"`
	Batch       int     `json:"batch"`
	Subscribers int     `json:"subscribers"`
	// NodeCores and ClientCores are CPU seconds by second.
	NodeCores   float64 `json:"node_cores"`
	ClientCores float64 `json:"client_cores"`
	// Times are from the moment a request was to be sent, so that a sender that falls behind counts.
	Ack   Latency `json:"send_to_ack"`
	Frame Latency `json:"send_to_frame"`
	// AckToFrame is from the answer to the frame that shows the request, 0 for a frame that came before the answer.
	AckToFrame Latency `json:"ack_to_frame"`
}

// Freshness sends events at a fixed rate into a stream of a durable node, and measures when the subscribers of a view of it are told. The loop
// is open: a request has its time, whether or not the earlier ones were answered; the senders take turns, and one that waits for an answer at its time is late.
func Freshness(ctx context.Context, o FreshnessOptions) (*FreshnessResult, error) {
	out := &FreshnessResult{Batch: o.Batch, Subscribers: o.Subscribers, Rate: o.Rate}
	say := o.Progress
	if say == nil {
		say = func(string) {}
	}
	base := freshnessJob{Batch: o.Batch, Connections: o.Connections, Subscribers: o.Subscribers}
	if o.Rate == 0 {
		say("finding the rate at which the node is saturated")
		j := base
		j.Seconds = o.Saturate.Seconds()
		r, _, err := freshnessRun(ctx, o.Client, j)
		if err != nil {
			return nil, err
		}
		out.Saturated, out.Rate = r.Rate, r.Rate*o.Load
	}
	say(fmt.Sprintf("sending %.0f events per second for %s", out.Rate, o.Time))
	j := base
	j.Rate, j.Seconds = out.Rate, o.Time.Seconds()
	r, u, err := freshnessRun(ctx, o.Client, j)
	if err != nil {
		return nil, err
	}
	out.Rate, out.Requests, out.Ack, out.Frame, out.AckToFrame = r.Rate, r.Requests, r.Ack, r.Frame, r.AckToFrame
	out.NodeCores = u.node.cpu.Seconds() / u.client.wall.Seconds()
	out.ClientCores = u.client.cpu.Seconds() / u.client.wall.Seconds()
	return out, nil
}

func freshnessRun(ctx context.Context, c Client, j freshnessJob) (r freshnessResult, u usage, err error) {
	err = withNode(ctx, func(n *node.Node) (err error) {
		err = define(ctx, n, "CREATE STREAM probe (class BIGINT, k BIGINT, v BIGINT, seq BIGINT)",
			"CREATE MATERIALIZED VIEW fresh AS SELECT class, k, count(*) AS n, sum(v) AS total, max(seq) AS seq FROM probe GROUP BY class, k")
		if err != nil {
			return err
		}
		j.URL = "http://" + n.HTTPAddress()
		u, err = c.do(ctx, job{Freshness: &j}, &r)
		return err
	})
	return r, u, err
}

// freshnessJob is to send requests: request i carries its number in the row of class 1 and of its sender.
type freshnessJob struct {
	URL                             string
	Rate                            float64 // events per second; 0 sends as fast as the node answers
	Seconds                         float64
	Batch, Connections, Subscribers int
}

type freshnessResult struct {
	Rate                   float64
	Requests               int
	Ack, Frame, AckToFrame Latency
}

// requestsMax bounds the requests of a run, of which every subscriber remembers the times.
const requestsMax = 1 << 20

// grace is how long subscribers are waited for after the last answer.
const grace = 15 * time.Second

type freshnessLoad struct {
	job    freshnessJob
	poster *poster
	// rows are the events of class 0 that requests consist of, but for the last.
	rows     [][]byte
	watchers []*watcher
	total    int // requests, in an open loop
	interval time.Duration
}

// watcher is a subscriber: for each sender it remembers when each of the sender's requests was first shown.
type watcher struct {
	res  *http.Response
	in   *bufio.Reader
	seen [][]time.Time
}

func (l *freshnessLoad) prepare(ctx context.Context) error {
	j := l.job
	l.poster = newPoster(j.URL+"/v1/streams/probe", j.Connections)
	r := rand.New(rand.NewPCG(1, 2))
	for range 64 {
		var body []byte
		for range j.Batch - 1 {
			body = fmt.Appendf(body, "{\"class\":0,\"k\":%d,\"v\":%d,\"seq\":0}\n", r.IntN(1000), r.IntN(1_000_000))
		}
		l.rows = append(l.rows, body)
	}
	if j.Rate > 0 {
		l.interval = time.Duration(float64(j.Batch) / j.Rate * float64(time.Second))
		if l.total = int(j.Seconds * j.Rate / float64(j.Batch)); l.total < 1 || l.total > requestsMax {
			return fmt.Errorf("the rate makes %d requests, want 1 to %d", l.total, requestsMax)
		}
	}
	for range j.Subscribers {
		w, err := subscribe(ctx, j.URL+"/v1/live/fresh?class=1", j.Connections)
		if err != nil {
			return err
		}
		l.watchers = append(l.watchers, w)
	}
	return nil
}

// subscribe returns once the snapshot has come.
func subscribe(ctx context.Context, url string, senders int) (*watcher, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("subscribing: %w", err)
	}
	res, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("subscribing: %w", err)
	}
	w := &watcher{res: res, in: bufio.NewReaderSize(res.Body, 16<<10), seen: make([][]time.Time, senders)}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		return nil, fmt.Errorf("subscribing: %s", res.Status)
	}
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			_ = res.Body.Close()
			return nil, fmt.Errorf("waiting for the snapshot: %w", err)
		}
		if bytes.HasPrefix(line, []byte("data:")) {
			return w, nil
		}
	}
}

// watch reads frames until the requests that each sender sends are shown, of which there are total.
func (w *watcher) watch(total int) error {
	for got := 0; got < total; {
		line, err := w.in.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("reading frames, %d of %d requests shown: %w", got, total, err)
		}
		now := time.Now()
		data, is := bytes.CutPrefix(line, []byte("data: "))
		if !is {
			continue
		}
		var frame struct {
			Inserts []struct{ K, Seq int }
		}
		if err := json.Unmarshal(data, &frame); err != nil {
			return fmt.Errorf("reading a frame: %w", err)
		}
		for _, row := range frame.Inserts {
			if row.K < 0 || row.K >= len(w.seen) {
				return fmt.Errorf("a frame shows sender %d", row.K)
			}
			for len(w.seen[row.K]) <= row.Seq {
				w.seen[row.K] = append(w.seen[row.K], now)
				got++
			}
		}
	}
	return nil
}

func (l *freshnessLoad) close() {
	for _, w := range l.watchers {
		_ = w.res.Body.Close()
	}
	if l.poster != nil {
		l.poster.close()
	}
}

// body is the seq-th request of a sender.
func (l *freshnessLoad) body(dst []byte, sender, seq int) []byte {
	dst = append(dst[:0], l.rows[(sender+seq*7)%len(l.rows)]...)
	dst = append(dst, `{"class":1,"k":`...)
	dst = strconv.AppendInt(dst, int64(sender), 10)
	dst = append(dst, `,"v":1,"seq":`...)
	dst = strconv.AppendInt(dst, int64(seq), 10)
	return append(dst, "}\n"...)
}

func (l *freshnessLoad) run(ctx context.Context) (any, error) {
	if l.job.Rate == 0 {
		return l.saturate(ctx)
	}
	senders := l.job.Connections
	begun := time.Now().Add(10 * time.Millisecond)
	// Request i is sender i mod senders' request number i div senders.
	due := func(sender, seq int) time.Time { return begun.Add(time.Duration(seq*senders+sender) * l.interval) }
	acks := make([][]time.Time, senders)
	watching := make(chan error, 1)
	go func() {
		watching <- inParallel(len(l.watchers), func(i int) error { return l.watchers[i].watch(l.total) })
	}()
	err := inParallel(senders, func(c int) error {
		var body []byte
		for seq := 0; seq*senders+c < l.total; seq++ {
			body = l.body(body, c, seq)
			if err := sleepUntil(ctx, due(c, seq)); err != nil {
				return err
			}
			if err := l.poster.post(ctx, body); err != nil {
				return err
			}
			acks[c] = append(acks[c], time.Now())
		}
		return nil
	})
	took := time.Since(begun)
	if err != nil {
		l.close()
	}
	late := time.AfterFunc(grace, l.close)
	defer late.Stop()
	if err := errors.Join(err, <-watching); err != nil {
		return nil, err
	}
	r := l.latencies(due, acks)
	r.Rate = float64(l.total*l.job.Batch) / took.Seconds()
	return r, nil
}

func (l *freshnessLoad) latencies(due func(sender, seq int) time.Time, acks [][]time.Time) freshnessResult {
	var ack, frame, after []time.Duration
	for c := range acks {
		for seq, at := range acks[c] {
			ack = append(ack, at.Sub(due(c, seq)))
			for _, w := range l.watchers {
				frame = append(frame, w.seen[c][seq].Sub(due(c, seq)))
				after = append(after, max(0, w.seen[c][seq].Sub(at)))
			}
		}
	}
	return freshnessResult{Requests: l.total, Ack: latencyOf(ack), Frame: latencyOf(frame), AckToFrame: latencyOf(after)}
}

// saturate sends as fast as the node answers, and finds how many events per second that is.
func (l *freshnessLoad) saturate(ctx context.Context) (any, error) {
	begun := time.Now()
	until := begun.Add(time.Duration(l.job.Seconds * float64(time.Second)))
	sent := make([]int, l.job.Connections)
	for _, w := range l.watchers {
		go func() { _ = w.watch(1 << 62) }() // ends when close closes its stream
	}
	err := inParallel(l.job.Connections, func(c int) error {
		var body []byte
		for time.Now().Before(until) && sent[c] < requestsMax {
			body = l.body(body, c, sent[c])
			if err := l.poster.post(ctx, body); err != nil {
				return err
			}
			sent[c]++
		}
		return nil
	})
	total := 0
	for _, n := range sent {
		total += n
	}
	return freshnessResult{Requests: total, Rate: float64(total*l.job.Batch) / time.Since(begun).Seconds()}, err
}

func sleepUntil(ctx context.Context, at time.Time) error {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
