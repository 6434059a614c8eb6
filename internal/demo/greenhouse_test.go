package demo

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"
)

func start() time.Time { return time.Date(2026, 4, 10, 0, 0, 0, 0, time.UTC) }

// What came in less what went out is what is stored, and the parts are of a plausible size.
func TestEnergyBalance(t *testing.T) {
	for _, month := range []time.Month{time.January, time.April, time.July} {
		g := NewGreenhouse(1, time.Date(2026, month, 10, 0, 0, 0, 0, time.UTC))
		before := make([]Balance, len(g.Zones()))
		air := make([]Air, len(g.Zones()))
		for i, z := range g.Zones() {
			before[i], air[i] = z.Balance, z.Air
		}
		const days = 3
		g.Advance(g.Now().Add(days * 24 * time.Hour))
		for i, z := range g.Zones() {
			b, o := z.Balance, before[i]
			in := b.Sun - o.Sun + b.Heating - o.Heating
			out := b.Cover - o.Cover + b.Ventilation - o.Ventilation + b.Evaporated - o.Evaporated
			stored := (z.Air.Temperature-air[i].Temperature)*heatCapacity + (z.Air.Mass-air[i].Mass)*massCapacity
			if math.Abs(in-out-stored) > 1e-6*in {
				t.Errorf("%s %s: %.0f J in, %.0f out, %.0f stored: %.3g are missing", month, z.Name, in, out, stored, in-out-stored)
			}
			sun := (b.Sun - o.Sun) / days / 1e6 // MJ a day and m²
			lo, hi := 0.3, 3.5
			switch month {
			case time.April:
				lo, hi = 3, 15
			case time.July:
				lo, hi = 5, 20
			}
			if sun < lo || sun > hi {
				t.Errorf("%s %s: %.1f MJ/m² of light a day, want %g to %g", month, z.Name, sun, lo, hi)
			}
			if month == time.January && b.Heating == o.Heating {
				t.Errorf("%s: no heating in winter", z.Name)
			}
		}
	}
}

// The controllers keep every zone in the range a grower would, and days differ from nights.
func TestClimateIsPlausible(t *testing.T) {
	g := NewGreenhouse(7, start())
	type extent struct{ lo, hi float64 }
	want := map[string]extent{"temperature": {-10, 36}, "humidity": {15, 100}, "vpd": {0, 4.5}, "co2": {180, 1500}, "light": {-5, 1100},
		"soil_moisture": {35, 85}, "heating": {0, 100}, "vent": {0, 100}, "wind": {-2, 25}}
	inside := extent{math.Inf(1), math.Inf(-1)}
	seen := map[string]extent{}
	for range 10 * 24 {
		for range 60 {
			g.Advance(g.Now().Add(time.Minute))
			for _, z := range g.Zones() {
				inside.lo, inside.hi = min(inside.lo, z.Air.Temperature), max(inside.hi, z.Air.Temperature)
				for metric, v := range map[string]float64{"temperature": z.Air.Temperature, "humidity": z.Humidity(), "vpd": z.Deficit(), "co2": z.Air.Carbon,
					"soil_moisture": 100 * z.Air.Moisture, "heating": z.Heating(), "vent": z.Vent(), "light": g.Weather().Light, "wind": g.Weather().Wind} {
					if w := want[metric]; v < w.lo || v > w.hi || math.IsNaN(v) {
						t.Fatalf("%s: %s in %s is %g, want %g to %g", g.Now(), metric, z.Name, v, w.lo, w.hi)
					}
					e, ok := seen[metric]
					if !ok {
						e = extent{v, v}
					}
					seen[metric] = extent{min(e.lo, v), max(e.hi, v)}
				}
			}
		}
	}
	if inside.lo < 12 || inside.hi > 34 {
		t.Errorf("inside it was %.1f to %.1f °C", inside.lo, inside.hi)
	}
	for metric, swing := range map[string]float64{"temperature": 3, "humidity": 10, "vpd": 0.3, "co2": 200, "light": 300, "soil_moisture": 5, "heating": 30, "vent": 20} {
		if e := seen[metric]; e.hi-e.lo < swing {
			t.Errorf("%s hardly moves: %g to %g", metric, e.lo, e.hi)
		}
	}
	t.Log(seen)
}

func TestSameSeedSameReadings(t *testing.T) {
	whole := NewGreenhouse(3, start()).Advance(start().Add(6 * time.Hour))
	pieces, g := []Reading(nil), NewGreenhouse(3, start())
	for g.Now().Before(start().Add(6 * time.Hour)) {
		pieces = append(pieces, g.Advance(g.Now().Add(7*stepTime))...)
	}
	pieces = pieces[:min(len(pieces), len(whole))]
	if !reflect.DeepEqual(whole, pieces) {
		t.Error("the same span, asked for in pieces, gives other readings")
	}
	if other := NewGreenhouse(4, start()).Advance(start().Add(6 * time.Hour)); reflect.DeepEqual(whole, other) {
		t.Error("another seed gives the same readings")
	}
	if !slices.IsSortedFunc(whole, func(a, b Reading) int { return a.At.Compare(b.At) }) {
		t.Error("the readings are not in order of time")
	}
}

func TestEverySensorReports(t *testing.T) {
	g := NewGreenhouse(1, start())
	counts := map[string]int{}
	for _, r := range g.Advance(start().Add(24 * time.Hour)) {
		counts[r.Sensor]++
		if !r.At.After(start()) {
			t.Fatalf("a reading of %s at the start or before", r.At)
		}
	}
	for _, s := range g.Sensors() {
		if n := counts[s.ID]; n < 600 || n > 1440 {
			t.Errorf("%s has %d readings in a day of %d minutes", s.ID, n, 1440)
		}
	}
}

func TestSensorsFail(t *testing.T) {
	g := NewGreenhouse(1, start())
	readings := g.Advance(start().Add(4 * 24 * time.Hour))
	of := map[string][]Reading{}
	for _, r := range readings {
		of[r.Sensor] = append(of[r.Sensor], r)
	}
	checked := map[FaultKind]int{}
	for _, f := range g.Faults() {
		if f.End.After(g.Now()) {
			continue
		}
		checked[f.Kind]++
		values := map[float64]bool{}
		for _, r := range of[f.Sensor] {
			if !r.At.Before(f.Begin) && r.At.Before(f.End) {
				values[r.Value] = true
			}
		}
		switch {
		case f.Kind == Silent && len(values) > 0:
			t.Errorf("%+v, but it reported", f)
		case f.Kind == Stuck && len(values) != 1:
			t.Errorf("%+v, but it reported %d different values", f, len(values))
		case f.Kind == Drift && len(values) < 10:
			t.Errorf("%+v, but it reported %d different values", f, len(values))
		}
	}
	for _, k := range []FaultKind{Stuck, Silent, Drift} {
		if checked[k] == 0 {
			t.Errorf("no sensor was %s", k)
		}
	}
}
