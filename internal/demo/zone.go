package demo

import "math"

// Physical constants of a zone, per m² of floor.
const (
	height        = 4.0     // m of air above a m² of floor
	airHeat       = 1210.0  // J/(m³·K)
	heatCapacity  = 25e3    // J/(m²·K) of air, leaves and frame
	massCapacity  = 140e3   // J/(m²·K) of floor and soil that follow the air
	massCoupling  = 7.0     // W/(m²·K) between the air and that mass
	coverLoss     = 5.2     // W/(m²·K) through the cover
	transmission  = 0.65    // share of the light that comes in
	evaporation   = 2450.0  // J/g of water
	leak          = 0.4     // air changes an hour with all vents closed
	waterStore    = 10000.0 // g of water the substrate holds per m² at moisture 1
	outsideCarbon = 420.0   // ppm
)

// Settings are what a grower chose for a zone.
type Settings struct {
	// DayHeat and NightHeat are the temperatures in °C below which the heating comes on, DayVent and NightVent those above which the vents open.
	DayHeat, NightHeat, DayVent, NightVent float64
	// HumidityVent is the relative humidity in percent above which the vents open a little.
	HumidityVent float64
	// HeatPower is the heating's full power in W/m².
	HeatPower float64
	// Carbon is the CO2 in ppm that is dosed up to by day; 0 for none.
	Carbon float64
	// MoistureLow and MoistureHigh are where irrigation starts and stops.
	MoistureLow, MoistureHigh float64
	// LeafArea is m² of leaves per m² of floor.
	LeafArea float64
}

// Air is the state of a zone.
type Air struct {
	Temperature float64 // °C
	Mass        float64 // °C of the floor
	Vapour      float64 // g/m³
	Carbon      float64 // ppm
	Moisture    float64 // of the substrate, 0 to 1
}

// Balance is the energy that has gone through a zone, in J/m².
type Balance struct {
	Sun, Heating                   float64 // in
	Cover, Ventilation, Evaporated float64 // out
	Stored                         float64 // the difference, as the temperatures tell it
}

// Zone is a part of the greenhouse with a climate of its own.
type Zone struct {
	Name, Crop string
	Settings   Settings
	Air        Air
	Balance    Balance

	heating, irrigating, dosing bool
	venting, drying             bool
	heat, vent                  float64 // positions of the actuators, 0 to 1
}

// Heating is the heating's position in percent.
func (z *Zone) Heating() float64 { return 100 * z.heat }

// Vent is the vents' position in percent.
func (z *Zone) Vent() float64 { return 100 * z.vent }

// Humidity is the relative humidity in percent.
func (z *Zone) Humidity() float64 { return relativeHumidity(z.Air.Vapour, z.Air.Temperature) }

// Deficit is the vapour pressure deficit in kPa.
func (z *Zone) Deficit() float64 { return deficit(z.Air.Vapour, z.Air.Temperature) }

// switched is a two-point controller: on below low, off above high, and as it was in between.
func switched(on bool, x, low, high float64) bool {
	if on {
		return x < high
	}
	return x < low
}

// control sets the actuators for the next dt seconds.
func (z *Zone) control(w Weather, dt float64) {
	s, day := z.Settings, w.Light > 10
	heat, vent := s.NightHeat, s.NightVent
	if day {
		heat, vent = s.DayHeat, s.DayVent
	}
	z.heating = switched(z.heating, z.Air.Temperature, heat-0.5, heat+0.5)
	z.venting = !switched(!z.venting, z.Air.Temperature, vent-1, vent+1)
	z.drying = !switched(!z.drying, z.Humidity(), s.HumidityVent-5, s.HumidityVent)
	z.irrigating = switched(z.irrigating, z.Air.Moisture, s.MoistureLow, s.MoistureHigh)
	z.dosing = s.Carbon > 0 && w.Light > 80 && z.vent < 0.15 && switched(z.dosing, z.Air.Carbon, s.Carbon-150, s.Carbon)

	wantHeat, wantVent := 0.0, 0.0
	if z.heating {
		wantHeat = clamp(0.4+0.25*(heat+0.5-z.Air.Temperature), 0.4, 1)
	}
	if z.venting {
		wantVent = clamp(0.25+0.2*(z.Air.Temperature-vent), 0.15, 1)
	} else if z.drying {
		wantVent = 0.08
	}
	z.heat = toward(z.heat, wantHeat, dt/300) // valves take five minutes from shut to open, windows six
	z.vent = toward(z.vent, wantVent, dt/360)
}

func toward(x, goal, most float64) float64 { return x + clamp(goal-x, -most, most) }

// step moves the zone by dt seconds.
func (z *Zone) step(w Weather, dt float64) {
	z.control(w, dt)
	a := &z.Air
	light := transmission * w.Light
	exchange := height * (leak + z.vent*(12+6*w.Wind)) / 3600 // m/s of air through a m² of floor
	water := z.transpiration(light)

	sun := light
	heating := z.heat * z.Settings.HeatPower
	cover := (coverLoss + 0.15*w.Wind) * (a.Temperature - w.Temperature)
	vented := airHeat * exchange * (a.Temperature - w.Temperature)
	evaporated := water * evaporation
	toMass := massCoupling * (a.Temperature - a.Mass)

	dAir := (sun + heating - cover - vented - evaporated - toMass) * dt / heatCapacity
	dMass := toMass * dt / massCapacity
	z.moveGases(w, light, exchange, water, dt)
	a.Temperature += dAir
	a.Mass += dMass

	b := &z.Balance
	b.Sun += sun * dt
	b.Heating += heating * dt
	b.Cover += cover * dt
	b.Ventilation += vented * dt
	b.Evaporated += evaporated * dt
	b.Stored += dAir*heatCapacity + dMass*massCapacity
}

// transpiration is the water that leaves give off, in g/(m²·s): driven by light and by how dry the air is, less when roots are dry.
func (z *Zone) transpiration(light float64) float64 {
	roots := clamp((z.Air.Moisture-0.2)/0.25, 0, 1)
	return roots * math.Min(1.2, z.Settings.LeafArea/2.5) * (0.5*light/evaporation + 0.006*z.Deficit())
}

// moveGases moves water and CO2.
func (z *Zone) moveGases(w Weather, light, exchange, water, dt float64) {
	a := &z.Air
	cover := 0.6*w.Temperature + 0.4*a.Temperature
	condensed := 0.0025 * math.Max(0, a.Vapour-saturation(cover))
	a.Vapour = math.Max(0.5, a.Vapour+(water-condensed-exchange*(a.Vapour-w.Vapour))*dt/height)

	// CO2 in ppm·m/s: what leaves take up and breathe out, and what is dosed.
	taken := 0.5 * z.Settings.LeafArea * light / (light + 250) * a.Carbon / (a.Carbon + 400)
	breath := 0.018 * z.Settings.LeafArea
	dosed := 0.0
	if z.dosing {
		dosed = 1.5
	}
	a.Carbon = math.Max(150, a.Carbon+(breath-taken+dosed-exchange*(a.Carbon-outsideCarbon))*dt/height)

	irrigated := 0.0
	if z.irrigating {
		irrigated = 2.5 // g/(m²·s)
	}
	a.Moisture = clamp(a.Moisture+(irrigated-water)*dt/waterStore, 0, 1)
}
