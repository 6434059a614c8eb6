package row

import (
	"math"
	"strings"
	"time"
	_ "time/tzdata" // named zones mean the same on every host
)

// timeFault says what is wrong with the text of a date or time.
type timeFault uint8

const (
	timeOK timeFault = iota
	timeFormat
	timeRange
	timeZoned // a time zone that is not UTC
)

func dateError(s []byte, f timeFault) error {
	if f == timeRange {
		return conversionError("date field value out of range: \"%s\"", s)
	}
	return conversionError("invalid date field format: \"%s\", expected format is (YYYY-MM-DD)", s)
}

func timestampError(s []byte, f timeFault) error {
	switch f {
	case timeRange:
		return conversionError("timestamp field value out of range: \"%s\"", s)
	case timeZoned:
		return conversionError("timestamp field value \"%s\" has a timestamp that is not UTC.\nUse the TIMESTAMPTZ type with the ICU extension loaded to handle non-UTC timestamps.", s)
	}
	return conversionError("invalid timestamp field format: \"%s\", expected format is (YYYY-MM-DD HH:MM:SS[.US][±HH[:MM[:SS]]| ZONE])", s)
}

func (b *Builder) appendParsedDate(s []byte) error {
	days, _, fault := scanDate(s)
	if fault != timeOK {
		return dateError(s, fault)
	}
	b.AppendInt(int64(days))
	return nil
}

func (b *Builder) appendParsedTime(s []byte) error {
	micros, ok := parseTime(s)
	if !ok {
		return conversionError("time field value out of range: \"%s\", expected format is ([YYYY-MM-DD ]HH:MM:SS[.MS])", s)
	}
	b.AppendInt(micros)
	return nil
}

func (b *Builder) appendParsedTimestamp(s []byte) error {
	micros, fault := parseTimestamp(s)
	if fault != timeOK {
		return timestampError(s, fault)
	}
	b.AppendInt(micros)
	return nil
}

func (b *Builder) appendParsedTimestampTZ(s []byte) error {
	ts, fault := scanTimestamp(s)
	if fault == timeZoned {
		fault = timeFormat
	}
	if fault != timeOK {
		return timestampError(s, fault)
	}
	if ts.zone != "" {
		if b.zone.name != ts.zone {
			zone := loadZone(ts.zone)
			if zone == nil {
				return conversionError("Unknown TimeZone '%s'!", ts.zone)
			}
			b.zone = zoneCache{name: ts.zone, zone: zone}
		}
		ts.micros = instantOf(ts.micros, b.zone.zone)
	} else if ts.offset != 0 {
		var ok bool
		if ts.micros, ok = subInt64(ts.micros, ts.offset); !ok || !finite(ts.micros) {
			return timestampError(s, timeRange)
		}
	}
	b.AppendInt(ts.micros)
	return nil
}

func finite(micros int64) bool {
	return micros != TimestampInfinity && micros != TimestampNegInfinity && micros != math.MinInt64
}

func subInt64(a, b int64) (int64, bool) {
	d := a - b
	return d, (a^b)&(a^d) >= 0
}

// parseTime reads [blanks]H:M[:S[.fraction]], and whatever follows, or a timestamp.
func parseTime(s []byte) (micros int64, ok bool) {
	if micros, _, ok = scanClock(s, 0); ok {
		return micros, micros <= microsPerDay
	}
	micros, fault := parseTimestamp(s)
	if fault != timeOK || !finite(micros) {
		return 0, false
	}
	_, inDay := splitTimestamp(micros)
	return inDay, true
}

func parseTimestamp(s []byte) (micros int64, fault timeFault) {
	ts, fault := scanTimestamp(s)
	if fault == timeOK && ts.zone != "" && !strings.EqualFold(ts.zone, "utc") {
		fault = timeZoned
	}
	return ts.micros, fault
}

// scannedTimestamp is a timestamp's text taken apart. The offset has not been subtracted.
type scannedTimestamp struct {
	micros, offset int64
	zone           string
}

