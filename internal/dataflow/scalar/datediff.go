package scalar

import (
	"github.com/tidemill/tidemill/internal/row"
)

// dateDiff is date_diff(part, from, to), the number of boundaries crossed, or date_sub, the number of whole parts passed; with a
// constant part.
func dateDiff(whole bool) builder {
	return func(s *site) (native, bool) {
		name, ok := s.text(0)
		if !ok || len(s.args) != 3 || s.args[1] != s.args[2] || s.typ.Kind != row.Int64 {
			return native{}, false
		}
		p := partOf(name)
		var f func(from, to int64) (int64, verdict)
		if whole {
			f = wholeParts(p)
		} else {
			f = boundaries(p, s.kind(1) == row.TimestampTZ)
		}
		switch kind := s.kind(1); {
		case f == nil, whole && kind == row.TimestampTZ && clockUnit(p) != 1:
			return native{}, false // whole parts of time with zones follow ICU's own arithmetic
		case kind == row.Timestamp, kind == row.TimestampTZ:
			return strict(try2(finiteOnly(f)).dropFirst())
		case kind == row.Date:
			return strict(try2(onDates(p, whole, f)).dropFirst())
		}
		return native{}, false
	}
}

// onDates makes a difference of timestamps one of dates, which reach farther.
func onDates(p part, whole bool, f func(from, to int64) (int64, verdict)) func(from, to int32) (int64, verdict) {
	unit := clockUnit(p)
	return func(from, to int32) (int64, verdict) {
		if isInfinite(row.Date, int64(from)) || isInfinite(row.Date, int64(to)) {
			return 0, isNull
		}
		if unit >= secondMicros && !whole {
			return (int64(to) - int64(from)) * (dayMicros / secondMicros) / (unit / secondMicros), fine
		}
		for _, d := range []int32{from, to} {
			if _, ok := stampOf(d); !ok && whole {
				return 0, outOfTimes
			} else if !ok && unit != 0 {
				return 0, notConvertible(d, "microseconds")
			}
		}
		a, okA := stampOf(from)
		b, okB := stampOf(to)
		if okA && okB {
			return f(a, b)
		}
		return farDates(p, from, to)
	}
}

// notConvertible is the message for a date beyond what a count of small units can tell.
func notConvertible(d int32, units string) verdict {
	return verdict("Conversion Error: Could not convert DATE (" + row.IntValue(row.T(row.Date), int64(d)).Text() + ") to " + units)
}

// farDates counts boundaries between dates that no timestamp reaches.
func farDates(p part, from, to int32) (int64, verdict) {
	fy, fm, _ := row.CivilDate(from)
	ty, tm, _ := row.CivilDate(to)
	switch p {
	case partWeek, partYearWeek:
		return (int64(to) - int64(from)) / 7, fine
	case partMonth:
		return int64(ty-fy)*12 + int64(tm-fm), fine
	case partQuarter:
		return int64((ty*12+tm-1)/3 - (fy*12+fm-1)/3), fine
	case partISOYear:
		fy, _ = isoWeek(from)
		ty, _ = isoWeek(to)
		return int64(ty - fy), fine
	}
	span := yearSpan(p)
	return int64(ty/span - fy/span), fine
}

// yearSpan is the number of years in a part of whole years, or 0.
func yearSpan(p part) int {
	switch p {
	case partYear:
		return 1
	case partDecade:
		return 10
	case partCentury:
		return 100
	case partMillennium:
		return 1000
	}
	return 0
}

// finiteOnly gives null for infinite timestamps.
func finiteOnly(f func(from, to int64) (int64, verdict)) func(from, to int64) (int64, verdict) {
	return func(from, to int64) (int64, verdict) {
		if isInfinite(row.Timestamp, from) || isInfinite(row.Timestamp, to) {
			return 0, isNull
		}
		return f(from, to)
	}
}

// boundaries counts the beginnings of parts between two timestamps.
func boundaries(p part, zoned bool) func(from, to int64) (int64, verdict) {
	var number func(x int64) int64
	switch p {
	case partMicrosecond:
		return checkedDifference
	case partMillisecond, partSecond, partEpoch, partMinute, partHour:
		unit := clockUnit(p)
		number = func(x int64) int64 { return floorDiv(x, unit) }
	case partDay, partDOW, partISODOW, partDOY:
		number = func(x int64) int64 { return int64(dateOf(x)) }
	case partWeek, partYearWeek:
		return func(from, to int64) (int64, verdict) { return (int64(dateOf(to)) - int64(dateOf(from))) / 7, fine }
	case partMonth:
		number = func(x int64) int64 { return monthNumber(dateOf(x)) }
	case partQuarter:
		number = func(x int64) int64 { return (monthNumber(dateOf(x)) + 1970*12) / 3 }
		if zoned {
			number = func(x int64) int64 { return floorDiv(monthNumber(dateOf(x)), 3) }
		}
	case partYear, partDecade, partCentury, partMillennium:
		span := int64(yearSpan(p))
		if zoned {
			return func(from, to int64) (int64, verdict) {
				return (spanStart(yearOf(to), span) - spanStart(yearOf(from), span)) / span, fine
			}
		}
		number = func(x int64) int64 { return yearOf(x) / span }
	case partISOYear:
		number = func(x int64) int64 { y, _ := isoWeek(dateOf(x)); return int64(y) }
	default:
		return nil
	}
	return func(from, to int64) (int64, verdict) { return number(to) - number(from), fine }
}

// spanStart is the first year of a span of years as ICU counts them, backwards before Christ.
func spanStart(year, span int64) int64 {
	if year <= 0 {
		return 1 - (1-year)/span*span
	}
	return year / span * span
}

func yearOf(x int64) int64 {
	y, _, _ := row.CivilDate(dateOf(x))
	return int64(y)
}

func checkedDifference(from, to int64) (int64, verdict) {
	d := to - from
	if (to^from)&(to^d) < 0 {
		return 0, verdict(opSub.overflow("INT64", to, from))
	}
	return d, fine
}

// wholeParts counts the parts that have passed from one timestamp to another.
func wholeParts(p part) func(from, to int64) (int64, verdict) {
	unit, months := int64(0), int64(0)
	switch p {
	case partMicrosecond, partMillisecond, partSecond, partEpoch, partMinute, partHour, partDay, partDOW, partISODOW, partDOY:
		unit = clockUnit(p)
	case partWeek, partYearWeek:
		unit = 7 * dayMicros
	case partMonth:
		months = 1
	case partQuarter:
		months = 3
	case partYear:
		months = 12
	case partDecade:
		months = 120
	case partCentury:
		months = 1200
	case partMillennium:
		months = 12000
	default:
		return nil
	}
	if unit != 0 {
		return func(from, to int64) (int64, verdict) {
			d, says := checkedDifference(from, to)
			return d / unit, says
		}
	}
	return func(from, to int64) (int64, verdict) { return wholeMonths(from, to) / months, fine }
}

// wholeMonths is the months from one timestamp to another. A month ends on the same day of the next, or on its last.
func wholeMonths(from, to int64) int64 {
	if from > to {
		return -wholeMonths(to, from)
	}
	n := monthNumber(dateOf(to)) - monthNumber(dateOf(from))
	_, _, fromDay := row.CivilDate(dateOf(from))
	y, m, toDay := row.CivilDate(dateOf(to))
	if toDay == monthDays(y, m) && fromDay > toDay {
		fromDay = toDay
	}
	if toDay < fromDay || toDay == fromDay && floorMod(to, dayMicros) < floorMod(from, dayMicros) {
		n--
	}
	return n
}
