package scalar

import (
	"strconv"

	"github.com/tidemill/tidemill/internal/row"
)

func formatTable() registry {
	return registry{"strftime": strftimeBuilder}
}

// strftimeBuilder is strftime(time, format) or strftime(format, time) with a constant format of the directives below.
func strftimeBuilder(s *site) (native, bool) {
	if len(s.args) != 2 {
		return native{}, false
	}
	at := 0
	format, ok := s.text(1)
	if !ok {
		at = 1
		if format, ok = s.text(0); !ok {
			return native{}, false
		}
	}
	kind := s.kind(at)
	if kind != row.Date && kind != row.Timestamp && kind != row.TimestampTZ {
		return native{}, false
	}
	steps, ok := parseFormat(format)
	if !ok {
		return native{}, false
	}
	return strict(toText(func(args []*vec) func([]byte, int) ([]byte, verdict) {
		read, m := momentReader(args[at], kind), new(moment)
		return func(dst []byte, i int) ([]byte, verdict) {
			if !read(m, i) {
				return append(dst, infinityText(m.micros)...), fine
			}
			for _, st := range steps {
				dst = st(dst, m)
			}
			return dst, fine
		}
	}))
}

func infinityText(sign int64) string {
	if sign < 0 {
		return "-infinity"
	}
	return "infinity"
}

// moment is a timestamp taken apart.
type moment struct {
	date             int32
	year, month, day int
	micros           int64 // of the day
}

// momentReader takes rows apart; for an infinite one it gives false, and its sign in the moment's micros.
func momentReader(v *vec, kind row.Kind) func(m *moment, i int) (finite bool) {
	days := dayReader(v, kind)
	var stamps column[int64]
	if kind != row.Date {
		stamps = columnOf[int64](v)
	}
	return func(m *moment, i int) (finite bool) {
		m.date, m.micros = days(i), 0
		if isInfinite(row.Date, int64(m.date)) {
			m.micros = int64(m.date)
			return false
		}
		m.year, m.month, m.day = row.CivilDate(m.date)
		if kind != row.Date {
			m.micros = floorMod(stamps.at(i), dayMicros)
		}
		return true
	}
}

type formatStep func(dst []byte, m *moment) []byte

// parseFormat reads a format; ok is false if a directive is not among ours.
func parseFormat(format string) (steps []formatStep, ok bool) {
	for i := 0; i < len(format); {
		if format[i] != '%' {
			j := i
			for j < len(format) && format[j] != '%' {
				j++
			}
			literal := format[i:j]
			steps = append(steps, func(dst []byte, _ *moment) []byte { return append(dst, literal...) })
			i = j
			continue
		}
		i++
		pad := true
		if i < len(format) && format[i] == '-' {
			pad = false
			i++
		}
		if i == len(format) {
			return nil, false
		}
		more := directive(format[i], pad)
		if more == nil {
			return nil, false
		}
		steps = append(steps, more)
		i++
	}
	return steps, true
}

func directive(c byte, pad bool) formatStep {
	number := func(width int, f func(m *moment) int64) formatStep {
		if !pad {
			width = 1
		}
		return func(dst []byte, m *moment) []byte { return appendPadded(dst, f(m), width) }
	}
	clock := func(p part) func(m *moment) int64 {
		f := clockOf(p)
		return func(m *moment) int64 { return f(m.micros) }
	}
	switch c {
	case 'd':
		return number(2, func(m *moment) int64 { return int64(m.day) })
	case 'm':
		return number(2, func(m *moment) int64 { return int64(m.month) })
	case 'H':
		return number(2, clock(partHour))
	case 'I':
		return number(2, func(m *moment) int64 { return (m.micros/hourMicros+11)%12 + 1 })
	case 'M':
		return number(2, clock(partMinute))
	case 'S':
		return number(2, clock(partSecond))
	case 'j':
		return number(3, func(m *moment) int64 { return dayOfYear(m.date) })
	}
	if !pad {
		return nil
	}
	switch c {
	case '%':
		return func(dst []byte, _ *moment) []byte { return append(dst, '%') }
	case 'Y':
		return func(dst []byte, m *moment) []byte { return appendYear(dst, m.year) }
	case 'f':
		return number(6, func(m *moment) int64 { return m.micros % secondMicros })
	case 'g':
		return number(3, func(m *moment) int64 { return m.micros % secondMicros / 1000 })
	case 'a', 'A':
		return nameStep(c == 'a', func(m *moment) string { return dayNames[weekday(m.date)] })
	case 'b', 'B':
		return nameStep(c == 'b', func(m *moment) string { return monthNames[m.month-1] })
	case 'p':
		return func(dst []byte, m *moment) []byte {
			if m.micros >= dayMicros/2 {
				return append(dst, "PM"...)
			}
			return append(dst, "AM"...)
		}
	case 'w':
		return number(1, func(m *moment) int64 { return (weekday(m.date) + 1) % 7 })
	case 'u':
		return number(1, func(m *moment) int64 { return weekday(m.date) + 1 })
	}
	return nil
}

func nameStep(short bool, name func(m *moment) string) formatStep {
	return func(dst []byte, m *moment) []byte {
		n := name(m)
		if short {
			n = n[:3]
		}
		return append(dst, n...)
	}
}

// appendYear writes a year with four digits; years before Christ are negative.
func appendYear(dst []byte, year int) []byte {
	if year >= 0 && year <= 9999 {
		return appendPadded(dst, int64(year), 4)
	}
	return strconv.AppendInt(dst, int64(year), 10)
}

// appendPadded writes a number that is not negative with zeros in front.
func appendPadded(dst []byte, x int64, width int) []byte {
	var digits [20]byte
	i := len(digits)
	for {
		i--
		digits[i] = byte('0' + x%10)
		x /= 10
		if x == 0 {
			break
		}
	}
	for range width - (len(digits) - i) {
		dst = append(dst, '0')
	}
	return append(dst, digits[i:]...)
}
