package scalar

import (
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// A part is a component of a date or time.
type part uint8

const (
	noPart part = iota
	partMicrosecond
	partMillisecond
	partSecond
	partMinute
	partHour
	partDay
	partWeek
	partMonth
	partQuarter
	partYear
	partISOYear
	partDecade
	partCentury
	partMillennium
	partDOW
	partISODOW
	partDOY
	partYearWeek
	partEra
	partEpoch
	partEpochMs
	partEpochUs
	partEpochNs
)

// partOf reads the name of a part, or gives noPart for a name that only DuckDB knows.
func partOf(name string) part {
	switch strings.ToLower(name) {
	case "microsecond", "microseconds", "us", "usec", "usecs":
		return partMicrosecond
	case "millisecond", "milliseconds", "ms", "msec", "msecs":
		return partMillisecond
	case "second", "seconds", "sec", "secs", "s":
		return partSecond
	case "minute", "minutes", "min", "mins", "m":
		return partMinute
	case "hour", "hours", "hr", "hrs", "h":
		return partHour
	case "day", "days", "d", "dayofmonth":
		return partDay
	case "week", "weeks", "w", "weekofyear":
		return partWeek
	case "month", "months", "mon", "mons":
		return partMonth
	case "quarter", "quarters":
		return partQuarter
	case "year", "years", "yr", "yrs", "y":
		return partYear
	case "isoyear":
		return partISOYear
	case "decade", "decades", "dec", "decs":
		return partDecade
	case "century", "centuries", "cent", "c":
		return partCentury
	case "millennium", "millennia", "mil", "mils", "millenium":
		return partMillennium
	case "dow", "dayofweek", "weekday":
		return partDOW
	case "isodow":
		return partISODOW
	case "doy", "dayofyear":
		return partDOY
	case "yearweek":
		return partYearWeek
	case "era":
		return partEra
	case "epoch":
		return partEpoch
	}
	return noPart
}

func partTable() registry {
	table := registry{
		"epoch_ms":  firstOf(partBuilder(partEpochMs), only(try1(millisToStamp), row.Int64)),
		"epoch_us":  partBuilder(partEpochUs),
		"epoch_ns":  partBuilder(partEpochNs),
		"date_part": namedPart, "datepart": namedPart,
		"dayname": nameOf(dayNames[:], partISODOW), "monthname": nameOf(monthNames[:], partMonth),
	}
	for _, name := range []string{
		"microsecond", "millisecond", "second", "minute", "hour", "day", "dayofmonth", "week", "weekofyear", "month", "quarter", "year",
		"isoyear", "decade", "century", "millennium", "dayofweek", "weekday", "isodow", "dayofyear", "yearweek", "era", "epoch",
	} {
		table[name] = partBuilder(partOf(name))
	}
	return table
}

func millisToStamp(ms int64) (int64, verdict) {
	us := ms * 1000
	if us/1000 != ms {
		return 0, "Conversion Error: Could not convert Timestamp(MS) to Timestamp(US)"
	}
	return us, fine
}

// namedPart is date_part(name, x) with a constant name.
func namedPart(s *site) (native, bool) {
	name, ok := s.text(0)
	if !ok || len(s.args) != 2 || partOf(name) == noPart {
		return native{}, false
	}
	inner := &site{name: name, typ: s.typ, args: s.args[1:], konst: s.konst[1:]}
	n, ok := partBuilder(partOf(name))(inner)
	if ok {
		n.run = n.run.dropFirst()
	}
	return n, ok
}

// partBuilder extracts a part as BIGINT, or as DOUBLE for the epoch.
func partBuilder(p part) builder {
	return func(s *site) (native, bool) {
		if len(s.args) != 1 {
			return native{}, false
		}
		if want := row.Int64; s.typ.Kind != want && !(p == partEpoch && s.typ.Kind == row.Float64) {
			return native{}, false
		}
		switch kind := s.kind(0); kind {
		case row.Date, row.Timestamp, row.TimestampTZ:
			return stampPart(p, kind)
		case row.Time:
			return clockPart(p)
		case row.Interval:
			return intervalPart(p)
		}
		return native{}, false
	}
}

// stampPart extracts from dates and timestamps; infinite ones give null.
func stampPart(p part, kind row.Kind) (native, bool) {
	switch p {
	case partEpoch:
		return onDays(kind, func(d int32) (float64, verdict) { return float64(int64(d) * 86400), fine },
			func(x int64) (float64, verdict) { return float64(x) / 1e6, fine })
	case partEpochNs:
		return onDays(kind, func(d int32) (int64, verdict) {
			ns, says := nanos(int64(d) * dayMicros)
			if _, ok := stampOf(d); !ok || says != fine {
				return 0, notConvertible(d, "nanoseconds")
			}
			return ns, fine
		}, nanos)
	case partEpochMs:
		return onDays(kind, func(d int32) (int64, verdict) { return int64(d) * (dayMicros / 1000), fine },
			func(x int64) (int64, verdict) { return x / 1000, fine })
	case partEpochUs:
		return onDays(kind, func(d int32) (int64, verdict) {
			us, ok := stampOf(d)
			return us, verdictIf(!ok, notConvertible(d, "microseconds"))
		}, func(x int64) (int64, verdict) { return x, fine })
	}
	if f := clockOf(p); f != nil {
		if kind == row.Date {
			return onDays(kind, func(int32) (int64, verdict) { return 0, fine }, nil)
		}
		return cheap(stampClock(f))
	}
	f := calendarOf(p, kind == row.TimestampTZ)
	if f == nil {
		return native{}, false
	}
	if kind != row.Date {
		return cheap(stampCalendar(f))
	}
	date := func(d int32) (int64, verdict) { return f(d), fine }
	if p == partWeek || p == partISOYear || p == partYearWeek {
		date = func(d int32) (int64, verdict) {
			if d < firstISODate {
				return 0, dateOutOfRange(-5877641, 1, 1)
			}
			return f(d), fine
		}
	}
	return onDays(kind, date, nil)
}

// stampClock applies f to the microseconds of the day.
func stampClock(f func(int64) int64) kernel {
	return func(b *block, args []*vec, out *vec) {
		xs, dst := columnOf[int64](args[0]), results[int64](out, b.n)
		for i := range dst {
			x := xs.at(i)
			dst[i] = f(floorMod(x, dayMicros))
			if isInfinite(row.Timestamp, x) {
				out.setNull(i, b.n)
			}
		}
	}
}

// stampCalendar applies f to the date. Neighbouring rows are often of one day, which saves the calendar.
func stampCalendar(f func(int32) int64) kernel {
	return func(b *block, args []*vec, out *vec) {
		xs, dst := columnOf[int64](args[0]), results[int64](out, b.n)
		start, end, value := int64(1), int64(0), int64(0)
		for i := range dst {
			x := xs.at(i)
			if x < start || x >= end {
				if isInfinite(row.Timestamp, x) {
					out.setNull(i, b.n)
					continue
				}
				day := floorDiv(x, dayMicros)
				value = f(int32(day))
				start, end = day*dayMicros, day*dayMicros+dayMicros
			}
			dst[i] = value
		}
	}
}

// firstISODate is the first date whose ISO week DuckDB finds: it needs the year before, too.
const firstISODate = -2147483090

func nanos(us int64) (int64, verdict) {
	ns := us * 1000
	if ns/1000 != us {
		return 0, "Conversion Error: Could not convert Timestamp(US) to Timestamp(NS)"
	}
	return ns, fine
}

// onDays applies one of two functions by whether the argument is a date or a timestamp.
func onDays[R row.Fixed](kind row.Kind, date func(int32) (R, verdict), stamp func(int64) (R, verdict)) (native, bool) {
	if kind == row.Date {
		return cheap(try1(func(d int32) (R, verdict) {
			if isInfinite(row.Date, int64(d)) {
				var zero R
				return zero, isNull
			}
			return date(d)
		}))
	}
	return cheap(try1(func(x int64) (R, verdict) {
		if isInfinite(row.Timestamp, x) {
			var zero R
			return zero, isNull
		}
		return stamp(x)
	}))
}

// clockOf returns the function from microseconds of the day to a part, or nil.
func clockOf(p part) func(int64) int64 {
	switch p {
	case partMicrosecond:
		return func(x int64) int64 { return x % minuteMicros }
	case partMillisecond:
		return func(x int64) int64 { return x % minuteMicros / 1000 }
	case partSecond:
		return func(x int64) int64 { return x % minuteMicros / secondMicros }
	case partMinute:
		return func(x int64) int64 { return x % hourMicros / minuteMicros }
	case partHour:
		return func(x int64) int64 { return x / hourMicros }
	}
	return nil
}

// calendarOf returns the function from a date to a part, or nil. With time zones, years before Christ count backwards.
func calendarOf(p part, zoned bool) func(int32) int64 {
	year := func(d int32) int64 {
		y, _, _ := row.CivilDate(d)
		if zoned && y <= 0 {
			y = 1 - y
		}
		return int64(y)
	}
	civil := func(d int32) int64 {
		y, _, _ := row.CivilDate(d)
		return int64(y)
	}
	switch p {
	case partDay:
		return func(d int32) int64 { _, _, day := row.CivilDate(d); return int64(day) }
	case partMonth:
		return func(d int32) int64 { _, m, _ := row.CivilDate(d); return int64(m) }
	case partQuarter:
		return func(d int32) int64 { _, m, _ := row.CivilDate(d); return int64(m-1)/3 + 1 }
	case partYear:
		return year
	case partDecade:
		return func(d int32) int64 { return year(d) / 10 }
	case partCentury:
		return func(d int32) int64 { return eraOf(civil(d), 100) }
	case partMillennium:
		return func(d int32) int64 { return eraOf(civil(d), 1000) }
	case partEra:
		return func(d int32) int64 { return int64(b2u(civil(d) > 0)) }
	case partDOW:
		return func(d int32) int64 { return (weekday(d) + 1) % 7 }
	case partISODOW:
		return func(d int32) int64 { return weekday(d) + 1 }
	case partDOY:
		return dayOfYear
	case partWeek:
		return func(d int32) int64 { _, w := isoWeek(d); return int64(w) }
	case partISOYear:
		return func(d int32) int64 { y, _ := isoWeek(d); return int64(y) }
	case partYearWeek:
		return func(d int32) int64 {
			y, w := isoWeek(d)
			if y <= 0 {
				w = -w
			}
			return int64(y)*100 + int64(w)
		}
	}
	return nil
}

func dayOfYear(d int32) int64 {
	y, _, _ := row.CivilDate(d)
	first, _ := row.DateFromCivil(y, 1, 1)
	return int64(d-first) + 1
}

// eraOf numbers centuries and millennia from 1, and from -1 downwards.
func eraOf(year, span int64) int64 {
	if year > 0 {
		return (year-1)/span + 1
	}
	return year/span - 1
}

// clockPart extracts from a TIME.
func clockPart(p part) (native, bool) {
	switch p {
	case partEpoch:
		return cheap(map1(func(x int64) float64 { return float64(x) / 1e6 }))
	case partEpochMs:
		return cheap(map1(func(x int64) int64 { return x / 1000 }))
	case partEpochUs:
		return cheap(identity)
	case partEpochNs:
		return cheap(map1(func(x int64) int64 { return x * 1000 }))
	}
	if f := clockOf(p); f != nil {
		return cheap(map1(f))
	}
	return native{}, false
}

// intervalPart extracts from an INTERVAL, each of whose three fields stands for itself.
func intervalPart(p part) (native, bool) {
	var f func(iv row.IntervalValue) int64
	switch p {
	case partMicrosecond, partMillisecond, partSecond, partMinute:
		clock := clockOf(p)
		f = func(iv row.IntervalValue) int64 { return clock(iv.Micros) }
	case partHour:
		f = func(iv row.IntervalValue) int64 { return iv.Micros / hourMicros }
	case partDay:
		f = func(iv row.IntervalValue) int64 { return int64(iv.Days) }
	case partMonth:
		f = func(iv row.IntervalValue) int64 { return int64(iv.Months % 12) }
	case partQuarter:
		f = func(iv row.IntervalValue) int64 { return int64(iv.Months%12/3) + 1 }
	case partYear:
		f = func(iv row.IntervalValue) int64 { return int64(iv.Months / 12) }
	case partDecade:
		f = func(iv row.IntervalValue) int64 { return int64(iv.Months / 120) }
	case partCentury:
		f = func(iv row.IntervalValue) int64 { return int64(iv.Months / 1200) }
	case partMillennium:
		f = func(iv row.IntervalValue) int64 { return int64(iv.Months / 12000) }
	default:
		return native{}, false
	}
	return cheap(map1(f))
}

var (
	dayNames   = [...]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	monthNames = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
)

// nameOf gives the name of a part that counts from 1; infinite dates have none.
func nameOf(names []string, p part) builder {
	return func(s *site) (native, bool) {
		if len(s.args) != 1 {
			return native{}, false
		}
		of, kind := calendarOf(p, false), s.kind(0)
		if kind != row.Date && kind != row.Timestamp && kind != row.TimestampTZ {
			return native{}, false
		}
		return strict(toText(func(args []*vec) func([]byte, int) ([]byte, verdict) {
			days := dayReader(args[0], kind)
			return func(dst []byte, i int) ([]byte, verdict) {
				d := days(i)
				if isInfinite(row.Date, int64(d)) {
					return dst, isNull
				}
				return append(dst, names[of(d)-1]...), fine
			}
		}))
	}
}

// dayReader reads the dates of a column of dates or timestamps.
func dayReader(v *vec, kind row.Kind) func(i int) int32 {
	if kind == row.Date {
		return columnOf[int32](v).at
	}
	stamps := columnOf[int64](v)
	return func(i int) int32 { return dateOf(stamps.at(i)) }
}
