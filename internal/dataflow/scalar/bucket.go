package scalar

import (
	"math"

	"github.com/tidemill/tidemill/internal/row"
)

func bucketTable() registry {
	return registry{"time_bucket": bucketBuilder}
}

const (
	// bucketOrigin is where buckets of days and less begin: Monday, 2000-01-03.
	bucketOrigin = 10959 * dayMicros
	// bucketMonth is where buckets of months begin: 2000-01, in months since 1970.
	bucketMonth = 360
)

// bucketBuilder is time_bucket(width, x [, origin or offset]) for DATE, TIMESTAMP and, in UTC, TIMESTAMP WITH TIME ZONE. The width must be a
// constant, so that what is wrong with it is known; wrong ones are DuckDB's to refuse.
func bucketBuilder(s *site) (native, bool) {
	if len(s.args) < 2 || len(s.args) > 3 || s.kind(0) != row.Interval || s.konst[0] == nil || s.konst[0].Null || s.args[1] != s.typ {
		return native{}, false
	}
	kind := s.kind(1)
	if kind != row.Date && kind != row.Timestamp && kind != row.TimestampTZ {
		return native{}, false
	}
	w, ok := newBuckets(s.konst[0].V, kind == row.TimestampTZ)
	if !ok {
		return native{}, false
	}
	if len(s.args) == 2 {
		switch {
		case kind == row.Date:
			return cheap(try1(func(d int32) (int32, verdict) { return w.date(d, bucketOrigin, bucketMonth) }).dropFirst())
		case w.months == 0:
			return cheap(w.stamps)
		}
		return cheap(try1(w.plain).dropFirst())
	}
	add, sub := addInterval, subInterval
	if kind == row.TimestampTZ {
		add, sub = addZoned, subZoned
	}
	offset := func(x int64, by row.IntervalValue) (int64, verdict) {
		if isInfinite(row.Timestamp, x) {
			return x, fine
		}
		moved, says := sub(x, by)
		if says == fine {
			moved, says = w.plain(moved)
		}
		if says == fine {
			moved, says = add(moved, by)
		}
		if says != fine && kind == row.TimestampTZ {
			says = zonedOverflow
		}
		return moved, says
	}
	switch {
	case s.kind(2) == row.Interval && kind == row.Date:
		return strict(try2(func(d int32, by row.IntervalValue) (int32, verdict) {
			if w.months > 0 {
				return w.dateOffset(d, by)
			}
			x, ok := stampOf(d)
			if !ok {
				return 0, invalidDate(d)
			}
			r, says := offset(x, by)
			return dateOf(r), says
		}).dropFirst())
	case s.kind(2) == row.Interval:
		return strict(try2(offset).dropFirst())
	case s.kind(2) == kind && kind == row.Date:
		return strict(try2(w.dateOrigin).dropFirst())
	case s.kind(2) == kind:
		return strict(try2(w.origin).dropFirst())
	}
	return native{}, false
}

// dropFirst lets a kernel see all arguments but the first.
func (k kernel) dropFirst() kernel {
	return func(b *block, args []*vec, out *vec) { k(b, args[1:], out) }
}

// buckets is a division of time: of a number of months, or else of microseconds.
type buckets struct{ micros, months int64 }

// newBuckets classifies a width as DuckDB does; ok is false for those it refuses.
func newBuckets(width row.IntervalValue, zoned bool) (w buckets, ok bool) {
	if width.Months != 0 {
		return buckets{months: int64(width.Months)}, width.Months > 0 && width.Days == 0 && width.Micros == 0
	}
	if zoned && width.Days != 0 && width.Micros != 0 {
		return w, false
	}
	micros := int64(width.Days)*dayMicros + width.Micros
	if int64(width.Days) > math.MaxInt64/2/dayMicros || width.Micros > math.MaxInt64/2 || width.Days < 0 || width.Micros < 0 {
		return w, false
	}
	return buckets{micros: micros}, micros > 0
}

