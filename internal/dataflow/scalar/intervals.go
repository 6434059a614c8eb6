package scalar

import (
	"fmt"
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

// intervalTable holds functions that make intervals.
func intervalTable() registry {
	return registry{
		"to_microseconds":     clockInterval("microseconds", 1),
		"to_milliseconds":     fractionInterval("milliseconds", 1000),
		"to_seconds":          fractionInterval("seconds", float64(secondMicros)),
		"to_minutes":          clockInterval("minutes", minuteMicros),
		"to_hours":            clockInterval("hours", hourMicros),
		"to_days":             dateInterval("days", 0, 1),
		"to_weeks":            dateInterval("weeks", 0, 7),
		"to_months":           dateInterval("months", 1, 0),
		"to_quarters":         dateInterval("quarters", 3, 0),
		"to_years":            dateInterval("years", 12, 0),
		"to_decades":          dateInterval("decades", 120, 0),
		"to_centuries":        dateInterval("centuries", 1200, 0),
		"to_millennia":        dateInterval("millennia", 12000, 0),
		"normalized_interval": onlyCheap(map1(normalized), row.Interval),
	}
}

func clockInterval(name string, unit int64) builder {
	return onlyCheap(try1(func(x int64) (row.IntervalValue, verdict) {
		us := x * unit
		return row.IntervalValue{Micros: us}, verdictIf(us/unit != x, verdict(fmt.Sprintf("Out of Range Error: Interval value %d %s out of range", x, name)))
	}), row.Int64)
}

func fractionInterval(name string, unit float64) builder {
	return onlyCheap(try1(func(x float64) (row.IntervalValue, verdict) {
		us := math.RoundToEven(x * unit)
		if !(us >= math.MinInt64 && us < math.MaxInt64) {
			return row.IntervalValue{}, verdict(fmt.Sprintf("Out of Range Error: Interval value %s %s out of range", fixed(x), name))
		}
		return row.IntervalValue{Micros: int64(us)}, fine
	}), row.Float64)
}

// fixed writes x as C's %f does.
func fixed(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return formatFloat(x)
	}
	return fmt.Sprintf("%f", x)
}

// dateInterval makes months or days of INTEGER or BIGINT.
func dateInterval(name string, months, days int64) builder {
	f := func(x int64) (row.IntervalValue, verdict) {
		if x != int64(int32(x)) {
			return row.IntervalValue{}, castToInt32(x)
		}
		m, d := x*months, x*days
		if m != int64(int32(m)) || d != int64(int32(d)) {
			return row.IntervalValue{}, verdict(fmt.Sprintf("Out of Range Error: Interval value %d %s out of range", x, name))
		}
		return row.IntervalValue{Months: int32(m), Days: int32(d)}, fine
	}
	return firstOf(
		onlyCheap(try1(f), row.Int64),
		onlyCheap(try1(func(x int32) (row.IntervalValue, verdict) { return f(int64(x)) }), row.Int32),
	)
}

// normalized carries microseconds into days and days into months.
func normalized(iv row.IntervalValue) row.IntervalValue {
	days := int64(iv.Days) + iv.Micros/dayMicros
	months := int64(iv.Months) + days/30
	days %= 30
	if months != int64(int32(months)) {
		return iv
	}
	return row.IntervalValue{Months: int32(months), Days: int32(days), Micros: iv.Micros % dayMicros}
}

func addIntervals(x, y row.IntervalValue) (row.IntervalValue, verdict) {
	r := row.IntervalValue{Months: x.Months + y.Months, Days: x.Days + y.Days, Micros: x.Micros + y.Micros}
	switch {
	case int64(r.Months) != int64(x.Months)+int64(y.Months):
		return r, verdict(opAdd.overflow("INT32", x.Months, y.Months))
	case int64(r.Days) != int64(x.Days)+int64(y.Days):
		return r, verdict(opAdd.overflow("INT32", x.Days, y.Days))
	case (x.Micros^r.Micros)&(y.Micros^r.Micros) < 0:
		return r, verdict(opAdd.overflow("INT64", x.Micros, y.Micros))
	}
	return r, fine
}

func subIntervals(x, y row.IntervalValue) (row.IntervalValue, verdict) {
	r := row.IntervalValue{Months: x.Months - y.Months, Days: x.Days - y.Days, Micros: x.Micros - y.Micros}
	const message = "Out of Range Error: Interval %s subtraction out of range"
	switch {
	case int64(r.Months) != int64(x.Months)-int64(y.Months):
		return r, verdict(fmt.Sprintf(message, "months"))
	case int64(r.Days) != int64(x.Days)-int64(y.Days):
		return r, verdict(fmt.Sprintf(message, "days"))
	case (x.Micros^y.Micros)&(x.Micros^r.Micros) < 0:
		return r, verdict(fmt.Sprintf(message, "micros"))
	}
	return r, fine
}

// scaleInterval is an interval times a whole number; times a fraction is left to DuckDB.
func scaleInterval(s *site) (native, bool) {
	times := try2(timesInterval)
	switch {
	case s.is(row.Interval, row.Int64):
		return cheap(times)
	case s.is(row.Int64, row.Interval):
		return cheap(swap(times))
	}
	return native{}, false
}

func timesInterval(iv row.IntervalValue, n int64) (r row.IntervalValue, says verdict) {
	if n != int64(int32(n)) {
		return r, castToInt32(n)
	}
	months, days := int64(iv.Months)*n, int64(iv.Days)*n
	micros, over := mulOver(iv.Micros, n)
	switch {
	case months != int64(int32(months)):
		return r, verdict(opMul.overflow("INT32", iv.Months, n))
	case days != int64(int32(days)):
		return r, verdict(opMul.overflow("INT32", iv.Days, n))
	case over != 0:
		return r, verdict(opMul.overflow("INT64", iv.Micros, n))
	}
	return row.IntervalValue{Months: int32(months), Days: int32(days), Micros: micros}, fine
}

// divideInterval is left to DuckDB, which spreads fractions of months over days in its own way.
func divideInterval(*site) (native, bool) { return native{}, false }
