package scalar_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// evaluator lends DuckDB to programs as their fallback.
type evaluator struct{ *duck.Evaluator }

// function is a compiled expression whose errors carry DuckDB's class.
type function struct{ *duck.Func }

func (f function) Eval(args []row.Vec, n int) (row.Vec, error) {
	v, err := f.Func.Eval(args, n)
	if err != nil {
		err = errors.New(withClass(err))
	}
	return v, err
}

func (e evaluator) Compile(sql string, args []row.Type, result row.Type) (scalar.FallbackFunc, error) {
	f, err := e.Evaluator.Compile(sql, args, result)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, sql)
	}
	return function{f}, nil
}

// rig holds one table, t, in the planner and in the oracle.
type rig struct {
	t        testing.TB
	planner  *duck.Planner
	oracle   *duck.Oracle
	compiler *scalar.Compiler
	schema   row.Schema
	batch    *row.Batch
}

func newRig(t testing.TB, schema row.Schema, batch *row.Batch) *rig {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	planner, err := duck.OpenPlanner(duck.PlannerOptions{})
	check(err)
	oracle, err := duck.OpenOracle(duck.OracleOptions{})
	check(err)
	eval, err := duck.OpenEvaluator()
	check(err)
	t.Cleanup(func() { planner.Close(); oracle.Close(); eval.Close() })
	check(planner.DefineTable("t", schema, nil))
	check(oracle.Load("t", schema, []*row.Batch{batch}))
	return &rig{t: t, planner: planner, oracle: oracle, compiler: &scalar.Compiler{Fallback: evaluator{eval}}, schema: schema, batch: batch}
}

// bind plans a projection of t and returns its expressions over the returned batch.
func (r *rig) bind(list string) ([]*plan.Expr, *row.Batch, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	planned, err := r.planner.Plan(ctx, "SELECT "+list+" FROM t")
	if err != nil {
		return nil, nil, err
	}
	node, err := plan.Decode(planned.Plan)
	if err != nil {
		return nil, nil, err
	}
	project, ok := node.(*plan.Project)
	if !ok {
		return nil, nil, fmt.Errorf("plan is a %T", node)
	}
	get, ok := project.Input.(*plan.Get)
	if !ok {
		return nil, nil, fmt.Errorf("input is a %T", project.Input)
	}
	in := &row.Batch{Len: r.batch.Len, Cols: make([]row.Vec, len(get.Columns))}
	for i, c := range get.Columns {
		if c < 0 {
			in.Cols[i] = row.IntValue(row.T(row.Int64), 0).Repeat(in.Len)
		} else {
			in.Cols[i] = r.batch.Cols[c]
		}
	}
	return project.Exprs, in, nil
}

func types(b *row.Batch) []row.Type {
	ts := make([]row.Type, len(b.Cols))
	for i := range b.Cols {
		ts[i] = b.Cols[i].Type
	}
	return ts
}

// ask returns the columns of a query of the oracle.
func (r *rig) ask(sql string) ([]row.Vec, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rows, err := r.oracle.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*row.Batch
	for {
		b, err := rows.Next(ctx)
		if err != nil {
			return nil, err
		}
		if b == nil {
			break
		}
		all = append(all, b)
	}
	if out := row.Concat(all); out != nil {
		return out.Cols, nil
	}
	return nil, errors.New("no rows")
}

// lenient says that errors of the oracle where the program has a value are right: AND and OR stop early.
// bisect asks the oracle without TRY.
type options struct{ lenient, fallback, bisect bool }

// same holds the program's answer for one expression against DuckDB's, row by row.
func (r *rig) same(expr string, opt options) {
	r.t.Helper()
	exprs, in, err := r.bind(expr)
	if err != nil {
		r.t.Errorf("%s: %v", expr, err)
		return
	}
	if names := r.compiler.Fallbacks(exprs); len(names) > 0 != opt.fallback {
		r.t.Errorf("%s: falls back for %q", expr, names)
	}
	p, err := r.compiler.Compile(exprs, types(in))
	if err != nil {
		r.t.Errorf("%s: compiling: %v", expr, err)
		return
	}
	defer p.Close()
	cols, errs, err := p.Eval(in)
	if err != nil {
		r.t.Errorf("%s: %v", expr, err)
		return
	}
	failed := map[int]string{}
	for _, e := range errs {
		failed[int(e.Row)] = e.Message
	}
	want, wrong, err := r.truth(expr, opt.bisect)
	if err != nil {
		r.t.Errorf("%s: oracle: %v", expr, err)
		return
	}
	if want.Type != cols[0].Type {
		r.t.Errorf("%s: type %s, want %s", expr, cols[0].Type, want.Type)
		return
	}
	bad, messages := 0, 0
	for i := range in.Len {
		message, isBad := failed[i]
		wantMessage, wantBad := wrong[i]
		switch {
		case isBad && wantBad:
			message, _, _ = strings.Cut(message, "\n")
			if messages < 2 {
				messages++
				if m := wantMessage; m != "" && m != message && len(m) < 200 { // long ones have digits of their own
					r.t.Errorf("%s: row %d (%s): error %q, want %q", expr, i, r.inputs(in, i), message, m)
				}
			}
		case wantBad && opt.lenient:
		case isBad:
			r.t.Errorf("%s: row %d (%s): error %q, want %s", expr, i, r.inputs(in, i), message, show(&want, i))
			bad++
		case wantBad:
			r.t.Errorf("%s: row %d (%s): %s, want error %q", expr, i, r.inputs(in, i), show(&cols[0], i), wantMessage)
			bad++
		case !sameValue(&cols[0], &want, i):
			r.t.Errorf("%s: row %d (%s): %s, want %s", expr, i, r.inputs(in, i), show(&cols[0], i), show(&want, i))
			bad++
		}
		if bad >= 4 {
			return
		}
	}
}

