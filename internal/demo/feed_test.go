package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// notebook is a target that keeps what it is sent.
type notebook struct {
	mu       sync.Mutex
	executed []string
	events   map[string][]map[string]any
	last     time.Time
	down     bool
}

func (n *notebook) Execute(_ context.Context, text string) error {
	n.executed = append(n.executed, text)
	return nil
}

func (n *notebook) LastReading(context.Context) (time.Time, error) { return n.last, nil }

func (n *notebook) Ingest(_ context.Context, relation string, events []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return errors.New("down")
	}
	if n.events == nil {
		n.events = map[string][]map[string]any{}
	}
	dec := json.NewDecoder(bytes.NewReader(events))
	for dec.More() {
		var e map[string]any
		if err := dec.Decode(&e); err != nil {
			return err
		}
		n.events[relation] = append(n.events[relation], e)
	}
	return nil
}

func (n *notebook) setDown(down bool) {
	n.mu.Lock()
	n.down = down
	n.mu.Unlock()
}

func (n *notebook) times(t *testing.T) []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []time.Time
	for _, e := range n.events["readings"] {
		if strings.HasPrefix(e["sensor"].(string), machineZone+"-") {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, e["at"].(string))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, at)
	}
	return out
}

// The feed first sends a day, then a simulated minute a second, without a gap or a repetition.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f, err := NewFeed(ctx, n, Options{Seed: 1, NoMachine: true})
		if err != nil {
			t.Fatal(err)
		}
		filled := n.times(t)
		if len(n.executed) != 1 || len(n.events["zones"]) != 4 || len(n.events["sensors"]) != len(f.greenhouse.Sensors()) || len(n.events["limits"]) == 0 {
			t.Fatalf("%d texts, %v zones, %d sensors", len(n.executed), n.events["zones"], len(n.events["sensors"]))
		}
		if span := filled[len(filled)-1].Sub(filled[0]); span < 23*time.Hour || span > 24*time.Hour {
			t.Errorf("the history is of %s", span)
		}
		done := make(chan struct{})
		go func() { f.Run(ctx); close(done) }()
		time.Sleep(30*time.Second + time.Millisecond)
		cancel()
		<-done
		all := n.times(t)
		if span := all[len(all)-1].Sub(filled[len(filled)-1]); span < 29*time.Minute || span > 31*time.Minute {
			t.Errorf("%s were simulated in 30 seconds", span)
		}
		want := NewGreenhouse(1, time.Now().Add(-begin-history-30*time.Second)).Advance(all[len(all)-1])
		if len(want) < len(all) || len(want) > len(all)+len(f.greenhouse.Sensors()) {
			t.Errorf("%d readings, want %d", len(all), len(want))
		}
	})
}

// While nothing can be sent time goes on, and is caught up with afterwards.
func TestFeedSurvivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f, err := NewFeed(ctx, n, Options{Seed: 1, NoMachine: true})
		if err != nil {
			t.Fatal(err)
		}
		before := n.times(t)
		done := make(chan struct{})
		go func() { f.Run(ctx); close(done) }()
		time.Sleep(5 * time.Second)
		n.setDown(true)
		time.Sleep(10 * time.Second)
		n.setDown(false)
		time.Sleep(5*time.Second + time.Millisecond)
		cancel()
		<-done
		all := n.times(t)
		if span := all[len(all)-1].Sub(before[len(before)-1]); span < 19*time.Minute || span > 21*time.Minute {
			t.Errorf("%s were simulated in 20 seconds", span)
		}
		for i := 1; i < len(all); i++ {
			if gap := all[i].Sub(all[i-1]); gap < 0 || gap > time.Minute {
				t.Errorf("%s after %s", all[i], all[i-1])
			}
		}
	})
}

// A second run goes on behind the readings there are; the simulation never overtakes the present.
func TestFeedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &notebook{last: time.Now().Add(-10 * time.Minute)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f, err := NewFeed(ctx, n, Options{Seed: 1, NoMachine: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(n.events["limits"]) > 0 || len(n.times(t)) > 0 {
			t.Error("the second run fills in limits or history again")
		}
		done := make(chan struct{})
		go func() { f.Run(ctx); close(done) }()
		time.Sleep(time.Minute)
		cancel()
		<-done
		all := n.times(t)
		first, last := all[0], all[len(all)-1]
		if first.Before(n.last.Truncate(time.Minute)) || last.After(time.Now()) || time.Since(last) > time.Minute {
			t.Errorf("readings from %s to %s, the last run ended at %s, now it is %s", first, last, n.last, time.Now())
		}
	})
}

func TestMachine(t *testing.T) {
	m := NewMachine()
	now := time.Now()
	first, added := m.Read(t.Context(), now)
	if len(first) == 0 || len(added) != len(first) {
		t.Fatalf("%d readings, %d new sensors", len(first), len(added))
	}
	second, added := m.Read(t.Context(), now.Add(time.Second))
	for _, r := range append(first, second...) {
		s, ok := m.known[r.Sensor]
		if !ok || s.Zone != machineZone || r.Value < 0 || (s.Unit == "%" && r.Value > 100) {
			t.Errorf("%+v of %+v", r, s)
		}
	}
	t.Log(second, added)
}
