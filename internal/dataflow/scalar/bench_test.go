//go:build unix

package scalar_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/row"
)

// benchTable is 64k rows like a stream's, with few nulls.
func benchTable() (row.Schema, *row.Batch) {
	const rows = 1 << 16
	words := []string{"alpha", "beta", "gamma-ray", "https://example.com/item.htm?query=1&channel_id=77", "delta", "epsilon"}
	i8 := func(f func(i int) int64) row.Vec {
		v := make([]int64, rows)
		for i := range v {
			v[i] = f(i)
		}
		return row.FromValues(row.T(row.Int64), v, nil)
	}
	a, b := i8(func(i int) int64 { return int64(i) * 7919 % 10007 }), i8(func(i int) int64 { return int64(i)*104729%100003 - 50000 })
	ts := i8(func(i int) int64 { return 1_700_000_000_000_000 + int64(i)*1000 })
	ts.Type = row.T(row.Timestamp)
	d := row.NewBuilder(row.T(row.Float64), rows)
	s, j := row.NewBuilder(row.T(row.String), rows), row.NewBuilder(row.T(row.String), rows)
	for i := range rows {
		d.AppendFloat(float64(i) * 0.37)
		s.AppendString(words[i%len(words)])
		j.AppendString(`{"id":` + "12345" + `,"name":"` + words[i%len(words)] + `","nested":{"value":17,"tags":["a","b"]}}`)
	}
	schema := row.Schema{{Name: "a", Type: a.Type}, {Name: "b", Type: b.Type}, {Name: "ts", Type: ts.Type}, {Name: "d", Type: row.T(row.Float64)}, {Name: "s", Type: row.T(row.String)}, {Name: "j", Type: row.T(row.String)}}
	return schema, &row.Batch{Len: rows, Cols: []row.Vec{a, b, ts, d.Finish(), s.Finish(), j.Finish()}}
}

var benchExprs = []struct{ name, sql string }{
	{"add", "a + b"}, {"mul-const", "a * 3"}, {"mul", "a * b"}, {"mod", "a % 100"}, {"div", "a / 3"}, {"float", "d * 1.1e0 + 2e0"},
	{"compare", "a > 5000"}, {"and", "a > 5000 AND b < 0 AND d > 100"}, {"case", "CASE WHEN a > 5000 THEN a ELSE b END"}, {"coalesce", "coalesce(nullif(a, 7), b)"},
	{"in", "a IN (1, 5, 9, 100, 2000, 3000, 4000, 5000, 6000, 7000, 8000)"}, {"cast", "a::integer"}, {"cast-text", "a::varchar"}, {"parse", "a::varchar::bigint"}, {"round", "round(d, 2)"},
	{"text-eq", "s = 'delta'"}, {"like", "s LIKE '%item%'"}, {"like-prefix", "s LIKE 'alp%'"}, {"upper", "upper(s)"}, {"concat", "s || '-x'"}, {"length", "length(s)"}, {"substring", "substring(s, 2, 3)"},
	{"regexp", "regexp_extract(s, 'channel_id=([0-9]+)', 1)"}, {"split_part", "split_part(s, '/', 3)"}, {"json", "j->>'name'"}, {"json-path", "json_extract_string(j, '$.nested.value')"},
	{"time_bucket", "time_bucket(INTERVAL 10 SECONDS, ts)"}, {"date_trunc", "date_trunc('hour', ts)"}, {"date_trunc-month", "date_trunc('month', ts)"}, {"year", "year(ts)"}, {"hour", "hour(ts)"}, {"ts-plus", "ts + INTERVAL 5 MINUTES"}, {"strftime", "strftime(ts, '%Y-%m-%d %H:%M:%S')"},
}

// cpuTime is the processor time of this process so far: on a shared machine it says more than the clock.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perRow reports the processor time per row since start.
func perRow(b *testing.B, start time.Duration, rows int) {
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/float64(rows), "cpu-ns/row")
}

// BenchmarkEval reports the time per row of native kernels.
func BenchmarkEval(b *testing.B) {
	schema, batch := benchTable()
	r := newRig(b, schema, batch)
	for _, e := range benchExprs {
		b.Run(e.name, func(b *testing.B) {
			exprs, in, err := r.bind(e.sql)
			if err != nil {
				b.Fatal(err)
			}
			p, err := r.compiler.Compile(exprs, types(in))
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			b.ReportAllocs()
			start := cpuTime(b)
			for b.Loop() {
				if _, _, err := p.Eval(in); err != nil {
					b.Fatal(err)
				}
			}
			perRow(b, start, in.Len)
		})
	}
}

// BenchmarkSelect reports the time per row of predicates.
func BenchmarkSelect(b *testing.B) {
	schema, batch := benchTable()
	r := newRig(b, schema, batch)
	for _, e := range []struct{ name, sql string }{{"compare", "a > 5000"}, {"two", "a > 5000, b < 0"}, {"text", "s = 'delta'"}, {"like-after", "a > 9000, s LIKE '%item%'"}, {"or", "a > 5000 OR b < 0"}} {
		b.Run(e.name, func(b *testing.B) {
			exprs, in, err := r.bind(e.sql)
			if err != nil {
				b.Fatal(err)
			}
			p, err := r.compiler.Compile(exprs, types(in))
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			b.ReportAllocs()
			start := cpuTime(b)
			for b.Loop() {
				if _, _, err := p.Select(in); err != nil {
					b.Fatal(err)
				}
			}
			perRow(b, start, in.Len)
		})
	}
}

// BenchmarkDuckDB reports what DuckDB takes, one thread, over a table of its own, results included.
func BenchmarkDuckDB(b *testing.B) {
	schema, batch := benchTable()
	r := newRig(b, schema, batch)
	for _, e := range benchExprs {
		b.Run(e.name, func(b *testing.B) {
			ctx, start := context.Background(), cpuTime(b)
			for b.Loop() {
				rows, err := r.oracle.Query(ctx, "SELECT "+e.sql+" FROM t")
				if err != nil {
					b.Fatal(err)
				}
				for {
					got, err := rows.Next(ctx)
					if err != nil {
						b.Fatal(err)
					}
					if got == nil {
						break
					}
				}
				rows.Close()
			}
			perRow(b, start, batch.Len)
		})
	}
}

// BenchmarkMap reports what a filter and a projection cost that both extract by the same pattern: with and without sharing it.
func BenchmarkMap(b *testing.B) {
	schema, batch := benchTable()
	r := newRig(b, schema, batch)
	exprs, in, err := r.bind("a > 9000 OR regexp_extract(s, 'channel_id=([0-9]+)', 1) <> '', CASE WHEN a > 9000 THEN '0' ELSE regexp_extract(s, 'channel_id=([0-9]+)', 1) END")
	if err != nil {
		b.Fatal(err)
	}
	where, out, err := r.compiler.CompileMap(exprs[:1], exprs[1:], types(in), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer where.Close()
	defer out.Close()
	for _, shared := range []bool{true, false} {
		b.Run(map[bool]string{true: "once", false: "twice"}[shared], func(b *testing.B) {
			start := cpuTime(b)
			for b.Loop() {
				at, _, err := where.Select(in)
				if err != nil {
					b.Fatal(err)
				}
				if shared {
					out.Passed(at)
				}
				if _, _, err := out.Eval(in.Gather(at)); err != nil {
					b.Fatal(err)
				}
			}
			perRow(b, start, in.Len)
		})
	}
}
