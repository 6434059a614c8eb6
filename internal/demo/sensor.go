package demo

import (
	"math"
	"math/rand/v2"
	"time"
)

// Reading is one measurement, as the stream readings takes it.
type Reading struct {
	Sensor string    `json:"sensor"`
	Metric string    `json:"metric"`
	Value  float64   `json:"value"`
	At     time.Time `json:"at"`
}

// Sensor is a row of the table sensors.
type Sensor struct {
	ID   string `json:"id"`
	Zone string `json:"zone"`
	Kind string `json:"kind"`
	Unit string `json:"unit"`
}

// FaultKind is a way in which a sensor fails.
type FaultKind string

// The ways to fail: the last value again and again, no value at all, and a value that creeps away from the truth.
const (
	Stuck  FaultKind = "stuck"
	Silent FaultKind = "silent"
	Drift  FaultKind = "drift"
)

// Fault is a failure that a sensor had, has, or is about to get over.
type Fault struct {
	Sensor     string
	Kind       FaultKind
	Begin, End time.Time
}

// meanHealthy is how long a sensor works between failures, on average.
const meanHealthy = 4 * 24 * time.Hour

// probe measures one quantity, with all the faults of its kind.
type probe struct {
	Sensor
	metric   string
	measure  func() float64
	noise    float64 // standard deviation of a single measurement
	step     float64 // resolution
	reliable bool    // it reports what a controller knows, and never fails

	rng      *rand.Rand
	slot     int // of the minute, when it measures
	bias     float64
	creep    float64 // bias per hour while drifting
	last     float64
	fault    FaultKind
	recovers time.Time
	faults   []Fault
}

// read measures; ok is false if the sensor says nothing. dt is the time since the last call.
func (p *probe) read(now time.Time, dt time.Duration) (value float64, ok bool) {
	p.age(now, dt)
	switch p.fault {
	case Silent:
		return 0, false
	case Stuck:
		return p.last, true
	case Drift:
		p.bias += p.creep * dt.Hours()
	}
	v := p.measure() + p.bias + p.noise*p.rng.NormFloat64()
	if p.metric != "temperature" {
		v = math.Max(0, v) // nothing else can be below 0, whatever the noise
	}
	if p.Unit == "%" {
		v = math.Min(100, v)
	}
	p.last = math.Round(math.Round(v/p.step)*p.step*1e6) / 1e6
	return p.last, true
}

// age lets failures begin and end.
func (p *probe) age(now time.Time, dt time.Duration) {
	if p.reliable {
		return
	}
	if p.fault != "" {
		if now.Before(p.recovers) {
			return
		}
		p.fault, p.bias = "", 0
	}
	if p.rng.Float64() >= dt.Hours()/meanHealthy.Hours() {
		return
	}
	hours := 0.0
	switch p.rng.IntN(3) {
	case 0:
		p.fault, hours = Stuck, 1+3*p.rng.Float64()
	case 1:
		p.fault, hours = Silent, 0.5+2.5*p.rng.Float64()
	default:
		p.fault, hours = Drift, 6+12*p.rng.Float64()
		p.creep = p.noise * (2 + 4*p.rng.Float64())
		if p.rng.IntN(2) == 0 {
			p.creep = -p.creep
		}
	}
	p.recovers = now.Add(time.Duration(hours * float64(time.Hour)))
	p.faults = append(p.faults, Fault{p.ID, p.fault, now, p.recovers})
	if len(p.faults) > faultsKept {
		p.faults = p.faults[1:]
	}
}

// faultsKept bounds the failures that a sensor remembers.
const faultsKept = 64
