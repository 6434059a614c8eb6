package plan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/row"
)

// SQLOf writes e as DuckDB SQL that DuckDB binds to exactly the same functions and types again. In the text, $1 … $n
// stand for values of the columns that e refers to, in those columns' types: columns[i] is the position that $i+1 stands for, each
// once, in order of first appearance.
//
// It fails for a parameter, and for a type that SQL cannot name (an unnamed struct as a column).
func SQLOf(e *Expr) (sql string, columns []int, err error) {
	at := map[int]int{}
	p := printer{exact: true, column: func(c *Expr) string {
		n, ok := at[c.Index]
		if !ok {
			columns = append(columns, c.Index)
			n = len(columns)
			at[c.Index] = n
		}
		return "$" + strconv.Itoa(n)
	}}
	sql = p.expr(e)
	if p.err != nil {
		return "", nil, p.err
	}
	return sql, columns, nil
}

// printer writes expressions, exactly for DuckDB or readably for people.
type printer struct {
	exact  bool
	column func(*Expr) string
	err    error
}

func (p *printer) fail(format string, args ...any) string {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	return "?"
}

func (p *printer) expr(e *Expr) string {
	switch e.Kind {
	case Column:
		if p.exact && e.Type.Kind == row.Other && !nameable(e.Type) {
			return p.fail("a column of type %s cannot be handed to DuckDB", e.Type)
		}
		return p.column(e)
	case Constant:
		if p.exact {
			return exactLiteral(e.Value)
		}
		return plainLiteral(e.Value)
	case Param:
		if p.exact {
			return p.fail("a parameter ($%d) has no value here", e.Index)
		}
		return "$" + strconv.Itoa(e.Index)
	case Cast:
		return p.cast(p.expr(e.Args[0]), e.Type, e.Try)
	case Case:
		return p.caseOf(e)
	default:
		return p.call(e)
	}
}

func (p *printer) cast(arg string, to row.Type, try bool) string {
	word := "CAST("
	if try {
		word = "TRY_CAST("
	}
	if p.exact && !nameable(to) {
		return p.fail("a cast to %s cannot be written in SQL", to)
	}
	return word + arg + " AS " + to.String() + ")"
}

func (p *printer) caseOf(e *Expr) string {
	var b strings.Builder
	b.WriteString("CASE")
	for i := 0; i+1 < len(e.Args); i += 2 {
		b.WriteString(" WHEN " + p.expr(e.Args[i]) + " THEN " + p.expr(e.Args[i+1]))
	}
	b.WriteString(" ELSE " + p.expr(e.Args[len(e.Args)-1]) + " END")
	return b.String()
}

func (p *printer) args(es []*Expr) []string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = p.expr(e)
	}
	return out
}

func (p *printer) call(e *Expr) string {
	args := p.args(e.Args)
	switch {
	case e.SQL != "":
		return p.sized(fill(e.SQL, args), e.Type)
	case len(args) == 0 || e.Name == Try || e.Name == Coalesce:
	case e.Name == And || e.Name == Or:
		return "(" + strings.Join(args, " "+e.Name+" ") + ")"
	case e.Name == Not && len(args) == 1:
		return "(NOT " + args[0] + ")"
	case (e.Name == IsNull || e.Name == IsNotNull) && len(args) == 1:
		return "(" + args[0] + " " + e.Name + ")"
	case e.Name == In || e.Name == NotIn:
		return "(" + args[0] + " " + e.Name + " (" + strings.Join(args[1:], ", ") + "))"
	case len(args) == 2 && (isComparison(e.Name) || !p.exact && isInfix(e.Name)):
		return "(" + args[0] + " " + e.Name + " " + args[1] + ")"
	}
	name := e.Name
	if p.exact && name != Try && name != Coalesce {
		name = quoteIdent(name)
	}
	return p.sized(name+"("+strings.Join(args, ", ")+")", e.Type)
}

// sized casts a call's decimal result: its width depends on those of the arguments, which the optimizer may have
// changed.
func (p *printer) sized(call string, t row.Type) string {
	if p.exact && t.Kind == row.Decimal {
		return p.cast(call, t, false)
	}
	return call
}

func isComparison(name string) bool {
	switch name {
	case Equals, NotEquals, Less, LessOrEqual, Greater, GreaterOrEqual, DistinctFrom, NotDistinctFrom:
		return true
	}
	return false
}

