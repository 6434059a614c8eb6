package demo

import (
	"cmp"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

const (
	// stepTime is the simulation's step; its fastest parts (humidity with open vents) settle within two minutes.
	stepTime = 5 * time.Second
	// samplePeriod is how often each sensor measures.
	samplePeriod = time.Minute
	// settleTime is simulated before the start, so that the first reading already comes from a greenhouse in use.
	settleTime = 48 * time.Hour
)

// Greenhouse is a simulated greenhouse with its sensors. It is for one goroutine.
type Greenhouse struct {
	now     time.Time
	sky     *sky
	weather Weather
	zones   []*Zone
	probes  []*probe
}

// NewGreenhouse returns a greenhouse whose first reading is after start. All that it will ever do follows from seed and start.
func NewGreenhouse(seed uint64, start time.Time) *Greenhouse {
	start = start.UTC().Truncate(samplePeriod)
	g := &Greenhouse{now: start.Add(-settleTime), sky: newSky(newRand(seed, "sky")), zones: newZones()}
	for _, z := range g.zones {
		g.addZone(seed, z)
	}
	g.addOutside(seed)
	for i, p := range g.probes {
		p.slot = i * int(samplePeriod/stepTime) / len(g.probes)
	}
	for g.now.Before(start) {
		g.step()
	}
	return g
}

// newRand returns a source of randomness of its own for each name.
func newRand(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func newZones() []*Zone {
	air := Air{Temperature: 18, Mass: 18, Vapour: 11, Carbon: 500, Moisture: 0.62}
	return []*Zone{
		{Name: "north", Crop: "tomato", Air: air, Settings: Settings{DayHeat: 19, NightHeat: 16, DayVent: 23, NightVent: 20, HumidityVent: 88,
			HeatPower: 170, Carbon: 800, MoistureLow: 0.56, MoistureHigh: 0.7, LeafArea: 2.8}},
		{Name: "south", Crop: "cucumber", Air: air, Settings: Settings{DayHeat: 22, NightHeat: 19, DayVent: 26, NightVent: 23, HumidityVent: 92,
			HeatPower: 200, Carbon: 900, MoistureLow: 0.6, MoistureHigh: 0.72, LeafArea: 3.2}},
		{Name: "nursery", Crop: "seedlings", Air: air, Settings: Settings{DayHeat: 20.5, NightHeat: 18, DayVent: 24, NightVent: 22, HumidityVent: 85,
			HeatPower: 190, MoistureLow: 0.5, MoistureHigh: 0.6, LeafArea: 1}},
	}
}

func (g *Greenhouse) add(seed uint64, p probe) {
	p.rng = newRand(seed, p.ID)
	g.probes = append(g.probes, &p)
}

func (g *Greenhouse) addZone(seed uint64, z *Zone) {
	sensor := func(name, kind, unit string) Sensor { return Sensor{z.Name + "-" + name, z.Name, kind, unit} }
	for i := 1; i <= 2; i++ {
		n := strconv.Itoa(i)
		g.add(seed, probe{Sensor: sensor("temperature-"+n, "climate", "°C"), metric: "temperature", noise: 0.08, step: 0.01, measure: func() float64 { return z.Air.Temperature }})
		g.add(seed, probe{Sensor: sensor("soil-"+n, "soil", "%"), metric: "soil_moisture", noise: 0.25, step: 0.1, measure: func() float64 { return 100 * z.Air.Moisture }})
	}
	g.add(seed, probe{Sensor: sensor("humidity", "climate", "%"), metric: "humidity", noise: 0.5, step: 0.1, measure: z.Humidity})
	g.add(seed, probe{Sensor: sensor("vpd", "climate", "kPa"), metric: "vpd", noise: 0.01, step: 0.001, measure: z.Deficit})
	g.add(seed, probe{Sensor: sensor("co2", "climate", "ppm"), metric: "co2", noise: 6, step: 1, measure: func() float64 { return z.Air.Carbon }})
	g.add(seed, probe{Sensor: sensor("light", "climate", "W/m²"), metric: "light", noise: 0.6, step: 0.1, measure: func() float64 { return transmission * g.weather.Light }})
	g.add(seed, probe{Sensor: sensor("heating", "actuator", "%"), metric: "heating", step: 0.1, reliable: true, measure: z.Heating})
	g.add(seed, probe{Sensor: sensor("vent", "actuator", "%"), metric: "vent", step: 0.1, reliable: true, measure: z.Vent})
}

func (g *Greenhouse) addOutside(seed uint64) {
	sensor := func(name, unit string) Sensor { return Sensor{"outside-" + name, "outside", "weather", unit} }
	g.add(seed, probe{Sensor: sensor("temperature", "°C"), metric: "temperature", noise: 0.05, step: 0.01, measure: func() float64 { return g.weather.Temperature }})
	g.add(seed, probe{Sensor: sensor("humidity", "%"), metric: "humidity", noise: 0.5, step: 0.1, measure: func() float64 { return g.weather.RelativeHumidity() }})
	g.add(seed, probe{Sensor: sensor("light", "W/m²"), metric: "light", noise: 0.8, step: 0.1, measure: func() float64 { return g.weather.Light }})
	g.add(seed, probe{Sensor: sensor("wind", "m/s"), metric: "wind", noise: 0.2, step: 0.1, measure: func() float64 { return g.weather.Wind }})
}

// step moves everything by stepTime.
func (g *Greenhouse) step() {
	g.now = g.now.Add(stepTime)
	dt := stepTime.Seconds()
	g.weather = g.sky.step(g.now, dt)
	for _, z := range g.zones {
		z.step(g.weather, dt)
	}
}

// Now is how far the simulation has come.
func (g *Greenhouse) Now() time.Time { return g.now }

// Weather is the weather outside now.
func (g *Greenhouse) Weather() Weather { return g.weather }

// Zones are the zones; they are the greenhouse's and change with it.
func (g *Greenhouse) Zones() []*Zone { return g.zones }

// Sensors are the sensors, in the order in which they were built in.
func (g *Greenhouse) Sensors() []Sensor {
	out := make([]Sensor, len(g.probes))
	for i, p := range g.probes {
		out[i] = p.Sensor
	}
	return out
}

// Advance simulates up to until, which should not be before Now, and returns what the sensors measured since, in order of time. The sensors take
// turns within the minute, so that readings arrive evenly.
func (g *Greenhouse) Advance(until time.Time) []Reading {
	var out []Reading
	slots := int(samplePeriod / stepTime)
	for !g.now.Add(stepTime).After(until) {
		g.step()
		slot := int(g.now.Sub(g.now.Truncate(samplePeriod))/stepTime) % slots
		for _, p := range g.probes {
			if p.slot != slot {
				continue
			}
			if v, ok := p.read(g.now, samplePeriod); ok {
				out = append(out, Reading{p.ID, p.metric, v, g.now})
			}
		}
	}
	return out
}

// Faults are the failures that sensors had so far and have now, by their beginning; old ones are forgotten.
func (g *Greenhouse) Faults() []Fault {
	var out []Fault
	for _, p := range g.probes {
		out = append(out, p.faults...)
	}
	slices.SortFunc(out, func(a, b Fault) int { return cmp.Or(a.Begin.Compare(b.Begin), cmp.Compare(a.Sensor, b.Sensor)) })
	return out
}
