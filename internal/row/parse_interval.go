package row

import "math"

// intervalUnit is a unit that an interval's text may name.
type intervalUnit uint8

const (
	unitUnknown intervalUnit = iota
	unitUnsupported
	unitMillennium
	unitCentury
	unitDecade
	unitYear
	unitQuarter
	unitMonth
	unitWeek
	unitDay
	unitHour
	unitMinute
	unitSecond
	unitMillisecond
	unitMicrosecond
)

// intervalUnitOf maps a unit's name in lower case.
func intervalUnitOf(name []byte) intervalUnit {
	switch string(name) {
	case "day", "days", "d", "dayofmonth":
		return unitDay
	case "hour", "hours", "h", "hr", "hrs":
		return unitHour
	case "minute", "minutes", "m", "min", "mins":
		return unitMinute
	case "second", "seconds", "s", "sec", "secs":
		return unitSecond
	case "millisecond", "milliseconds", "ms", "msec", "msecs", "msecond", "mseconds":
		return unitMillisecond
	case "microsecond", "microseconds", "us", "usec", "usecs", "usecond", "useconds":
		return unitMicrosecond
	case "week", "weeks", "w", "weekofyear":
		return unitWeek
	case "month", "months", "mon", "mons":
		return unitMonth
	case "quarter", "quarters":
		return unitQuarter
	case "year", "years", "y", "yr", "yrs":
		return unitYear
	case "decade", "decades", "dec", "decs":
		return unitDecade
	case "century", "centuries", "c", "cent":
		return unitCentury
	case "millennium", "millenniums", "millennia", "millenium", "mil", "mils":
		return unitMillennium
	case "epoch", "dow", "dayofweek", "weekday", "isodow", "doy", "dayofyear", "yearweek", "isoyear", "era", "timezone",
		"julian", "jd":
		return unitUnsupported
	}
	return unitUnknown
}

// parseInterval reads "1 year 2 days 03:04:05.6 ago" and the like: numbers with units, last a time of day or a bare number of
// seconds.
func parseInterval(s []byte) (IntervalValue, error) {
	p := intervalParser{text: s}
	if len(s) > 0 && s[0] == '@' {
		p.at = 1
	}
	for {
		for p.at < len(s) && intervalBlank(s[p.at]) {
			p.at++
		}
		if p.at == len(s) {
			return p.end()
		}
		switch c := s[p.at]; {
		case c == 'a' || c == 'A':
			return p.ago()
		case isDigit(c), c == '-':
			done, err := p.part()
			if err != nil || done {
				return p.v, err
			}
		default:
			return p.v, couldNotConvert(s, PhysInterval)
		}
	}
}

func intervalBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

type intervalParser struct {
	text  []byte
	at    int
	found bool
	v     IntervalValue
}

func (p *intervalParser) end() (IntervalValue, error) {
	if !p.found {
		return p.v, couldNotConvert(p.text, PhysInterval)
	}
	return p.v, nil
}

func (p *intervalParser) ago() (IntervalValue, error) {
	rest := p.text[p.at:]
	if !hasPrefixFoldASCII(rest, "ago") || !p.found {
		return p.v, couldNotConvert(p.text, PhysInterval)
	}
	for _, c := range rest[3:] {
		if !intervalBlank(c) {
			return p.v, couldNotConvert(p.text, PhysInterval)
		}
	}
	if p.v.Months == math.MinInt32 || p.v.Days == math.MinInt32 || p.v.Micros == math.MinInt64 {
		return p.v, conversionError("AGO interval value is out of range")
	}
	p.v = IntervalValue{Months: -p.v.Months, Days: -p.v.Days, Micros: -p.v.Micros}
	return p.v, nil
}

// part reads a number with what belongs to it; done says that nothing may follow.
func (p *intervalParser) part() (done bool, err error) {
	s := p.text
	negative := s[p.at] == '-'
	if negative {
		p.at++
	}
	start := p.at
	for p.at < len(s) && isDigit(s[p.at]) {
		p.at++
	}
	if p.at < len(s) && s[p.at] == ':' {
		return true, p.clock(start, negative)
	}
	if p.at == start {
		return false, couldNotConvert(s, PhysInterval)
	}
	number, ok := parseShortInt(s[start:p.at])
	if !ok {
		number, ok = parseLongInt(s[start:p.at], PhysInt64, intRanges[PhysInt64])
	}
	if !ok {
		return false, couldNotConvert(s[start:p.at], PhysInt64)
	}
	fraction := int64(0)
	if p.at < len(s) && s[p.at] == '.' {
		unit := int64(microsPerSecond / 10)
		for p.at++; p.at < len(s) && isDigit(s[p.at]); p.at++ {
			fraction += int64(s[p.at]-'0') * unit
			unit /= 10
		}
	}
	if negative {
		number, fraction = -number, -fraction
	}
	for p.at < len(s) && intervalBlank(s[p.at]) {
		p.at++
	}
	return p.unit(number, fraction)
}

