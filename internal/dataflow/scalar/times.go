package scalar

import (
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

// timeTable holds functions that make dates and timestamps, and their differences.
func timeTable() registry {
	diff, sub := dateDiff(false), dateDiff(true)
	return registry{
		"age":              firstOf(ageOf(row.Timestamp), ageOf(row.TimestampTZ)),
		"date_diff":        diff,
		"datediff":         diff,
		"date_sub":         sub,
		"datesub":          sub,
		"last_day":         lastDay,
		"make_date":        makeDate,
		"make_timestamp":   firstOf(only(makeTimestamp, row.Int64, row.Int64, row.Int64, row.Int64, row.Int64, row.Float64), microsToStamp(row.Timestamp)),
		"make_timestamptz": microsToStamp(row.TimestampTZ),
		"to_timestamp":     only(try1(secondsToStamp), row.Float64),
		"timezone":         atUTC,
		"date_trunc":       truncBuilder,
		"datetrunc":        truncBuilder,
	}
}

// atUTC is AT TIME ZONE 'UTC'.
func atUTC(s *site) (native, bool) {
	if zone, ok := s.text(0); !ok || zone != "UTC" || len(s.args) != 2 {
		return native{}, false
	}
	cast := &site{name: s.name, typ: s.typ, args: s.args[1:], konst: s.konst[1:]}
	from, to := s.kind(1), s.typ.Kind
	if from == to || from != row.Timestamp && from != row.TimestampTZ || to != row.Timestamp && to != row.TimestampTZ {
		return native{}, false
	}
	n, ok := castKernel(cast)
	if ok {
		n.run = n.run.dropFirst()
	}
	return n, ok
}

// timeTest applies a test to DATE, TIMESTAMP and TIMESTAMP WITH TIME ZONE.
func timeTest(f func(row.Kind, int64) bool) builder {
	stamp := map1(func(x int64) uint8 { return b2u(f(row.Timestamp, x)) })
	return firstOf(
		onlyCheap(map1(func(x int32) uint8 { return b2u(f(row.Date, int64(x))) }), row.Date),
		onlyCheap(stamp, row.Timestamp), onlyCheap(stamp, row.TimestampTZ),
	)
}

// addTimes is + with a date, time, timestamp or interval.
func addTimes(s *site) (native, bool) {
	stampPlus := stampShift(addInterval, addZoned, s)
	return firstOf(
		onlyCheap(try2(addIntervals), row.Interval, row.Interval),
		onlyCheap(stampPlus, row.Timestamp, row.Interval),
		onlyCheap(swap(stampPlus), row.Interval, row.Timestamp),
		onlyCheap(stampPlus, row.TimestampTZ, row.Interval),
		onlyCheap(swap(stampPlus), row.Interval, row.TimestampTZ),
		onlyCheap(try2(datePlusInterval), row.Date, row.Interval),
		onlyCheap(swap(try2(datePlusInterval)), row.Interval, row.Date),
		onlyCheap(try2(datePlusInt), row.Date, row.Int32),
		onlyCheap(swap(try2(datePlusInt)), row.Int32, row.Date),
		onlyCheap(try2(datePlusTime), row.Date, row.Time),
		onlyCheap(swap(try2(datePlusTime)), row.Time, row.Date),
		onlyCheap(map2(timePlusInterval), row.Time, row.Interval),
		onlyCheap(swap(map2(timePlusInterval)), row.Interval, row.Time),
	)(s)
}

// subTimes is - with a date, time, timestamp or interval.
func subTimes(s *site) (native, bool) {
	return firstOf(
		onlyCheap(try2(subIntervals), row.Interval, row.Interval),
		onlyCheap(stampShift(subInterval, subZoned, s), row.Timestamp, row.Interval),
		onlyCheap(stampShift(subInterval, subZoned, s), row.TimestampTZ, row.Interval),
		onlyCheap(try2(subStamps), row.Timestamp, row.Timestamp),
		onlyCheap(try2(subZonedStamps), row.TimestampTZ, row.TimestampTZ),
		onlyCheap(try2(dateMinusInterval), row.Date, row.Interval),
		onlyCheap(try2(dateMinusInt), row.Date, row.Int32),
		onlyCheap(map2(func(x, y int32) int64 { return int64(x) - int64(y) }), row.Date, row.Date),
		onlyCheap(map2(func(x int64, iv row.IntervalValue) int64 {
			return floorMod(x-iv.Micros%dayMicros, dayMicros)
		}), row.Time, row.Interval),
	)(s)
}

// swap exchanges the arguments of a kernel.
func swap(k kernel) kernel {
	return func(b *block, args []*vec, out *vec) { k(b, []*vec{args[1], args[0]}, out) }
}

const zonedOverflow = "Conversion Error: ICU date overflows timestamp range"

// stampShift moves timestamps by intervals. Timestamps with time zone have another message in DuckDB, whose calendar is ICU's.
func stampShift(shift, zonedShift func(int64, row.IntervalValue) (int64, verdict), s *site) kernel {
	zoned := s.typ.Kind == row.TimestampTZ
	if zoned {
		shift = zonedShift
	}
	return func(b *block, args []*vec, out *vec) {
		if args[1].konst && quickShift(shift, b, args, out) {
			return
		}
		xs, ys, dst := columnOf[int64](args[0]), columnOf[row.IntervalValue](args[1]), results[int64](out, b.n)
		for i := range dst {
			if !b.wants(out, i) {
				continue
			}
			r, says := shift(xs.at(i), ys.at(i))
			if dst[i] = r; says != fine {
				if zoned {
					says = zonedOverflow
				}
				out.settle(b, i, says)
			}
		}
	}
}

// quickShift is stampShift for a constant interval without months over timestamps within some hundred thousand years.
func quickShift(shift func(int64, row.IntervalValue) (int64, verdict), b *block, args []*vec, out *vec) bool {
	const safe = math.MaxInt64 / 4
	iv := values[row.IntervalValue](args[1])[0]
	if iv.Months != 0 || iv.Micros > safe || iv.Micros < -safe || iv.Days > safe/2/int32Day || iv.Days < -safe/2/int32Day || args[0].konst {
		return false
	}
	by, says := shift(0, iv)
	if says != fine {
		return false
	}
	dst, far := results[int64](out, b.n), false
	for i, x := range values[int64](args[0]) {
		dst[i] = x + by
		far = far || x > safe || x < -safe
	}
	return !far
}

// int32Day keeps the bound on days above inside 32 bits.
const int32Day = 1 << 32

func datePlusInterval(d int32, iv row.IntervalValue) (int64, verdict) {
	return dateShift(d, iv, addInterval)
}

func dateMinusInterval(d int32, iv row.IntervalValue) (int64, verdict) {
	return dateShift(d, iv, subInterval)
}

func dateShift(d int32, iv row.IntervalValue, shift func(int64, row.IntervalValue) (int64, verdict)) (int64, verdict) {
	x, ok := stampOf(d)
	if !ok {
		return 0, outOfTimes
	}
	return shift(x, iv)
}

func datePlusInt(d, n int32) (int32, verdict)  { return addDays(d, int64(n)) }
func dateMinusInt(d, n int32) (int32, verdict) { return addDays(d, -int64(n)) }

func datePlusTime(d int32, t int64) (int64, verdict) {
	if isInfinite(row.Date, int64(d)) {
		r, _ := stampOf(d)
		return r, fine
	}
	r, ok := joinStamp(d, t)
	return r, verdictIf(!ok, "Out of Range Error: Timestamp out of range")
}

func timePlusInterval(t int64, iv row.IntervalValue) int64 {
	return floorMod(t+iv.Micros%dayMicros, dayMicros)
}

const infiniteOperand = "Invalid Input Error: Cannot subtract infinite timestamps"

// subStamps is the difference of timestamps in days and microseconds, never months.
func subStamps(x, y int64) (iv row.IntervalValue, says verdict) {
	if isInfinite(row.Timestamp, x) || isInfinite(row.Timestamp, y) {
		return iv, infiniteOperand
	}
	diff := x - y
	if (x^y)&(x^diff) < 0 {
		return iv, "Conversion Error: Timestamp difference is out of bounds"
	}
	return row.IntervalValue{Days: int32(diff / dayMicros), Micros: diff % dayMicros}, fine
}

// subZonedStamps is subStamps with time zones. DuckDB takes days from the milliseconds, which it rounds toward zero on one side.
func subZonedStamps(x, y int64) (iv row.IntervalValue, says verdict) {
	if isInfinite(row.Timestamp, x) || isInfinite(row.Timestamp, y) {
		return iv, infiniteOperand
	}
	if y > x {
		iv, says = subZonedStamps(y, x)
		return negated(iv), says
	}
	from, fromMicros, toMicros := floorDiv(y, 1000), floorMod(y, 1000), x%1000
	if toMicros >= 0 && fromMicros > toMicros {
		x, toMicros = x-1000, toMicros+1000
	}
	ms := x/1000 - from
	const dayMillis = dayMicros / 1000
	return row.IntervalValue{Days: int32(ms / dayMillis), Micros: ms%dayMillis*1000 + toMicros - fromMicros}, fine
}

// ageOf is the difference of timestamps in months, days and microseconds.
func ageOf(k row.Kind) builder {
	return only(try2(func(x, y int64) (row.IntervalValue, verdict) {
		// With time zones the infinities are dates like others to DuckDB.
		if k == row.Timestamp && (isInfinite(k, x) || isInfinite(k, y)) {
			return row.IntervalValue{}, isNull
		}
		return age(x, y), fine
	}), k, k)
}

func age(x, y int64) row.IntervalValue {
	if x < y {
		return negated(age(y, x))
	}
	xy, xm, xday := row.CivilDate(int32(floorDiv(x, dayMicros)))
	yy, ym, yday := row.CivilDate(int32(floorDiv(y, dayMicros)))
	months, days := (xy-yy)*12+xm-ym, xday-yday
	micros := floorMod(x, dayMicros) - floorMod(y, dayMicros)
	if micros < 0 {
		micros += dayMicros
		days--
	}
	for days < 0 {
		days += monthDays(yy, ym)
		months--
	}
	return row.IntervalValue{Months: int32(months), Days: int32(days), Micros: micros}
}

func lastDay(s *site) (native, bool) {
	last := func(d int32) (int32, verdict) {
		if isInfinite(row.Date, int64(d)) {
			return d, isNull
		}
		y, m, _ := row.CivilDate(d)
		if m++; m > 12 {
			y, m = y+1, 1
		}
		r, ok := row.DateFromCivil(y, m, 1)
		if !ok {
			return 0, dateOutOfRange(int64(y), int64(m), 1)
		}
		return r - 1, fine
	}
	stamp := try1(func(x int64) (int32, verdict) { return last(dateOf(x)) })
	return firstOf(only(try1(last), row.Date), only(stamp, row.Timestamp), only(stamp, row.TimestampTZ))(s)
}

// makeDate is make_date(days) or make_date(year, month, day).
func makeDate(s *site) (native, bool) {
	switch {
	case s.is(row.Int32):
		return cheap(identity)
	case s.is(row.Int64, row.Int64, row.Int64):
		return strict(func(b *block, args []*vec, out *vec) {
			dst := results[int32](out, b.n)
			y, m, d := columnOf[int64](args[0]), columnOf[int64](args[1]), columnOf[int64](args[2])
			for i := range dst {
				if !b.wants(out, i) {
					continue
				}
				r, says := dateFrom(y.at(i), m.at(i), d.at(i))
				if dst[i] = r; says != fine {
					out.settle(b, i, says)
				}
			}
		})
	}
	return native{}, false
}

func dateFrom(year, month, day int64) (int32, verdict) {
	for _, x := range []int64{year, month, day} {
		if x != int64(int32(x)) {
			return 0, castToInt32(x)
		}
	}
	r, ok := row.DateFromCivil(int(year), int(month), int(day))
	if !ok {
		return 0, dateOutOfRange(year, month, day)
	}
	return r, fine
}

// castToInt32 is the message of functions that narrow their arguments.
func castToInt32(x int64) verdict {
	return verdict("Invalid Input Error: Type INT64 with value " + show(x) +
		" can't be cast because the value is out of range for the destination type INT32")
}

func makeTimestamp(b *block, args []*vec, out *vec) {
	dst := results[int64](out, b.n)
	var part [5]column[int64]
	for k := range part {
		part[k] = columnOf[int64](args[k])
	}
	seconds := columnOf[float64](args[5])
	for i := range dst {
		if !b.wants(out, i) {
			continue
		}
		r, says := stampFrom(part[0].at(i), part[1].at(i), part[2].at(i), part[3].at(i), part[4].at(i), seconds.at(i))
		if dst[i] = r; says != fine {
			out.settle(b, i, says)
		}
	}
}

func stampFrom(year, month, day, hour, minute int64, seconds float64) (int64, verdict) {
	d, says := dateFrom(year, month, day)
	if says != fine {
		return 0, says
	}
	for _, x := range []int64{hour, minute} {
		if x != int64(int32(x)) {
			return 0, castToInt32(x)
		}
	}
	if !(seconds >= math.MinInt32 && seconds < math.MaxInt32+1) {
		return 0, verdict("Invalid Input Error: Type DOUBLE with value " + formatFloat(seconds) +
			" can't be cast because the value is out of range for the destination type INT32")
	}
	whole := math.Trunc(seconds)
	micros := int64(math.Round((seconds - whole) * 1e6))
	valid := hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && whole >= 0 && whole < 60 && micros >= 0 && micros <= 1e6
	if hour == 24 && minute == 0 && whole == 0 && micros == 0 {
		valid = true
	}
	if !valid {
		return 0, timeOutOfRange(hour, minute, int64(whole), micros)
	}
	r, ok := joinStamp(d, hour*hourMicros+minute*minuteMicros+int64(whole)*secondMicros+micros)
	return r, verdictIf(!ok, "Conversion Error: Timestamp out of range")
}

func timeOutOfRange(hour, minute, second, micros int64) verdict {
	return verdict("Conversion Error: Time out of range: " + show(hour) + ":" + show(minute) + ":" + show(second) + "." + show(micros))
}

// microsToStamp makes timestamps of microseconds.
func microsToStamp(k row.Kind) builder {
	return func(s *site) (native, bool) {
		if !s.is(row.Int64) || s.typ.Kind != k {
			return native{}, false
		}
		return cheap(try1(func(x int64) (int64, verdict) {
			if isInfinite(k, x) {
				return 0, verdict("Conversion Error: Timestamp microseconds out of range: " + show(x))
			}
			return x, fine
		}))
	}
}

func secondsToStamp(x float64) (int64, verdict) {
	const message = "Conversion Error: Epoch seconds out of range for TIMESTAMP WITH TIME ZONE"
	micros := math.RoundToEven(x * 1e6)
	if !(micros >= minTimestamp && micros < math.MaxInt64) {
		return 0, message
	}
	return int64(micros), fine
}
