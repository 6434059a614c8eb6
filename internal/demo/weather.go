package demo

import (
	"math"
	"math/rand/v2"
	"time"
)

// Place and season of the greenhouse.
const (
	latitude = 52.0 // degrees north
	// The day's mean temperature outside goes from winterMean in January to winterMean+seasonSwing in July.
	winterMean, seasonSwing = 3.0, 15.0
	dayAmplitude            = 5.0 // K between the mean and the afternoon
	solarConstant           = 1361.0
	clearSky                = 0.75 // share of the sun's power that reaches the ground under a clear sky, the sun overhead
)

// Weather is what is outside the greenhouse.
type Weather struct {
	// Temperature in °C.
	Temperature float64
	// Light is global radiation in W/m².
	Light float64
	// Vapour is absolute humidity in g/m³.
	Vapour float64
	// Wind in m/s.
	Wind float64
}

// RelativeHumidity is in percent.
func (w Weather) RelativeHumidity() float64 { return relativeHumidity(w.Vapour, w.Temperature) }

// sky makes weather. Clouds, wind and the temperature's wandering are mean-reverting noise.
type sky struct {
	rng                     *rand.Rand
	cloud, wander, wind, wx float64
}

func newSky(rng *rand.Rand) *sky { return &sky{rng: rng, cloud: 0.4, wind: 3} }

// wanderTo moves a mean-reverting value by one step of dt seconds.
func (s *sky) wanderTo(x, mean, sigma, tau, dt float64) float64 {
	return x + (mean-x)*dt/tau + sigma*math.Sqrt(2*dt/tau)*s.rng.NormFloat64()
}

// step returns the weather at an instant, dt seconds after the one before.
func (s *sky) step(at time.Time, dt float64) Weather {
	s.cloud = clamp(s.wanderTo(s.cloud, 0.4, 0.3, 5400, dt), 0, 1)
	s.wander = s.wanderTo(s.wander, 0, 1.5, 6*3600, dt)
	s.wind = clamp(s.wanderTo(s.wind, 3.5, 2, 1800, dt), 0, 20)
	s.wx = s.wanderTo(s.wx, 0, 0.06, 4*3600, dt)

	day, hour := float64(at.YearDay()), hourOf(at)
	season := 0.5 - 0.5*math.Cos(2*math.Pi*(day-15)/365)
	t := winterMean + seasonSwing*season + dayAmplitude*(1-0.5*s.cloud)*math.Cos(2*math.Pi*(hour-15)/24) + s.wander
	sin := sunHeight(day, hour)
	light := 0.0
	if sin > 0 {
		light = solarConstant * sin * math.Pow(clearSky, math.Pow(1/math.Max(sin, 0.02), 0.68)) * (1 - 0.75*math.Pow(s.cloud, 1.5))
	}
	rh := clamp(0.78-0.15*math.Cos(2*math.Pi*(hour-15)/24)+0.1*(s.cloud-0.4)+s.wx, 0.3, 0.98)
	return Weather{Temperature: t, Light: light, Vapour: rh * saturation(t), Wind: s.wind}
}

func hourOf(at time.Time) float64 {
	at = at.UTC()
	return float64(at.Hour()) + float64(at.Minute())/60 + float64(at.Second())/3600
}

// sunHeight is the sine of the sun's height above the horizon.
func sunHeight(day, hour float64) float64 {
	declination := 23.45 * math.Sin(2*math.Pi*(day+284)/365) * math.Pi / 180
	lat := latitude * math.Pi / 180
	return math.Sin(lat)*math.Sin(declination) + math.Cos(lat)*math.Cos(declination)*math.Cos(2*math.Pi*(hour-12)/24)
}

// saturationPressure of water vapour in kPa (Magnus).
func saturationPressure(celsius float64) float64 {
	return 0.6108 * math.Exp(17.27*celsius/(celsius+237.3))
}

// saturation is the water that air can hold, in g/m³.
func saturation(celsius float64) float64 {
	return saturationPressure(celsius) * 2166.8 / (celsius + 273.15)
}

// relativeHumidity in percent of vapour in g/m³.
func relativeHumidity(vapour, celsius float64) float64 {
	return clamp(100*vapour/saturation(celsius), 0, 100)
}

// deficit is the vapour pressure deficit in kPa: how strongly the air draws water from leaves.
func deficit(vapour, celsius float64) float64 {
	return saturationPressure(celsius) * (1 - relativeHumidity(vapour, celsius)/100)
}

func clamp(x, lo, hi float64) float64 { return math.Max(lo, math.Min(hi, x)) }