func isInfix(name string) bool {
	return name != "" && strings.Trim(name, "+-*/%|&^<>=~!@#") == ""
}

// fill puts args in the places of $1, $2 … in text, but not inside of quotes.
func fill(text string, args []string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		c := text[i]
		if c == '\'' || c == '"' {
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				end = len(text) - i - 2
			}
			b.WriteString(text[i : i+end+2])
			i += end + 2
			continue
		}
		j := i + 1
		for c == '$' && j < len(text) && text[j] >= '0' && text[j] <= '9' {
			j++
		}
		if n, err := strconv.Atoi(text[i+1 : j]); c == '$' && err == nil && n >= 1 && n <= len(args) {
			b.WriteString(args[n-1])
		} else {
			b.WriteString(text[i:j])
		}
		i = j
	}
	return b.String()
}

// nameable reports whether SQL has a name for the type.
func nameable(t row.Type) bool {
	if t.Kind == row.List {
		return nameable(t.Elem())
	}
	for _, m := range t.Members() {
		if m.Name == "" || !nameable(m.Type) {
			return false
		}
	}
	return t.Kind != row.Other || !strings.Contains(t.Name, unnamedStruct)
}

// nestedLiteral writes a list, struct or map that is not null, exactly or for people.
func nestedLiteral(v row.Value, literal func(row.Value) string) string {
	parts := v.Elements()
	texts := make([]string, len(parts))
	for i, p := range parts {
		switch v.Type.Kind {
		case row.Map:
			kv := p.Elements()
			texts[i] = literal(kv[0]) + ": " + literal(kv[1])
			continue
		case row.Struct:
			if name := v.Type.Members()[i].Name; name != "" {
				texts[i] = quoteText(name) + ": "
			}
		}
		texts[i] += literal(p)
	}
	list := strings.Join(texts, ", ")
	switch {
	case v.Type.Kind == row.Map:
		return "MAP {" + list + "}"
	case v.Type.Kind == row.List:
		return "[" + list + "]"
	case v.Type.Members()[0].Name == "":
		return "row(" + list + ")"
	}
	return "{" + list + "}"
}

func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// quoteText writes a string literal. DuckDB's parser ends at a NUL, so one is made by a function.
func quoteText(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.IndexByte(s, 0) < 0 {
		return q
	}
	return "(" + strings.ReplaceAll(q, "\x00", "' || chr(0) || '") + ")"
}

// exactLiteral writes v so that DuckDB reads back the same value of the same type.
func exactLiteral(v row.Value) string {
	if v.Null {
		if v.Type == nullType {
			return "NULL"
		}
		if !nameable(v.Type) {
			return "NULL"
		}
		return "CAST(NULL AS " + v.Type.String() + ")"
	}
	switch v.Type.Kind {
	case row.List, row.Struct, row.Map:
		if !nameable(v.Type) {
			return nestedLiteral(v, exactLiteral)
		}
		return "CAST(" + nestedLiteral(v, exactLiteral) + " AS " + v.Type.String() + ")"
	case row.Bool, row.Invalid:
		return plainLiteral(v)
	case row.String:
		return "CAST(" + quoteText(v.S) + " AS VARCHAR)"
	case row.Date:
		if !plainDay(v.I) {
			return "(CAST('1970-01-01' AS DATE) + CAST(" + strconv.FormatInt(v.I, 10) + " AS INTEGER))"
		}
	case row.Timestamp:
		if !plainMicros(v.I) {
			return "make_timestamp(CAST(" + strconv.FormatInt(v.I, 10) + " AS BIGINT))"
		}
	case row.TimestampTZ:
		if !plainMicros(v.I) {
			return "make_timestamptz(CAST(" + strconv.FormatInt(v.I, 10) + " AS BIGINT))"
		}
	}
	return "CAST(" + quoteText(valueText(v)) + " AS " + v.Type.String() + ")"
}

// plainLiteral writes v for people, without its type where the form of the literal says it.
func plainLiteral(v row.Value) string {
	if v.Null {
		return "NULL"
	}
	switch v.Type.Kind {
	case row.Bool:
		return strconv.FormatBool(v.I != 0)
	case row.Date, row.Time, row.Timestamp, row.TimestampTZ, row.Interval, row.UUID, row.Blob, row.JSON:
		name := v.Type.String()
		if v.Type.Kind == row.TimestampTZ {
			name = "TIMESTAMPTZ"
		}
		return name + " " + quoteText(valueText(v))
	case row.String, row.Other, row.Enum:
		return quoteText(valueText(v))
	case row.List, row.Struct, row.Map:
		return nestedLiteral(v, plainLiteral)
	}
	return valueText(v)
}