// truth is DuckDB's answer for each row, and the messages of those that fail. It uses TRY only over functions: over
// CASE, COALESCE and junctions TRY corrupts DuckDB's memory.
func (r *rig) truth(expr string, bisect bool) (v row.Vec, wrong map[int]string, err error) {
	wrong = map[int]string{}
	if cols, err := r.ask(fmt.Sprintf("SELECT %s FROM t", expr)); err == nil {
		return cols[0], wrong, nil
	}
	if upper := strings.ToUpper(expr); !bisect && !strings.Contains(upper, "CASE") && !strings.Contains(upper, "COALESCE") &&
		!strings.Contains(upper, "TRY") && !strings.Contains(upper, " AND ") && !strings.Contains(upper, " OR ") && !strings.Contains(upper, "IF(") {
		return r.tried(expr)
	}
	var build *row.Builder
	gaps := 0 // failing rows before the first value
	var part func(lo, hi int) error
	part = func(lo, hi int) error {
		cols, err := r.ask(fmt.Sprintf("SELECT %s FROM t WHERE n >= %d AND n < %d", expr, lo, hi))
		switch {
		case err == nil:
			if build == nil {
				build = row.NewBuilder(cols[0].Type, r.batch.Len)
				for range gaps {
					build.AppendNull()
				}
			}
			build.AppendVec(&cols[0])
			return nil
		case hi-lo == 1:
			wrong[lo] = withClass(err)
			if build == nil {
				gaps++
			} else {
				build.AppendNull()
			}
			return nil
		}
		step := (hi - lo + 7) / 8
		for ; lo < hi; lo += step {
			if err := part(lo, min(lo+step, hi)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := part(0, r.batch.Len); err != nil {
		return v, nil, err
	}
	if build == nil {
		return v, nil, errors.New("every row fails: " + wrong[0])
	}
	return build.Finish(), wrong, nil
}

// tried is truth by TRY. In one statement its two questions would share the expression, outside of TRY.
func (r *rig) tried(expr string) (v row.Vec, wrong map[int]string, err error) {
	wrong = map[int]string{}
	value, err := r.ask(fmt.Sprintf("SELECT TRY(%s) FROM t", expr))
	if err != nil {
		return v, nil, err
	}
	null, err := r.ask(fmt.Sprintf("SELECT TRY((%s) IS NULL) FROM t", expr))
	if err != nil {
		return v, nil, err
	}
	for i := range value[0].Len {
		if null[0].Null(i) {
			wrong[i] = ""
			if len(wrong) <= 3 {
				if _, err := r.ask(fmt.Sprintf("SELECT %s FROM t WHERE n = %d", expr, i)); err != nil {
					wrong[i] = withClass(err)
				}
			}
		}
	}
	return value[0], wrong, nil
}

// withClass is a message with DuckDB's class in front, without what a statement adds to it.
func withClass(err error) string {
	m, _, _ := strings.Cut(err.Error(), " when casting from source column")
	var e *duck.Error
	if !errors.As(err, &e) {
		return m
	}
	class := strings.ToUpper(string(e.Kind[:1])) + string(e.Kind[1:])
	if e.Kind == duck.KindOutOfRange {
		class = "Out of Range"
	} else if e.Kind == duck.KindInvalidInput {
		class = "Invalid Input"
	}
	return class + " Error: " + m
}

func (r *rig) inputs(in *row.Batch, i int) string {
	var parts []string
	for c := range in.Cols {
		parts = append(parts, show(&in.Cols[c], i))
	}
	return strings.Join(parts, ", ")
}

func show(v *row.Vec, i int) string {
	if v.Null(i) {
		return "NULL"
	}
	s := string(row.AppendText(nil, v, i))
	if v.Type.Kind == row.String {
		return fmt.Sprintf("%q", s)
	}
	return s
}

func sameValue(a, b *row.Vec, i int) bool {
	if a.Null(i) || b.Null(i) {
		return a.Null(i) == b.Null(i)
	}
	switch a.Type.Phys() {
	case row.PhysInterval:
		return row.Values[row.IntervalValue](a)[i] == row.Values[row.IntervalValue](b)[i]
	case row.PhysFloat32:
		return sameFloat(float64(row.Values[float32](a)[i]), float64(row.Values[float32](b)[i]))
	case row.PhysFloat64:
		return sameFloat(row.Values[float64](a)[i], row.Values[float64](b)[i])
	}
	return row.Equal(a, i, b, i)
}

func sameFloat(x, y float64) bool {
	if math.Float64bits(x) == math.Float64bits(y) || x != x && y != y {
		return true
	}
	return math.Abs(x-y) <= 1e-12*max(math.Abs(x), math.Abs(y)) && x != 0 && y != 0
}

// kinds are the columns of the test table, three of each: i4a, i4b, i4c …
var kinds = []struct {
	name  string
	typ   row.Type
	edges []string
}{
	{"b", row.T(row.Bool), []string{"true", "false"}},
	{"i1", row.T(row.Int8), []string{"0", "1", "-1", "127", "-128", "7", "-7"}},
	{"i2", row.T(row.Int16), []string{"0", "1", "-1", "32767", "-32768", "100", "-300"}},
	{"i4", row.T(row.Int32), []string{"0", "1", "-1", "2", "3", "-3", "2147483647", "-2147483648", "1000", "31"}},
	{"i8", row.T(row.Int64), []string{"0", "1", "-1", "2", "-2", "9223372036854775807", "-9223372036854775808", "4294967296", "1000000"}},
	{"h", row.T(row.Int128), []string{"0", "1", "-1", "170141183460469231731687303715884105727", "-170141183460469231731687303715884105728", "18446744073709551616", "-5"}},
	{"u1", row.T(row.Uint8), []string{"0", "1", "255", "8", "7"}},
	{"u2", row.T(row.Uint16), []string{"0", "1", "65535", "300"}},
	{"u4", row.T(row.Uint32), []string{"0", "1", "4294967295", "32"}},
	{"u8", row.T(row.Uint64), []string{"0", "1", "18446744073709551615", "9223372036854775808", "64"}},
	{"f4", row.T(row.Float32), []string{"0", "-0", "1.5", "-2.5", "nan", "inf", "-inf", "3.4e38", "1e-40", "16777217", "0.1", "127.5"}},
	{"f8", row.T(row.Float64), []string{"0", "-0", "1.5", "-2.5", "0.5", "nan", "inf", "-inf", "1e308", "1e300", "5e-324", "2147483647.5", "-128.5", "255.5", "1e19", "0.1", "2.675", "9223372036854775807", "999.95"}},
	{"d4", row.DecimalType(4, 1), []string{"0", "0.1", "-0.5", "999.9", "-999.9", "2.5"}},
	{"d9", row.DecimalType(9, 3), []string{"0", "0.001", "-0.5", "999999.999", "-999999.999", "2.500", "127.5"}},
	{"d18", row.DecimalType(18, 2), []string{"0", "0.01", "-0.5", "9999999999999999.99", "-9999999999999999.99", "2.50", "99.95"}},
	{"d38", row.DecimalType(38, 5), []string{"0", "0.00001", "-0.5", "999999999999999999999999999999999.99999", "-999999999999999999999999999999999.99999", "2.5", "9007199254740993.5"}},
	{"s", row.T(row.String), []string{"", "a", "abc", "ABC", "héllo", "日本語", "a b", "  x  ", "%", "_", "a%c", "aXbXc", "straße", "😀x", "0", "1", "-5", "12.5", "1e3", "true", "2024-02-29", "2024-02-29 10:11:12.5", "nan", "abcabc", "\t z\n", "\u00a0y\u3000", "a,b,c", ",", "b"}},
	{"dt", row.T(row.Date), []string{"1970-01-01", "2000-02-29", "2024-02-29", "2023-12-31", "2024-12-30", "0001-01-01", "0044-03-05 (BC)", "infinity", "-infinity", "5881580-07-10", "5877000-01-02 (BC)", "1969-12-31", "9999-12-31", "2024-01-31"}},
	{"tm", row.T(row.Time), []string{"00:00:00", "23:59:59.999999", "12:30:00", "24:00:00", "01:02:03.456789"}},
	{"ts", row.T(row.Timestamp), []string{"1970-01-01 00:00:00", "2000-02-29 12:00:00", "2024-02-29 23:59:59.999999", "1969-12-31 23:59:59.999999", "2024-01-31 10:00:00", "0044-03-05 (BC) 01:02:03", "infinity", "-infinity", "294247-01-10 04:00:54.775806", "290309-12-22 (BC) 00:00:00", "2021-01-01 00:00:00", "2020-12-31 23:59:59", "0001-01-01 00:00:00"}},
	{"tz", row.T(row.TimestampTZ), []string{"1970-01-01 00:00:00+00", "2000-02-29 12:00:00+00", "2024-02-29 23:59:59.999999+00", "1969-12-31 23:59:59.999999+00", "infinity", "-infinity", "2024-03-31 01:30:00+00", "0001-01-01 00:00:00+00"}},
	{"iv", row.T(row.Interval), []string{"0 days", "1 month", "30 days", "1 day", "24 hours", "-1 month", "1 microsecond", "1 year 2 months 3 days 04:05:06.789", "-5 hours", "2147483647 months", "-2147483648 days", "9223372036854775807 microseconds", "31 days", "719 hours"}},
	{"uu", row.T(row.UUID), []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "12345678-1234-5678-1234-567812345678"}},
	{"bl", row.T(row.Blob), []string{"", "a", "\\x00\\xFF", "abc"}},
}

// newTable makes the test table: n the row's number, then three columns of each kind.
func newTable(t testing.TB, rows int, seed uint64) (row.Schema, *row.Batch) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	schema := row.Schema{{Name: "n", Type: row.T(row.Int32)}}
	numbers := row.NewBuilder(row.T(row.Int32), rows)
	for i := range rows {
		numbers.AppendInt(int64(i))
	}
	batch := &row.Batch{Len: rows, Cols: []row.Vec{numbers.Finish()}}
	for _, k := range kinds {
		for _, suffix := range []string{"a", "b", "c"} {
			schema = append(schema, row.Column{Name: k.name + suffix, Type: k.typ})
			b := row.NewBuilder(k.typ, rows)
			for range rows {
				switch r.IntN(8) {
				case 0:
					b.AppendNull()
				case 1, 2, 3, 4:
					edge := k.edges[r.IntN(len(k.edges))]
					if err := b.AppendParsed([]byte(edge)); err != nil {
						t.Fatalf("%s: %v", edge, err)
					}
				default:
					appendRandom(b, r)
				}
			}
			batch.Cols = append(batch.Cols, b.Finish())
		}
	}
	return schema, batch
}

func appendRandom(b *row.Builder, r *rand.Rand) {
	small := r.IntN(2) == 0
	switch t := b.Type(); t.Kind {
	case row.Bool:
		b.AppendBool(small)
	case row.Float32, row.Float64:
		f := (r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(20)-4))
		b.AppendFloat(f)
	case row.Decimal, row.Int128:
		v := row.Int128Value{Lo: r.Uint64(), Hi: int64(r.Uint64())}
		if small {
			v = row.Int128FromInt64(r.Int64N(20000) - 10000)
		}
		if t.Kind == row.Decimal {
			v, _ = v.Mod(row.Pow10(t.Width))
		}
		if t.Phys() == row.PhysInt64 {
			b.AppendInt(int64(v.Lo))
		} else {
			b.AppendInt128(v)
		}
	case row.String:
		letters := []rune("aAbBcé%_ X,1")
		s := make([]rune, r.IntN(8))
		for i := range s {
			s[i] = letters[r.IntN(len(letters))]
		}
		b.AppendString(string(s))
	case row.Blob:
		s := make([]byte, r.IntN(5))
		for i := range s {
			s[i] = byte(r.Uint32())
		}
		b.AppendBytes(s)
	case row.Date:
		span := int64(40000)
		if small {
			span = 4000000
		}
		b.AppendInt(r.Int64N(2*span) - span)
	case row.Time:
		b.AppendInt(r.Int64N(86_400_000_000))
	case row.Timestamp, row.TimestampTZ:
		span := int64(4e15)
		if small {
			span = 1e17
		}
		b.AppendInt(r.Int64N(2*span) - span)
	case row.Interval:
		b.AppendInterval(row.IntervalValue{Months: int32(r.IntN(100) - 50), Days: int32(r.IntN(100) - 50), Micros: r.Int64N(4e11) - 2e11})
	case row.UUID:
		var u row.UUIDValue
		for i := range u {
			u[i] = byte(r.Uint32())
		}
		b.AppendUUID(u)
	default:
		v := int64(r.Uint64())
		if small {
			v = int64(r.IntN(20) - 5)
		}
		switch t.Phys() {
		case row.PhysInt8:
			v = int64(int8(v))
		case row.PhysInt16:
			v = int64(int16(v))
		case row.PhysInt32:
			v = int64(int32(v))
		case row.PhysUint8:
			v = int64(uint8(v))
		case row.PhysUint16:
			v = int64(uint16(v))
		case row.PhysUint32:
			v = int64(uint32(v))
		}
		b.AppendInt(v)
	}
}
