package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/internal/bench/nexmark"
	"github.com/tidemill/tidemill/internal/node"
	"github.com/tidemill/tidemill/internal/row"
)

// IngestOptions chooses what Ingest runs.
type IngestOptions struct {
	Client Client
	// Events is the number of bids, Batch the number in a request, Connections the number of requests at a time.
	Events, Batch, Connections int
	Seed                       uint64
	Runs                       int
	Progress                   func(string)
}

// IngestResult is what was measured; rates and times are those of the median run.
type IngestResult struct {
	Events      int `json:"events"`
	Batch       int `json:"batch"`
	Connections int `json:"connections"`
	// Bytes is the size of the bodies.
	Bytes int64 `json:"bytes"`
	// PerSecond is events by second, PerCore events by CPU second of the node; NodeCPU and ClientCPU are seconds.
	PerSecond float64 `json:"events_per_second"`
	PerCore   float64 `json:"events_per_cpu_second"`
	NodeCPU   float64 `json:"node_cpu_s"`
	ClientCPU float64 `json:"client_cpu_s"`
	Wall      float64 `json:"wall_s"`
	// Ack is the time from the start of a request to its answer, which follows the fsync.
	Ack Latency `json:"ack"`
}

// Ingest sends bids as newline-delimited JSON over HTTP into a stream of a durable node; each request is acknowledged after
// it was fsynced. Each run has a node of its own.
func Ingest(ctx context.Context, o IngestOptions) (*IngestResult, error) {
	var runs []IngestResult
	for range max(1, o.Runs) {
		if o.Progress != nil {
			o.Progress("sending bids over HTTP")
		}
		var r ingestResult
		var u usage
		err := withNode(ctx, func(n *node.Node) (err error) {
			if err := define(ctx, n, nexmark.CreateStreams()[2]); err != nil {
				return err
			}
			j := job{Ingest: &ingestJob{URL: "http://" + n.HTTPAddress() + "/v1/streams/bid", Events: o.Events, Batch: o.Batch, Connections: o.Connections, Seed: o.Seed}}
			u, err = o.Client.do(ctx, j, &r)
			return err
		})
		if err != nil {
			return nil, err
		}
		runs = append(runs, IngestResult{Events: o.Events, Batch: o.Batch, Connections: o.Connections, Bytes: r.Bytes,
			PerSecond: float64(o.Events) / u.client.wall.Seconds(), PerCore: float64(o.Events) / max(u.node.cpu, time.Microsecond).Seconds(),
			NodeCPU: u.node.cpu.Seconds(), ClientCPU: u.client.cpu.Seconds(), Wall: u.client.wall.Seconds(), Ack: r.Ack})
	}
	slices.SortFunc(runs, func(a, b IngestResult) int {
		switch {
		case a.PerCore < b.PerCore:
			return -1
		case a.PerCore > b.PerCore:
			return 1
		}
		return 0
	})
	return &runs[len(runs)/2], nil
}

type ingestJob struct {
	URL                        string
	Events, Batch, Connections int
	Seed                       uint64
}

type ingestResult struct {
	Bytes int64
	Ack   Latency
}

type ingestLoad struct {
	job    ingestJob
	poster *poster
	bodies [][]byte
}

func (l *ingestLoad) prepare(context.Context) error {
	g, err := nexmark.New(nexmark.Config{Seed: l.job.Seed})
	if err != nil {
		return err
	}
	encoder := row.NewRowEncoder(nexmark.Bids())
	var body []byte
	left, in := l.job.Events, 0
	for at := uint64(0); left > 0; at += 10_000 {
		bids := g.Generate(at, at+10_000).Bids
		for i := range min(bids.Len, left) {
			body = append(encoder.AppendRow(body, bids, i), '\n')
			left--
			if in++; in == l.job.Batch || left == 0 {
				l.bodies = append(l.bodies, slices.Clone(body))
				body, in = body[:0], 0
			}
		}
	}
	l.poster = newPoster(l.job.URL, l.job.Connections)
	return nil
}

func (l *ingestLoad) run(ctx context.Context) (any, error) {
	var next atomic.Int64
	var r ingestResult
	acks := make([]time.Duration, len(l.bodies))
	err := inParallel(l.job.Connections, func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(l.bodies) {
				return nil
			}
			begun := time.Now()
			if err := l.poster.post(ctx, l.bodies[i]); err != nil {
				return err
			}
			acks[i] = time.Since(begun)
		}
	})
	for _, b := range l.bodies {
		r.Bytes += int64(len(b))
	}
	r.Ack = latencyOf(acks)
	return r, err
}

func (l *ingestLoad) close() {
	if l.poster != nil {
		l.poster.close()
	}
}

// inParallel runs f n times at once and returns all errors.
func inParallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}
