package scalar

import (
	"fmt"
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

const (
	secondMicros = int64(1_000_000)
	minuteMicros = 60 * secondMicros
	hourMicros   = 60 * minuteMicros
	dayMicros    = 24 * hourMicros

	// minTimestamp is the least finite timestamp: DuckDB's begin on a day boundary.
	minTimestamp = -9223372022400000000

	outOfDates = "Out of Range Error: Date out of range"
	outOfTimes = "Conversion Error: Date and time not in timestamp range"
)

func floorDiv(x, y int64) int64 {
	q := x / y
	if x%y < 0 {
		q--
	}
	return q
}

// floorMod is the remainder of x by a positive y, never negative.
func floorMod(x, y int64) int64 {
	r := x % y
	if r < 0 {
		r += y
	}
	return r
}

// isInfinite reports whether a date or timestamp is one of the infinities.
func isInfinite(k row.Kind, x int64) bool {
	if k == row.Date {
		return x == int64(row.DateInfinity) || x == int64(row.DateNegInfinity)
	}
	return x == row.TimestampInfinity || x == row.TimestampNegInfinity
}

// dateOf is the date of a timestamp.
func dateOf(micros int64) int32 {
	switch micros {
	case row.TimestampInfinity:
		return row.DateInfinity
	case row.TimestampNegInfinity:
		return row.DateNegInfinity
	}
	return int32(floorDiv(micros, dayMicros))
}

// stampOf is midnight of a date; ok is false beyond the timestamps.
func stampOf(days int32) (micros int64, ok bool) {
	switch days {
	case row.DateInfinity:
		return row.TimestampInfinity, true
	case row.DateNegInfinity:
		return row.TimestampNegInfinity, true
	}
	return joinStamp(days, 0)
}

// joinStamp is the timestamp at a time of a finite date.
func joinStamp(days int32, inDay int64) (micros int64, ok bool) {
	hi := int64(days) * dayMicros
	if hi/dayMicros != int64(days) {
		return 0, false
	}
	sum := hi + inDay
	return sum, (hi^sum)&(inDay^sum) >= 0 && !isInfinite(row.Timestamp, sum)
}

// addMonths moves a date by months, to the last day of the month at most.
func addMonths(days int32, months int32) (int32, verdict) {
	if months == 0 {
		return days, fine
	}
	y, m, d := row.CivilDate(days)
	n := int64(y)*12 + int64(m) - 1 + int64(months)
	year, month := floorDiv(n, 12), floorMod(n, 12)+1
	d = min(d, monthDays(int(year), int(month)))
	r, ok := row.DateFromCivil(int(year), int(month), d)
	if !ok {
		return 0, dateOutOfRange(year, month, int64(d))
	}
	return r, fine
}

func monthDays(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func dateOutOfRange(year, month, day int64) verdict {
	return verdict(fmt.Sprintf("Conversion Error: Date out of range: %d-%d-%d", year, month, day))
}

// addDays moves a date, infinities not at all.
func addDays(days int32, n int64) (int32, verdict) {
	if isInfinite(row.Date, int64(days)) {
		return days, fine
	}
	sum := int64(days) + n
	if sum != int64(int32(sum)) || isInfinite(row.Date, sum) {
		return 0, outOfDates
	}
	return int32(sum), fine
}

// addInterval moves a timestamp: months, then days, then microseconds.
func addInterval(micros int64, iv row.IntervalValue) (int64, verdict) {
	if isInfinite(row.Timestamp, micros) {
		return micros, fine
	}
	d, says := addToDate(int32(floorDiv(micros, dayMicros)), iv)
	if says != fine {
		return 0, says
	}
	inDay := floorMod(micros, dayMicros) + iv.Micros%dayMicros
	if inDay >= dayMicros {
		d, inDay = d+1, inDay-dayMicros
	} else if inDay < 0 {
		d, inDay = d-1, inDay+dayMicros
	}
	r, ok := joinStamp(d, inDay)
	return r, verdictIf(!ok, outOfTimes)
}

// addZoned moves a timestamp with time zone as DuckDB does with ICU's calendar, which counts milliseconds in a double: the microseconds below a millisecond
// first, and then, if a field is negative, the rest of the time before months and days, else after them.
func addZoned(micros int64, iv row.IntervalValue) (int64, verdict) {
	if isInfinite(row.Timestamp, micros) {
		return micros, fine
	}
	below := micros%1000 + iv.Micros%1000
	at, clock := micros-micros%1000, row.IntervalValue{Micros: iv.Micros - iv.Micros%1000}
	if below >= 1000 {
		at, below = at+1000, below-1000
	} else if below < 0 {
		at, below = at-1000, below+1000
	}
	first, second := row.IntervalValue{Months: iv.Months, Days: iv.Days}, clock
	if iv.Months < 0 || iv.Days < 0 || iv.Micros < 0 {
		first, second = second, first
	}
	at, says := addInterval(at, first)
	if says == fine {
		at, says = addInterval(at, second)
	}
	if says != fine {
		return 0, says
	}
	millis := int64(float64(at / 1000))
	r := millis*1000 + below
	return r, verdictIf(isInfinite(row.Timestamp, r) || millis > math.MaxInt64/1000 || millis < math.MinInt64/1000, outOfTimes)
}

// addToDate moves a date; what an interval has beyond whole days is dropped.
func addToDate(d int32, iv row.IntervalValue) (int32, verdict) {
	if isInfinite(row.Date, int64(d)) {
		return d, fine
	}
	d, says := addMonths(d, iv.Months)
	if says == fine {
		d, says = addDays(d, int64(iv.Days))
	}
	if says == fine {
		d, says = addDays(d, iv.Micros/dayMicros)
	}
	return d, says
}

// subInterval moves a timestamp back by adding the negated interval.
func subInterval(micros int64, iv row.IntervalValue) (int64, verdict) {
	return addInterval(micros, negated(iv))
}

// subZoned is subInterval with time zones.
func subZoned(micros int64, iv row.IntervalValue) (int64, verdict) {
	return addZoned(micros, negated(iv))
}

// negated wraps around for the least values, as DuckDB does here.
func negated(iv row.IntervalValue) row.IntervalValue {
	return row.IntervalValue{Months: -iv.Months, Days: -iv.Days, Micros: -iv.Micros}
}

// weekday is 0 for Monday to 6 for Sunday.
func weekday(days int32) int64 { return floorMod(int64(days)+3, 7) }

// isoWeek returns the ISO year and week of a date.
func isoWeek(days int32) (year, week int) {
	thursday := int64(days) - weekday(days) + 3
	y, _, _ := row.CivilDate(int32(thursday))
	first, _ := row.DateFromCivil(y, 1, 1)
	return y, int(thursday-int64(first))/7 + 1
}

// isoYearStart is the Monday of week 1 of an ISO year.
func isoYearStart(year int) int64 {
	fourth, _ := row.DateFromCivil(year, 1, 4)
	return int64(fourth) - weekday(fourth)
}