func (p *intervalParser) clock(start int, negative bool) error {
	micros, _, ok := scanClock(p.text, start)
	if !ok {
		return couldNotConvert(p.text, PhysInterval)
	}
	if err := addScaled(&p.v.Micros, micros, 1, 0); err != nil {
		return err
	}
	if negative { // DuckDB turns what came before it around too
		p.v.Micros = -p.v.Micros
	}
	return nil
}

func (p *intervalParser) unit(number, fraction int64) (done bool, err error) {
	s, start := p.text, p.at
	for p.at < len(s) && s[p.at]|0x20 >= 'a' && s[p.at]|0x20 <= 'z' {
		p.at++
	}
	word := s[start:p.at]
	if len(word) == 0 && !p.found {
		p.found = true
		if p.at != len(s) {
			return true, couldNotConvert(s, PhysInterval)
		}
		return true, addScaled(&p.v.Micros, number, microsPerSecond, fraction)
	}
	var lower [24]byte
	name := lower[:0]
	for i := 0; i < len(word) && i < len(lower); i++ {
		name = append(name, toLower(word[i]))
	}
	unit := intervalUnitOf(name)
	if len(word) > len(lower) {
		unit = unitUnknown
	}
	switch unit {
	case unitUnknown:
		return false, conversionError("extract specifier \"%s\" not recognized", word)
	case unitUnsupported:
		return false, conversionError("extract specifier \"%s\" not supported for interval", word)
	}
	p.found = true
	return false, p.v.addUnit(unit, number, fraction)
}

// addUnit adds number units and fraction millionths of one.
func (iv *IntervalValue) addUnit(unit intervalUnit, number, fraction int64) error {
	switch unit {
	case unitMillennium:
		return addScaled(&iv.Months, number, 12000, fraction)
	case unitCentury:
		return addScaled(&iv.Months, number, 1200, fraction)
	case unitDecade:
		return addScaled(&iv.Months, number, 120, fraction)
	case unitYear:
		return addScaled(&iv.Months, number, 12, fraction)
	case unitQuarter:
		if err := addScaled(&iv.Months, number, 3, fraction); err != nil {
			return err
		}
		return addScaled(&iv.Days, 0, 30, fraction*3%microsPerSecond)
	case unitMonth:
		if err := addScaled(&iv.Months, number, 1, 0); err != nil {
			return err
		}
		return addScaled(&iv.Days, 0, 30, fraction)
	case unitWeek:
		if err := addScaled(&iv.Days, number, 7, fraction); err != nil {
			return err
		}
		return addScaled(&iv.Micros, 0, microsPerDay, fraction*7%microsPerSecond)
	case unitDay:
		if err := addScaled(&iv.Days, number, 1, 0); err != nil {
			return err
		}
		return addScaled(&iv.Micros, 0, microsPerDay, fraction)
	case unitHour:
		return addScaled(&iv.Micros, number, microsPerHour, fraction)
	case unitMinute:
		return addScaled(&iv.Micros, number, microsPerMinute, fraction)
	case unitSecond:
		return addScaled(&iv.Micros, number, microsPerSecond, fraction)
	case unitMillisecond:
		return addScaled(&iv.Micros, number, 1000, fraction)
	default:
		return addScaled(&iv.Micros, number, 1, fraction*2/microsPerSecond*microsPerSecond)
	}
}

// addScaled adds number times size, and fraction millionths of size, to a field.
func addScaled[T int32 | int64](field *T, number, size, fraction int64) error {
	whole := number * size
	if number != 0 && (whole/size != number || whole == math.MinInt64 && size != 1) {
		return conversionError("interval value is out of range")
	}
	for _, add := range [2]int64{whole, fraction * size / microsPerSecond} {
		if int64(T(add)) != add {
			return conversionError("Type INT64 with value %d can't be cast because the value is out of range for the destination type INT32", add)
		}
		sum := *field + T(add)
		if (sum > *field) != (add > 0) && add != 0 {
			return conversionError("interval value is out of range")
		}
		*field = sum
	}
	return nil
}