func scanTimestamp(s []byte) (ts scannedTimestamp, fault timeFault) {
	days, i, fault := scanDate(s)
	if fault != timeOK {
		return ts, fault
	}
	if i == len(s) {
		switch days {
		case DateInfinity:
			ts.micros = TimestampInfinity
			return ts, timeOK
		case DateNegInfinity:
			ts.micros = TimestampNegInfinity
			return ts, timeOK
		}
		ts.micros, fault = joinTimestamp(days, 0)
		return ts, fault
	}
	if s[i] == ' ' || s[i] == 'T' {
		i++
	}
	clock, i, ok := scanClock(s, i)
	if !ok {
		return ts, timeFormat
	}
	if clock > microsPerDay {
		return ts, timeRange
	}
	if ts.micros, fault = joinTimestamp(days, clock); fault != timeOK || i == len(s) {
		return ts, fault
	}
	if s[i] == 'Z' {
		i++
	} else if offset, end, ok := scanOffset(s, i); ok {
		ts.offset, i = offset, end
	} else {
		if s[i] != ' ' {
			return ts, timeZoned
		}
		start := i + 1
		for i = start; i < len(s) && isZoneChar(s[i]); i++ {
		}
		ts.zone = string(s[start:i])
	}
	if skipSpaces(s, i) != len(s) {
		return ts, timeFormat
	}
	return ts, timeOK
}

func joinTimestamp(days int32, clock int64) (int64, timeFault) {
	day := int64(days)
	if day > math.MaxInt64/microsPerDay || day < math.MinInt64/microsPerDay {
		return 0, timeRange
	}
	micros := day*microsPerDay + clock
	if day > 0 && micros < 0 || !finite(micros) {
		return 0, timeRange
	}
	return micros, timeOK
}

func isZoneChar(c byte) bool {
	return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '/' || c == '+' || c == '-' || c == ':'
}

// scanDate reads a date at the start of s and returns where it ends. Behind it anything but a digit may follow.
func scanDate(s []byte) (days int32, end int, fault timeFault) {
	if len(s) >= 10 && s[4] == '-' && s[7] == '-' {
		if days, ok := scanPlainDate(s); ok {
			return days, 10, timeOK
		}
	}
	i := skipSpaces(s, 0)
	negative := i < len(s) && s[i] == '-'
	if negative {
		i++
	}
	if i == len(s) {
		return 0, 0, timeFormat
	}
	if !isDigit(s[i]) {
		return scanDateWord(s, i, negative)
	}
	year := 0
	for ; i < len(s) && isDigit(s[i]); i++ {
		if year >= 100_000_000 {
			return 0, 0, timeRange
		}
		year = year*10 + int(s[i]-'0')
	}
	if negative {
		year = -year
	}
	if i == len(s) {
		return 0, 0, timeFormat
	}
	sep := s[i]
	if sep != ' ' && sep != '-' && sep != '/' && sep != '\\' {
		return 0, 0, timeFormat
	}
	month, i := scanTwoDigits(s, i+1)
	if month < 0 || i == len(s) || s[i] != sep {
		return 0, 0, timeFormat
	}
	day, i := scanTwoDigits(s, i+1)
	if day < 0 {
		return 0, 0, timeFormat
	}
	if i+5 <= len(s) && isSpace(s[i]) && s[i+1] == '(' && toLower(s[i+2]) == 'b' && toLower(s[i+3]) == 'c' && s[i+4] == ')' {
		if negative || year == 0 {
			return 0, 0, timeFormat
		}
		year = 1 - year
		i += 5
	}
	if i < len(s) && isDigit(s[i]) {
		return 0, 0, timeFormat
	}
	days, ok := DateFromCivil(year, month, day)
	if !ok {
		return 0, 0, timeRange
	}
	return days, i, timeOK
}

// scanPlainDate reads YYYY-MM-DD not followed by a digit or a blank and a parenthesis.
func scanPlainDate(s []byte) (days int32, ok bool) {
	if len(s) > 10 && (isDigit(s[10]) || isSpace(s[10]) && len(s) > 11 && s[11] == '(') {
		return 0, false
	}
	y1, y2, y3, y4 := s[0]-'0', s[1]-'0', s[2]-'0', s[3]-'0'
	m1, m2, d1, d2 := s[5]-'0', s[6]-'0', s[8]-'0', s[9]-'0'
	if y1 > 9 || y2 > 9 || y3 > 9 || y4 > 9 || m1 > 9 || m2 > 9 || d1 > 9 || d2 > 9 {
		return 0, false
	}
	year := int(y1)*1000 + int(y2)*100 + int(y3)*10 + int(y4)
	return DateFromCivil(year, int(m1)*10+int(m2), int(d1)*10+int(d2))
}

func scanTwoDigits(s []byte, i int) (v, end int) {
	if i >= len(s) || !isDigit(s[i]) {
		return -1, i
	}
	v = int(s[i] - '0')
	i++
	if i < len(s) && isDigit(s[i]) {
		v = v*10 + int(s[i]-'0')
		i++
	}
	return v, i
}