// valueText is the text from which DuckDB casts v.
func valueText(v row.Value) string {
	switch v.Type.Kind {
	case row.Uint64:
		return strconv.FormatUint(uint64(v.I), 10)
	case row.Int128:
		return row.Int128Value{Lo: uint64(v.I), Hi: v.H}.String()
	case row.Decimal:
		return decimalText(v)
	case row.Float32:
		return floatText(v.F, 32)
	case row.Float64:
		return floatText(v.F, 64)
	case row.Blob:
		return blobText(v.S)
	case row.Date:
		return dayText(v.I)
	case row.Time:
		return timeText(v.I)
	case row.Timestamp:
		return microsText(v.I, "")
	case row.TimestampTZ:
		return microsText(v.I, "+00")
	case row.Interval:
		return intervalText(v.V)
	case row.UUID:
		if len(v.S) == 16 {
			return fmt.Sprintf("%x-%x-%x-%x-%x", v.S[0:4], v.S[4:6], v.S[6:8], v.S[8:10], v.S[10:16])
		}
		return v.S
	case row.String, row.JSON, row.Other, row.Invalid:
		return v.S
	case row.Enum:
		return v.Text()
	}
	return strconv.FormatInt(v.I, 10)
}

func intervalText(v row.IntervalValue) string {
	var parts []string
	add := func(n int64, unit string) {
		if n != 0 {
			parts = append(parts, strconv.FormatInt(n, 10)+" "+unit)
		}
	}
	add(int64(v.Months), "months")
	add(int64(v.Days), "days")
	if v.Micros%1_000_000 == 0 {
		add(v.Micros/1_000_000, "seconds")
	} else {
		add(v.Micros, "microseconds")
	}
	if len(parts) == 0 {
		return "0 days"
	}
	return strings.Join(parts, " ")
}

func decimalText(v row.Value) string {
	hi := v.I >> 63
	if v.Type.Phys() == row.PhysInt128 {
		hi = v.H
	}
	digits := row.Int128Value{Lo: uint64(v.I), Hi: hi}.String()
	digits, negative := strings.CutPrefix(digits, "-")
	scale := int(v.Type.Scale)
	if scale > 0 {
		if pad := scale + 1 - len(digits); pad > 0 {
			digits = strings.Repeat("0", pad) + digits
		}
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if negative {
		return "-" + digits
	}
	return digits
}

func floatText(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

func blobText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c < 0x7f && c != '\\' && c != '\'' && c != '"' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02X`, c)
		}
	}
	return b.String()
}

// The infinite dates and timestamps.
const (
	infiniteDay    = math.MaxInt32
	infiniteMicros = math.MaxInt64
)

const (
	firstPlainDay = -719162 // 0001-01-01
	lastPlainDay  = 2932896 // 9999-12-31
	dayMicros     = 86_400_000_000
)

// plainDay reports whether the date has four digits of year, or is infinite.
func plainDay(d int64) bool {
	return d >= firstPlainDay && d <= lastPlainDay || d == infiniteDay || d == -infiniteDay
}

func plainMicros(t int64) bool {
	return t >= firstPlainDay*dayMicros && t < (lastPlainDay+1)*dayMicros || t == infiniteMicros || t == -infiniteMicros
}

func dayText(d int64) string {
	switch d {
	case infiniteDay:
		return "infinity"
	case -infiniteDay:
		return "-infinity"
	}
	if !plainDay(d) {
		return fmt.Sprintf("1970-01-01 + %d days", d)
	}
	return time.Unix(d*86400, 0).UTC().Format("2006-01-02")
}

func microsText(t int64, zone string) string {
	switch t {
	case infiniteMicros:
		return "infinity"
	case -infiniteMicros:
		return "-infinity"
	}
	if !plainMicros(t) {
		return fmt.Sprintf("1970-01-01 + %d us", t)
	}
	return time.UnixMicro(t).UTC().Format("2006-01-02 15:04:05.999999") + zone
}

func timeText(t int64) string {
	sec, us := t/1_000_000, t%1_000_000
	s := fmt.Sprintf("%02d:%02d:%02d", sec/3600, sec/60%60, sec%60)
	if us != 0 {
		s += fmt.Sprintf(".%06d", us)
	}
	return s
}
