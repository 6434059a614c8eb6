package scalar

import (
	"github.com/tidemill/tidemill/internal/row"
)

// truncBuilder is date_trunc(part, x) with a constant part.
func truncBuilder(s *site) (native, bool) {
	name, ok := s.text(0)
	if !ok || len(s.args) != 2 {
		return native{}, false
	}
	p := partOf(name)
	zoned := s.kind(1) == row.TimestampTZ
	switch kind := s.kind(1); {
	case kind == row.Interval && s.typ.Kind == row.Interval:
		f := truncInterval(p)
		if f == nil {
			return native{}, false
		}
		return cheap(map1(f).dropFirst())
	case kind == row.Date && (s.typ.Kind == row.Timestamp || s.typ.Kind == row.Date):
		return truncDate(p, s.typ.Kind)
	case (kind == row.Timestamp || zoned) && s.typ == s.args[1]:
		if unit := clockUnit(p); unit != 0 {
			return cheap(truncClock(unit).dropFirst())
		}
		f := truncDay(p, zoned)
		if f == nil {
			return native{}, false
		}
		return cheap(try1(func(x int64) (int64, verdict) {
			if isInfinite(row.Timestamp, x) {
				return x, fine
			}
			return midnight(f(dateOf(x)))
		}).dropFirst())
	}
	return native{}, false
}

// midnight is the timestamp of a day that may be out of range.
func midnight(d int32, says verdict) (int64, verdict) {
	if says != fine {
		return 0, says
	}
	r, ok := stampOf(d)
	return r, verdictIf(!ok, outOfTimes)
}

func truncDate(p part, to row.Kind) (native, bool) {
	f := truncDay(p, false)
	if clockUnit(p) != 0 || p == partEpoch {
		f = func(d int32) (int32, verdict) { return d, fine }
	}
	if f == nil {
		return native{}, false
	}
	onDate := func(d int32) (int32, verdict) {
		if isInfinite(row.Date, int64(d)) {
			return d, fine
		}
		return f(d)
	}
	if to == row.Date {
		return cheap(try1(onDate).dropFirst())
	}
	return cheap(try1(func(d int32) (int64, verdict) { return midnight(onDate(d)) }).dropFirst())
}

// clockUnit is the length of a part that divides the day evenly, or 0.
func clockUnit(p part) int64 {
	switch p {
	case partMicrosecond:
		return 1
	case partMillisecond:
		return 1000
	case partSecond, partEpoch:
		return secondMicros
	case partMinute:
		return minuteMicros
	case partHour:
		return hourMicros
	case partDay, partDOW, partISODOW, partDOY:
		return dayMicros
	}
	return 0
}

func truncClock(unit int64) kernel {
	return func(b *block, args []*vec, out *vec) {
		xs, dst := columnOf[int64](args[0]), results[int64](out, b.n)
		start, end := int64(1), int64(0)
		for i := range dst {
			x := xs.at(i)
			if x < start || x >= end {
				if isInfinite(row.Timestamp, x) || x < minTimestamp {
					dst[i] = x
					continue
				}
				start = x - floorMod(x, unit)
				end = start + unit
				if end < start {
					end = row.TimestampInfinity
				}
			}
			dst[i] = start
		}
	}
}

// truncDay returns the function to the first day of a part, or nil. With time zones, decades and longer before Christ are DuckDB's.
func truncDay(p part, zoned bool) func(int32) (int32, verdict) {
	span := yearSpan(p)
	switch p {
	case partWeek, partYearWeek:
		return func(d int32) (int32, verdict) { return addDays(d, -weekday(d)) }
	case partISOYear:
		return func(d int32) (int32, verdict) {
			y, _ := isoWeek(d)
			return int32(isoYearStart(y)), fine
		}
	case partMonth, partQuarter:
		return func(d int32) (int32, verdict) {
			y, m, _ := row.CivilDate(d)
			if p == partQuarter {
				m = (m-1)/3*3 + 1
			}
			return firstOfMonth(y, m)
		}
	}
	if span == 0 {
		return nil
	}
	return func(d int32) (int32, verdict) {
		y, _, _ := row.CivilDate(d)
		if zoned && y <= 0 {
			return firstOfMonth(int(spanStart(int64(y), int64(span))), 1)
		}
		return firstOfMonth(y/span*span, 1)
	}
}

func firstOfMonth(year, month int) (int32, verdict) {
	r, ok := row.DateFromCivil(year, month, 1)
	if !ok {
		return 0, dateOutOfRange(int64(year), int64(month), 1)
	}
	return r, fine
}

func truncInterval(p part) func(row.IntervalValue) row.IntervalValue {
	months := int32(0)
	switch p {
	case partMillennium:
		months = 12000
	case partCentury:
		months = 1200
	case partDecade:
		months = 120
	case partYear, partISOYear:
		months = 12
	case partQuarter:
		months = 3
	case partMonth:
		months = 1
	case partDay:
		return func(iv row.IntervalValue) row.IntervalValue { iv.Micros = 0; return iv }
	case partHour, partMinute, partSecond, partMillisecond, partMicrosecond:
		unit := clockUnit(p)
		return func(iv row.IntervalValue) row.IntervalValue { iv.Micros -= iv.Micros % unit; return iv }
	default:
		return nil
	}
	return func(iv row.IntervalValue) row.IntervalValue {
		return row.IntervalValue{Months: iv.Months / months * months}
	}
}