// stamps is the kernel for microseconds. Neighbouring rows are often in one bucket, which saves the division.
func (w buckets) stamps(b *block, args []*vec, out *vec) {
	const safe = math.MaxInt64 / 4
	xs, dst := columnOf[int64](args[1]), results[int64](out, b.n)
	width, origin := w.micros, bucketOrigin%w.micros
	start, end := int64(1), int64(0)
	for i := range dst {
		x := xs.at(i)
		if x >= start && x < end {
			dst[i] = start
			continue
		}
		if x > safe || x < -safe || width > safe {
			if b.wants(out, i) {
				r, says := w.plain(x)
				dst[i] = r
				out.settle(b, i, says)
			}
			continue
		}
		start = x - floorMod(x-origin, width)
		end = start + width
		dst[i] = start
	}
}

// plain is the bucket of x from the default origin.
func (w buckets) plain(x int64) (int64, verdict) {
	if isInfinite(row.Timestamp, x) {
		return x, fine
	}
	if w.months > 0 {
		return w.stampMonth(x, bucketMonth)
	}
	return w.micro(x, bucketOrigin)
}

func (w buckets) origin(x, origin int64) (int64, verdict) {
	switch {
	case isInfinite(row.Timestamp, origin):
		return 0, isNull
	case isInfinite(row.Timestamp, x):
		return x, fine
	case w.months > 0:
		return w.stampMonth(x, monthNumber(dateOf(origin)))
	}
	return w.micro(x, origin)
}

// date is the bucket of a date, from an origin in microseconds or months.
func (w buckets) date(d int32, origin, originMonth int64) (int32, verdict) {
	if isInfinite(row.Date, int64(d)) {
		return d, fine
	}
	if w.months > 0 {
		return w.month(d, originMonth)
	}
	x, ok := stampOf(d)
	if !ok {
		return 0, invalidDate(d)
	}
	r, says := w.micro(x, origin)
	return dateOf(r), says
}

// dateOffset is the bucket of months of a date, moved by an offset.
func (w buckets) dateOffset(d int32, by row.IntervalValue) (int32, verdict) {
	d, says := addToDate(d, negated(by))
	if says == fine {
		d, says = w.date(d, bucketOrigin, bucketMonth)
	}
	if says != fine {
		return 0, says
	}
	return addToDate(d, by)
}

func (w buckets) dateOrigin(d, origin int32) (int32, verdict) {
	switch {
	case isInfinite(row.Date, int64(origin)):
		return 0, isNull
	case isInfinite(row.Date, int64(d)):
		return d, fine
	}
	from, ok := stampOf(origin)
	if !ok && w.months == 0 {
		return 0, invalidDate(origin)
	}
	return w.date(d, from, monthNumber(origin))
}

func (w buckets) micro(x, origin int64) (int64, verdict) {
	origin %= w.micros
	d := x - origin
	if (x^origin)&(x^d) < 0 {
		return 0, verdict(opSub.overflow("INT64", x, origin))
	}
	r := d / w.micros * w.micros
	if d < 0 && d != r {
		if r-w.micros > r {
			return 0, verdict(opSub.overflow("INT64", r, w.micros))
		}
		r -= w.micros
	}
	return r + origin, fine // DuckDB lets this wrap around
}

// monthNumber is the months from January 1970 to a date.
func monthNumber(d int32) int64 {
	y, m, _ := row.CivilDate(d)
	return int64(y-1970)*12 + int64(m) - 1
}

func (w buckets) month(d int32, origin int64) (int32, verdict) {
	n := monthNumber(d)
	n -= floorMod(n-origin%w.months, w.months)
	year, month := 1970+floorDiv(n, 12), floorMod(n, 12)+1
	r, ok := row.DateFromCivil(int(year), int(month), 1)
	if !ok {
		return 0, dateOutOfRange(year, month, 1)
	}
	return r, fine
}

// stampMonth is month for a timestamp.
func (w buckets) stampMonth(x, origin int64) (int64, verdict) {
	d, says := w.month(dateOf(x), origin)
	if says != fine {
		return 0, says
	}
	r, ok := stampOf(d)
	return r, verdictIf(!ok, invalidDate(d))
}