// scanDateWord reads infinity or epoch, which nothing but blanks may follow; the short inf not even these.
func scanDateWord(s []byte, i int, negative bool) (days int32, end int, fault timeFault) {
	word := s[i:]
	switch {
	case hasPrefixFoldASCII(word, "infinity"):
		end, days = i+len("infinity"), DateInfinity
	case equalFoldASCII(word, "inf"):
		end, days = len(s), DateInfinity
	case hasPrefixFoldASCII(word, "epoch"):
		end = i + len("epoch")
	default:
		return 0, 0, timeFormat
	}
	if negative {
		days = -days
	}
	if skipSpaces(s, end) != len(s) {
		return 0, 0, timeFormat
	}
	return days, len(s), timeOK
}

// scanClock reads [blanks]H:M[:S[.fraction]] from i on, with hours of up to 9 digits, and returns where it ends. Digits beyond microseconds
// are dropped.
func scanClock(s []byte, i int) (micros int64, end int, ok bool) {
	i = skipSpaces(s, i)
	start, hours := i, int64(0)
	for ; i < len(s) && isDigit(s[i]); i++ {
		if i-start == 9 {
			return 0, 0, false
		}
		hours = hours*10 + int64(s[i]-'0')
	}
	if i == start || i == len(s) || s[i] != ':' {
		return 0, 0, false
	}
	i++
	minutes, seconds := 0, 0
	if i < len(s) {
		if minutes, i = scanTwoDigits(s, i); minutes < 0 || minutes > 59 {
			return 0, 0, false
		}
	}
	if i < len(s) {
		if s[i] != ':' {
			return 0, 0, false
		}
		if i++; i < len(s) {
			if seconds, i = scanTwoDigits(s, i); seconds < 0 || seconds > 59 {
				return 0, 0, false
			}
		}
	}
	frac := int64(0)
	if i < len(s) && s[i] == '.' {
		i++
		for unit := int64(microsPerSecond / 10); i < len(s) && isDigit(s[i]); i++ {
			frac += int64(s[i]-'0') * unit
			unit /= 10
		}
	}
	return hours*microsPerHour + int64(minutes)*microsPerMinute + int64(seconds)*microsPerSecond + frac, i, true
}

// scanOffset reads ±HH[MM] or ±HH[:MM[:SS]] from i on.
func scanOffset(s []byte, i int) (micros int64, end int, ok bool) {
	if i+3 > len(s) || s[i] != '+' && s[i] != '-' || !isDigit(s[i+1]) || !isDigit(s[i+2]) {
		return 0, 0, false
	}
	negative := s[i] == '-'
	micros = (int64(s[i+1]-'0')*10 + int64(s[i+2]-'0')) * microsPerHour
	i += 3
	colon := i < len(s) && s[i] == ':'
	if colon {
		i++
	}
	if twoDigitsAt(s, i) {
		micros += (int64(s[i]-'0')*10 + int64(s[i+1]-'0')) * microsPerMinute
		i += 2
		if colon && i < len(s) && s[i] == ':' {
			i++
			if twoDigitsAt(s, i) {
				micros += (int64(s[i]-'0')*10 + int64(s[i+1]-'0')) * microsPerSecond
				i += 2
			}
		}
	}
	if negative {
		micros = -micros
	}
	return micros, i, true
}

func twoDigitsAt(s []byte, i int) bool { return i+2 <= len(s) && isDigit(s[i]) && isDigit(s[i+1]) }

// loadZone returns an IANA time zone, nil when there is none of that name. Case does not matter for names like europe/berlin.
func loadZone(name string) *time.Location {
	if strings.EqualFold(name, "utc") || strings.EqualFold(name, "gmt") {
		return time.UTC
	}
	if strings.EqualFold(name, "local") {
		return nil // the host's zone is none of the data's business
	}
	if zone, err := time.LoadLocation(name); err == nil {
		return zone
	}
	capital := true
	titled := strings.Map(func(r rune) rune {
		if capital && r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		} else if !capital && r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		capital = r == '/' || r == '_' || r == '-'
		return r
	}, name)
	if zone, err := time.LoadLocation(titled); err == nil {
		return zone
	}
	return nil
}

// instantOf returns the instant at which clocks in the zone show wall. What they show twice is the later time, what they skip is
// counted from before the gap; both as ICU does.
func instantOf(wall int64, zone *time.Location) int64 {
	offsetAt := func(micros int64) int64 {
		_, seconds := time.UnixMicro(micros).In(zone).Zone()
		return int64(seconds) * microsPerSecond
	}
	before, after := offsetAt(wall-microsPerDay), offsetAt(wall+microsPerDay)
	early, late := wall-before, wall-after
	if before == after || offsetAt(late) != after {
		return early
	}
	if offsetAt(early) != before {
		return late
	}
	return max(early, late)
}
