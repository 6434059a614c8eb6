package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tidemill/tidemill/examples/greenhouse"
)

const (
	// tick is how often readings of the greenhouse are sent.
	tick = 250 * time.Millisecond
	// machineTick is how often the machine is read.
	machineTick = time.Second
	// history is what is simulated before the live part.
	history = 24 * time.Hour
	// begin is how long ago the live part starts: it moves faster than time, until it has caught up with the present.
	begin = 30 * 24 * time.Hour
	// batchMax bounds the readings that are sent together.
	batchMax = 5000
	// leapMax bounds the simulated time of one tick, after the feed was held up.
	leapMax = 6 * time.Hour
)

// Options configures a Feed.
type Options struct {
	// Speed is how much faster than time the greenhouse lives, at least 1; 0 is 60, a simulated minute a second.
	Speed float64
	// Seed decides on the weather and on the sensors' failures.
	Seed uint64
	// NoMachine leaves this machine's telemetry out.
	NoMachine bool
	Logger    *slog.Logger
}

// Feed fills a target with the greenhouse example.
type Feed struct {
	target     Target
	opts       Options
	greenhouse *Greenhouse
}

// NewFeed creates the project's relations and fills in what came before: the zones, the sensors and, where there are no readings yet, a day of
// history. Where there are some, it goes on behind them.
func NewFeed(ctx context.Context, t Target, o Options) (*Feed, error) {
	if o.Speed == 0 {
		o.Speed = 60
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := t.Execute(ctx, greenhouse.Project); err != nil {
		return nil, err
	}
	f := &Feed{target: t, opts: o}
	now := time.Now()
	at, err := t.LastReading(ctx)
	if err != nil {
		return nil, err
	}
	first := at.IsZero()
	if first {
		at = now.Add(-begin - history)
	} else if oldest := now.Add(-begin); at.Before(oldest) {
		at = oldest
	}
	f.greenhouse = NewGreenhouse(o.Seed, at)
	if err := f.describe(ctx, first); err != nil {
		return nil, err
	}
	if first {
		err = f.fill(ctx, now.Add(-begin))
	}
	return f, err
}

type zoneRow struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Crop string `json:"crop,omitempty"`
}

type limitRow struct {
	Zone   string  `json:"zone"`
	Metric string  `json:"metric"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// describe fills the tables; limits are the user's to change, so they are set only the first time.
func (f *Feed) describe(ctx context.Context, first bool) error {
	zones := []zoneRow{{"outside", "outside", ""}}
	if !f.opts.NoMachine {
		zones = append(zones, zoneRow{machineZone, "machine", ""})
	}
	var limits []limitRow
	for _, z := range f.greenhouse.Zones() {
		zones = append(zones, zoneRow{z.Name, "greenhouse", z.Crop})
		limits = append(limits, limitRow{z.Name, "temperature", z.Settings.NightHeat - 1, z.Settings.DayVent + 1.5}, limitRow{z.Name, "vpd", 0.1, 1.6})
	}
	if err := send(ctx, f.target, "zones", zones); err != nil {
		return err
	}
	if err := send(ctx, f.target, "sensors", f.greenhouse.Sensors()); err != nil || !first {
		return err
	}
	return send(ctx, f.target, "limits", limits)
}

func send[T any](ctx context.Context, t Target, relation string, values []T) error {
	for len(values) > 0 {
		n := min(len(values), batchMax)
		body, err := lines(values[:n])
		if err == nil {
			err = t.Ingest(ctx, relation, body)
		}
		if err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// fill simulates and sends what is before until.
func (f *Feed) fill(ctx context.Context, until time.Time) error {
	for f.greenhouse.Now().Add(stepTime).Before(until) {
		to := f.greenhouse.Now().Add(2 * time.Hour)
		if to.After(until) {
			to = until
		}
		if err := send(ctx, f.target, "readings", f.greenhouse.Advance(to)); err != nil {
			return err
		}
	}
	return nil
}

// Summary says what the feed is made of.
func (f *Feed) Summary() string {
	g := f.greenhouse
	s := fmt.Sprintf("%d zones with %d sensors, %g times as fast as time", len(g.Zones()), len(g.Sensors()), f.opts.Speed)
	if !f.opts.NoMachine {
		s += ", and this machine beside it"
	}
	return s
}

// Run sends live readings until ctx ends. Readings that cannot be sent are tried again, and nothing new is measured until they are.
func (f *Feed) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { f.runGreenhouse(ctx) })
	if !f.opts.NoMachine {
		running.Go(func() { f.runMachine(ctx) })
	}
	running.Wait()
}

func (f *Feed) runGreenhouse(ctx context.Context) {
	// The simulated time that has not been simulated yet.
	var owed time.Duration
	last := time.Now()
	out := &outbox[Reading]{feed: f, relation: "readings"}
	every(ctx, tick, func() {
		now := time.Now()
		owed = min(owed+time.Duration(float64(now.Sub(last))*f.opts.Speed), leapMax)
		last = now
		if !out.flush(ctx) {
			return
		}
		to := f.greenhouse.Now().Add(owed)
		if to.After(now) {
			to = now
		}
		before := f.greenhouse.Now()
		out.pending = f.greenhouse.Advance(to)
		owed = max(0, owed-f.greenhouse.Now().Sub(before))
		out.flush(ctx)
	})
}

func (f *Feed) runMachine(ctx context.Context) {
	m := NewMachine()
	sensors := &outbox[Sensor]{feed: f, relation: "sensors"}
	readings := &outbox[Reading]{feed: f, relation: "readings"}
	every(ctx, machineTick, func() {
		if !sensors.flush(ctx) || !readings.flush(ctx) {
			return
		}
		readings.pending, sensors.pending = m.Read(ctx, time.Now().UTC().Truncate(time.Millisecond))
		if sensors.flush(ctx) {
			readings.flush(ctx)
		}
	})
}

// every calls do at once and then once a period, until ctx ends.
func every(ctx context.Context, period time.Duration, do func()) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		do()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// outbox holds what is to be sent until it has been.
type outbox[T any] struct {
	feed     *Feed
	relation string
	pending  []T
	failing  bool
}

// flush sends what is pending; false means that it still is.
func (o *outbox[T]) flush(ctx context.Context) bool {
	if len(o.pending) == 0 {
		return true
	}
	err := send(ctx, o.feed.target, o.relation, o.pending)
	switch {
	case err == nil:
		o.pending, o.failing = nil, false
		return true
	case errors.Is(ctx.Err(), context.Canceled):
	case !o.failing:
		o.failing = true
		o.feed.opts.Logger.Warn("readings cannot be sent and are kept until they can", "relation", o.relation, "error", err)
	}
	return false
}
