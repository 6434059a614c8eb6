package duck

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/row"
)

// snapshot is Sources over batches.
type snapshot map[string][]*row.Batch

func (s snapshot) Scan(relation string, columns []int) (Iterator, error) {
	batches, ok := s[relation]
	if !ok {
		return nil, fmt.Errorf("no rows of %s", relation)
	}
	return &batchIterator{batches: batches, columns: columns}, nil
}

func (s snapshot) Rows(relation string) int64 {
	n := 0
	for _, b := range s[relation] {
		n += b.Len
	}
	return int64(n)
}

type batchIterator struct {
	batches []*row.Batch
	columns []int
	closed  int
}

func (it *batchIterator) Next() (*row.Batch, error) {
	if len(it.batches) == 0 {
		return nil, nil
	}
	b := it.batches[0]
	it.batches = it.batches[1:]
	out := &row.Batch{Cols: make([]row.Vec, len(it.columns)), Len: b.Len}
	for i, c := range it.columns {
		if c >= 0 {
			out.Cols[i] = b.Cols[c]
		}
	}
	return out, nil
}

func (it *batchIterator) Close() { it.closed++ }

func openReader(t testing.TB, o ReaderOptions) *Reader {
	t.Helper()
	r, err := OpenReader(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func defineTable(t testing.TB, r *Reader, name string, schema row.Schema) {
	t.Helper()
	if err := r.DefineTable(name, schema); err != nil {
		t.Fatal(err)
	}
}

// readAll reads all rows of a query.
func readAll(rows *Rows) (*row.Batch, error) {
	defer rows.Close()
	var all []*row.Batch
	for {
		b, err := rows.Next(context.Background())
		if err != nil {
			return nil, err
		}
		if b == nil {
			return row.Concat(all), nil
		}
		all = append(all, b)
	}
}

func query(t testing.TB, r *Reader, sql string, args []row.Value, src Sources) (*row.Batch, row.Schema) {
	t.Helper()
	rows, err := r.Query(t.Context(), sql, args, src)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	schema := rows.Schema()
	b, err := readAll(rows)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return b, schema
}

// ints makes a table of one BIGINT column n with the values from lo to hi.
func ints(lo, hi int64, batch int) []*row.Batch {
	var out []*row.Batch
	for lo < hi {
		end := min(lo+int64(batch), hi)
		v := make([]int64, 0, end-lo)
		for ; lo < end; lo++ {
			v = append(v, lo)
		}
		out = append(out, &row.Batch{Cols: []row.Vec{row.FromValues(row.T(row.Int64), v, nil)}, Len: len(v)})
	}
	return out
}

var intSchema = row.Schema{{Name: "n", Type: row.T(row.Int64)}}

func TestReaderRoundTripsEveryType(t *testing.T) {
	r := openReader(t, ReaderOptions{Threads: 2})
	rng := rand.New(rand.NewPCG(1, 2))
	types := allTypes()
	schema := row.Schema{{Name: "seq", Type: row.T(row.Int64)}}
	for i, typ := range types {
		schema = append(schema, row.Column{Name: fmt.Sprintf("c%d", i), Type: typ})
	}
	defineTable(t, r, "everything", schema)
	for _, nulls := range []bool{true, false} {
		var batches []*row.Batch
		at := int64(0)
		for _, n := range []int{1, 2047, 5001, 3, 2048, 4096, 70} {
			b := &row.Batch{Len: n, Cols: make([]row.Vec, len(schema))}
			seq := make([]int64, n)
			for i := range seq {
				seq[i] = at
				at++
			}
			b.Cols[0] = row.FromValues(row.T(row.Int64), seq, nil)
			for i, typ := range types {
				b.Cols[i+1] = randomVec(rng, typ, n, nulls)
			}
			batches = append(batches, b)
		}
		batches = append(batches, batches[2].Slice(3, 4000)) // not aligned to bytes of the bitmap
		want := row.Concat(batches)
		got, gotSchema := query(t, r, "SELECT * FROM everything", nil, snapshot{"everything": batches})
		if !slices.Equal(gotSchema, schema) {
			t.Fatalf("schema %v, want %v", gotSchema, schema)
		}
		for i := range schema {
			sameVec(t, schema[i].Type.String(), &got.Cols[i], &want.Cols[i])
		}
		got, _ = query(t, r, "SELECT count(*), count(DISTINCT seq) FROM everything", nil, snapshot{"everything": batches[:7]})
		if got.Cols[0].Value(0).I != at || got.Cols[1].Value(0).I != at {
			t.Errorf("%d rows, %d of them different, want %d", got.Cols[0].Value(0).I, got.Cols[1].Value(0).I, at)
		}
	}
}

func TestReaderParameters(t *testing.T) {
	r := openReader(t, ReaderOptions{})
	rng := rand.New(rand.NewPCG(3, 4))
	for _, typ := range allTypes() {
		for range 20 {
			v := randomValue(rng, typ)
			for _, sql := range []string{"SELECT $1::" + typ.String() + " AS v", "SELECT $1 AS v"} {
				got, _ := query(t, r, sql, []row.Value{v}, nil)
				want := v
				if typ.Kind == row.JSON && sql == "SELECT $1 AS v" {
					want.Type = row.T(row.String)
				}
				if g := got.Cols[0].Value(0); !sameValue(g, want) {
					t.Fatalf("%s: %+v, want %+v", sql, g, want)
				}
			}
		}
		got, _ := query(t, r, "SELECT $1::"+typ.String(), []row.Value{row.NullValue(typ)}, nil)
		if !got.Cols[0].Null(0) {
			t.Errorf("a null of %s came back as %v", typ, got.Cols[0].Value(0))
		}
	}
	_, err := r.Query(t.Context(), "SELECT $1::INT + $2::INT", []row.Value{row.IntValue(row.T(row.Int32), 1)}, nil)
	wantError(t, err, KindParameter, "2 parameters, 1 arguments")
	_, err = r.Query(t.Context(), "SELECT 1", []row.Value{row.IntValue(row.T(row.Int32), 1)}, nil)
	wantError(t, err, KindParameter, "0 parameters, 1 arguments")
}

func TestReaderOtherTypes(t *testing.T) {
	r := openReader(t, ReaderOptions{})
	f := func(expr, typ, want string) {
		t.Helper()
		got, schema := query(t, r, "SELECT 1 AS a, "+expr+" AS v, NULL AS n; ", nil, nil)
		if schema[1].Name != "v" || schema[1].Type.String() != typ {
			t.Errorf("%s: column %v, want type %s", expr, schema[1], typ)
		}
		if g := shown(got.Cols[1].Value(0)); g != want {
			t.Errorf("%s: %s, want %s", expr, g, want)
		}
	}
	f("[1, 2, NULL]", "INTEGER[]", "[1,2,null]")
	f("{'a': 1, 'b c': ['x']}", `STRUCT("a" INTEGER, "b c" VARCHAR[])`, `{"a":1,"b c":["x"]}`)
	f("MAP {'k': 1.5}", "MAP(VARCHAR, DECIMAL(2,1))", `{"k":1.5}`)
	f("[1, 2]::INT[2]", "INTEGER[2]", "[1,2]")
	f("'x'::ENUM('x', 'y''z')", "ENUM('x', 'y''z')", `"x"`)
	f("union_value(u := 2)", `UNION("u" INTEGER)`, `{"u":2}`)
	f("'101'::BIT", "BIT", `"101"`)
	f("'12:00:00+01'::TIMETZ", "TIME WITH TIME ZONE", `"12:00:00+01"`)
	f("1::UHUGEINT", "UHUGEINT", "1")
	f("123::BIGNUM", "BIGNUM", "123")
	f("[]", "INTEGER[]", "[]")
	f("TIMESTAMP_S '2020-01-02 03:04:05'", "TIMESTAMP", "1577934245000000")
	f("TIMESTAMP_NS '2020-01-02 03:04:05.123456789'", "TIMESTAMP_NS", `"2020-01-02 03:04:05.123456789"`)
	f("TIMESTAMP_MS '2020-01-02 03:04:05.123'", "TIMESTAMP", "1577934245123000")
	got, schema := query(t, r, "SELECT [$1, $2] AS v, $1 AS w", []row.Value{row.StringValue("a"), row.StringValue("b")}, nil)
	if schema[0].Type.String() != "VARCHAR[]" || jsonOf(&got.Cols[0], 0) != `["a","b"]` || schema[1].Type != row.T(row.String) || got.Cols[1].Str(0) != "a" {
		t.Errorf("%v %s", schema, got.Cols[0].Str(0))
	}
	got, _ = query(t, r, "SELECT [i] FROM range(10000) t(i) ORDER BY i DESC -- and a comment", nil, nil)
	if got.Len != 10000 || jsonOf(&got.Cols[0], 0) != "[9999]" || jsonOf(&got.Cols[0], 9999) != "[0]" {
		t.Errorf("%d rows from %s", got.Len, got.Cols[0].Str(0))
	}
}

func TestReaderSuppliesOtherTypes(t *testing.T) {
	r := openReader(t, ReaderOptions{})
	list := row.ListOf(row.T(row.Int32))
	structure := row.StructOf([]row.Member{{Name: "a", Type: row.T(row.Int32)}, {Name: "b", Type: row.T(row.String)}})
	defineTable(t, r, "nested", row.Schema{{Name: "l", Type: list}, {Name: "s", Type: structure}, {Name: "j", Type: row.T(row.JSON)}})
	text := func(typ row.Type, v ...string) row.Vec {
		b := row.NewBuilder(typ, len(v))
		for _, s := range v {
			if err := b.AppendParsed([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		return b.Finish()
	}
	src := snapshot{"nested": {{Len: 2, Cols: []row.Vec{
		text(list, "[1,2,3]", "[]"), text(structure, `{"a":1,"b":"x"}`, `{"a":null,"b":"a longer text"}`), text(row.T(row.JSON), `{"k":5}`, `[]`),
	}}}}
	got, _ := query(t, r, "SELECT list_sum(l), s.b, j->>'k', s FROM nested", nil, src)
	if got.Cols[0].Value(0).I != 6 || !got.Cols[0].Null(1) || got.Cols[1].Str(1) != "a longer text" || got.Cols[2].Str(0) != "5" || jsonOf(&got.Cols[3], 1) != `{"a":null,"b":"a longer text"}` {
		t.Errorf("%v %s %s %s", got.Cols[0].Value(0), got.Cols[1].Str(1), got.Cols[2].Str(0), got.Cols[3].Str(1))
	}
}

func TestReaderNames(t *testing.T) {
	r := openReader(t, ReaderOptions{})
	src := snapshot{"tidemill.views": ints(0, 3, 10), `od"d na'me`: ints(0, 5, 10)}
	defineTable(t, r, "tidemill.views", intSchema)
	defineTable(t, r, `Od"d na'me`, intSchema)
	if got, _ := query(t, r, `SELECT (SELECT sum(n) FROM tidemill.views) + (SELECT sum(n) FROM "oD""d na'me")`, nil, src); got.Cols[0].Value(0).I != 13 {
		t.Errorf("sum %d", got.Cols[0].Value(0).I)
	}
	if err := r.DefineView("v", "SELECT n AS m FROM tidemill.views WHERE n > 0 -- comment"); err != nil {
		t.Fatal(err)
	}
	if got, _ := query(t, r, "SELECT sum(m) FROM v", nil, src); got.Cols[0].Value(0).I != 3 {
		t.Errorf("sum %d", got.Cols[0].Value(0).I)
	}
	if err := r.DefineTable("v", intSchema); err != nil {
		t.Fatal(err)
	}
	query(t, r, "SELECT n FROM v", nil, snapshot{"v": ints(0, 1, 1)})
	e := wantError(t, r.DefineView("w", "SELECT ü FROM v; DROP VIEW v"), KindUnsupported, "more than one")
	_ = e
	if e := wantError(t, r.DefineView("w", "SELECT 'ü', nope FROM v"), KindBinder, "nope"); e.Position != 13 {
		t.Errorf("position %d", e.Position)
	}
	if err := r.Drop("v"); err != nil {
		t.Fatal(err)
	}
	_, err := r.Query(t.Context(), "SELECT n FROM v", nil, src)
	wantError(t, err, KindCatalog, "v does not exist")
	wantError(t, r.Drop("v"), KindCatalog, "no relation v")
}

func TestReaderErrors(t *testing.T) {
	r := openReader(t, ReaderOptions{})
	defineTable(t, r, "t", intSchema)
	src := snapshot{"t": ints(0, 10000, 1000)}
	f := func(sql string, kind Kind, message string, position int) {
		t.Helper()
		rows, err := r.Query(t.Context(), sql, nil, src)
		if err == nil {
			_, err = readAll(rows)
		}
		if e := wantError(t, err, kind, message); e.Position != position {
			t.Errorf("%s: position %d, want %d", sql, e.Position, position)
		}
	}
	f("SELECT 'ü', nope FROM t", KindBinder, "nope", 13)
	f("SELECT [1], nope FROM t", KindBinder, "nope", 13)
	f("SELECT * FROM missing", KindCatalog, "missing", 15)
	f("SELECT 'x'::INT", KindConversion, "Could not convert", 11)
	f("SELECT [1], 'x'::INT", KindConversion, "Could not convert", 16)
	f("SELECT ln(n - 5000) FROM t", KindOutOfRange, "logarithm", 0)
	f("SELECT FROM", KindParser, "syntax error", 12)
	f("SELECT 1; SELECT 2", KindUnsupported, "more than one", 0)
	f("CREATE TABLE x (a INT)", KindUnsupported, "only a SELECT", 0)
	f("INSERT INTO t VALUES (1)", KindCatalog, "", 0)
	f("COPY t TO '/tmp/x'", KindPermission, "", 0)
	f("COPY (SELECT 1) TO '/tmp/x.csv'", KindPermission, "", 0)
	f("ATTACH ':memory:' AS y", KindUnsupported, "", 0)
	f("INSTALL httpfs", KindUnsupported, "", 0)
	f("LOAD httpfs", KindUnsupported, "", 0)
	f("SET threads = 1", KindUnsupported, "", 0)
	f("RESET threads", KindUnsupported, "", 0)
	f("PRAGMA threads = 3", KindUnsupported, "", 0)
	f("BEGIN", KindUnsupported, "", 0)
	f("CALL enable_logging()", KindPermission, "enable_logging", 6)
	f("CALL pragma_version()", KindUnsupported, "", 0)
	f("EXPLAIN SELECT 1", KindUnsupported, "", 0)
	f("USE tidemill", KindUnsupported, "", 0)
	f("CHECKPOINT", KindUnsupported, "", 0)
	f("SELECT * FROM tidemill_scan('t')", KindPermission, "tidemill_scan", 15)
	f("SELECT * FROM '/etc/passwd.csv'", KindPermission, "", 0)
	f("SELECT * FROM read_text('/etc/passwd')", KindPermission, "", 15)
	query(t, r, "SELECT 1", nil, nil)
	if _, err := r.Query(t.Context(), "SELECT n FROM t", nil, nil); err == nil {
		t.Error("a query without sources read a table")
	}
}

func TestReaderBoundsValues(t *testing.T) {
	r := openReader(t, ReaderOptions{})
	defineTable(t, r, "t", intSchema)
	src := snapshot{"t": ints(1_000_000_000, 1_000_000_003, 10)}
	for _, sql := range []string{
		"range(n)", "generate_series(0, n)", "range(0, n, 3)", "range(n, 0, -3)", "repeat('x', n)", "repeat([1], n)", "lpad('x', n::INT, 'y')", "rpad('x', n::INT, 'y')",
		"list_resize([1], n)", "array_resize([1], n, 2)", "list_resize([1], 1000000000 + n)", "bitstring('1', n::INT)", "range(TIMESTAMP '0001-01-01', TIMESTAMP '9999-01-01', INTERVAL 1 SECOND)",
		"generate_series(TIMESTAMPTZ '9999-01-01', TIMESTAMPTZ '0001-01-01', INTERVAL (-1) MINUTE)", "len(list_transform(range(n), x -> x + 1))", "range(10 ** 9::INT::BIGINT)::BIGINT",
		"range(1000000000)", "repeat('x', 10 * 100000000)", "(SELECT sum(len(l)) FROM (SELECT range(9000000 + i) l FROM range(100) u(i)))",
	} {
		start := time.Now()
		rows, err := r.Query(t.Context(), "SELECT "+sql+" FROM t", nil, src)
		if err == nil {
			_, err = readAll(rows)
		}
		if err == nil || time.Since(start) > time.Second {
			t.Errorf("%s: %v after %v", sql, err, time.Since(start))
		} else {
			t.Logf("%s: %v", sql, err)
		}
	}
	f := func(expr, want string) {
		t.Helper()
		if got, _ := query(t, r, "SELECT ("+expr+")::VARCHAR FROM range(3000) t(i) LIMIT 1", nil, nil); shown(got.Cols[0].Value(0)) != want {
			t.Errorf("%s = %s, want %s", expr, shown(got.Cols[0].Value(0)), want)
		}
	}
	f("range(3)", "[0, 1, 2]")
	f("generate_series(3)", "[0, 1, 2, 3]")
	f("range(-2, 2)", "[-2, -1, 0, 1]")
	f("range(5, -5, -4)", "[5, 1, -3]")
	f("range(NULL)", "")
	f("range(1, NULL, 2)", "")
	f("range(NULL, 1, 2)", "")
	f("range(-5)", "[]")
	f("generate_series(TIMESTAMP '2020-01-31', TIMESTAMP '2020-04-01', INTERVAL 1 MONTH)", "['2020-01-31 00:00:00', '2020-02-29 00:00:00', '2020-03-29 00:00:00']")
	f("generate_series(DATE '2020-01-02', DATE '2020-01-01', INTERVAL '-1 day')", "['2020-01-02 00:00:00', '2020-01-01 00:00:00']")
	f("repeat('ab', 2::TINYINT)", "abab")
	f("repeat([1], 2)", "[1, 1]")
	f("lpad('a', 3, 'xy') || rpad('b', 3, 'z')", "xyabzz")
	f("list_resize([1], 2, 7)", "[1, 7]")
	f("list_resize([1], 2)", "[1, NULL]")
	f("(SELECT count(*) FROM range(20000000))", "20000000")
	f("(SELECT sum(x) FROM (SELECT unnest(range(4)) x))", "6")
	f("list_transform([1, 2], x -> repeat('a', x))", "[a, aa]")
}

type brokenSource struct{ panics, short bool }

func (b brokenSource) Scan(string, []int) (Iterator, error) { return b, nil }
func (b brokenSource) Close()                               {}
func (b brokenSource) Next() (*row.Batch, error) {
	if b.panics {
		panic("the source is broken")
	}
	if b.short {
		return &row.Batch{Len: 5000, Cols: []row.Vec{row.FromValues(row.T(row.Int64), []int64{1}, nil)}}, nil
	}
	return nil, errors.New("the source is empty-handed")
}

func TestReaderSurvivesBrokenSources(t *testing.T) {
	r := openReader(t, ReaderOptions{Threads: 2})
	defineTable(t, r, "t", intSchema)
	defineTable(t, r, "s", row.Schema{{Name: "s", Type: row.T(row.String)}})
	f := func(sql string, src Sources, message string) {
		t.Helper()
		rows, err := r.Query(t.Context(), sql, nil, src)
		if err == nil {
			_, err = readAll(rows)
		}
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("error %v, want %q", err, message)
		}
	}
	f("SELECT sum(n) FROM t", brokenSource{panics: true}, "the source is broken")
	f("SELECT sum(n) FROM t", brokenSource{short: true}, "has 1 values instead of 5000")
	f("SELECT sum(n) FROM t", brokenSource{}, "the source is empty-handed")
	f("SELECT sum(n) FROM t", snapshot{}, "no rows of t")
	bad := func(data string, offsets ...int32) snapshot {
		return snapshot{"s": {{Len: len(offsets) - 1, Cols: []row.Vec{{Type: row.T(row.String), Len: len(offsets) - 1, Data: []byte(data), Offsets: offsets}}}}}
	}
	f("SELECT max(s) FROM s", bad("a\xffb", 0, 3), "not UTF-8")
	f("SELECT max(s) FROM s", bad("aé", 0, 2, 3), "not UTF-8")
	f("SELECT max(s) FROM s", bad("abc", 0, 9), "past its bytes")
	f("SELECT max(s) FROM s", bad("abc", 0, 2, 1), "out of order")
	query(t, r, "SELECT max(s) FROM s", nil, bad("aéb", 0, 1, 3, 4))
}

func TestReaderConcurrentSnapshots(t *testing.T) {
	r := openReader(t, ReaderOptions{Threads: 2, Connections: 6})
	defineTable(t, r, "t", intSchema)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 30 {
				n := int64((g*31+i*977)%9000 + 1)
				src := snapshot{"t": ints(0, n, 1500)}
				rows, err := r.Query(t.Context(), "SELECT count(*), sum(a.n), (SELECT count(*) FROM t) FROM t a JOIN t b ON a.n = b.n WHERE a.n >= $1", []row.Value{row.IntValue(row.T(row.Int64), 0)}, src)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := readAll(rows)
				if err != nil {
					t.Error(err)
					return
				}
				if b.Cols[0].Value(0).I != n || b.Cols[1].Value(0).I != n*(n-1)/2 || b.Cols[2].Value(0).I != n {
					t.Errorf("count %d, sum %d of %d rows", b.Cols[0].Value(0).I, b.Cols[1].Value(0).I, n)
				}
			}
		})
	}
	for i := range 20 {
		if err := r.DefineTable(fmt.Sprintf("other%d", i%3), intSchema); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// endless yields rows for ever and counts closes.
type endless struct{ closed *atomic.Int32 }

func (e endless) Scan(string, []int) (Iterator, error) { return e, nil }
func (e endless) Close()                               { e.closed.Add(1) }
func (e endless) Next() (*row.Batch, error)            { return ints(0, 4096, 4096)[0], nil }

func TestReaderCancel(t *testing.T) {
	r := openReader(t, ReaderOptions{Threads: 2, Connections: 1})
	defineTable(t, r, "t", intSchema)
	var closed atomic.Int32
	src := endless{&closed}
	for _, sql := range []string{
		"SELECT sum(n) FROM t", "SELECT n FROM t", "SELECT count(*) FROM range(10000000000) a, range(1000000) b", "SELECT [n] FROM t",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		start := time.Now()
		rows, err := r.Query(ctx, sql, nil, src)
		for err == nil {
			_, err = rows.Next(ctx)
		}
		took := time.Since(start)
		cancel()
		e := wantError(t, err, KindInterrupted, "")
		if !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("%s: %v is not the context's error", sql, err)
		}
		if rows != nil {
			rows.Close()
		}
		if took > time.Second {
			t.Errorf("%s: canceled after %v", sql, took)
		}
		if got, _ := query(t, r, "SELECT 42", nil, nil); got.Cols[0].Value(0).I != 42 {
			t.Error("the reader is not usable after a cancel")
		}
	}
	// Closing early ends a query too.
	rows, err := r.Query(t.Context(), "SELECT n FROM t", nil, src)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := rows.Next(t.Context()); err != nil || b.Len < vectorSize {
		t.Fatal(b, err)
	}
	// While the only connection is taken, others wait, as long as their context lets them.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = r.Query(ctx, "SELECT 1", nil, nil)
	wantError(t, err, KindInterrupted, "")
	rows.Close()
	rows.Close()
	query(t, r, "SELECT 1", nil, nil)
	if closed.Load() != 4 {
		t.Errorf("%d of 4 scans were closed", closed.Load())
	}
}

func TestReaderMemoryLimit(t *testing.T) {
	r := openReader(t, ReaderOptions{Threads: 1, MemoryLimitBytes: 20 << 20})
	rows, err := r.Query(t.Context(), "SELECT count(*) FROM (SELECT i, count(*) FROM range(10000000) t(i) GROUP BY i)", nil, nil)
	if err == nil {
		_, err = readAll(rows)
	}
	wantError(t, err, KindOutOfMemory, "")
	query(t, r, "SELECT 1", nil, nil)
}

func TestReaderPlansStayFresh(t *testing.T) {
	r := openReader(t, ReaderOptions{Connections: 1})
	for i := range 3 {
		name := fmt.Sprintf("col%d", i)
		defineTable(t, r, "t", row.Schema{{Name: name, Type: row.T(row.Int64)}})
		_, schema := query(t, r, "SELECT * FROM t", nil, snapshot{"t": ints(0, 1, 1)})
		if schema[0].Name != name {
			t.Errorf("column %s, want %s", schema[0].Name, name)
		}
		schema, err := r.Describe(t.Context(), "SELECT *, [1] AS l FROM t")
		if err != nil || schema[0].Name != name || schema[1].Type.String() != "INTEGER[]" {
			t.Errorf("%v %v", schema, err)
		}
	}
	for i := range 100 {
		query(t, r, fmt.Sprintf("SELECT %d", i%50), nil, nil)
	}
}

func TestReaderClosed(t *testing.T) {
	r, err := OpenReader(ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defineTable(t, r, "t", intSchema)
	rows, err := r.Query(t.Context(), "SELECT n FROM t", nil, snapshot{"t": ints(0, 100000, 1000)})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	for b := new(row.Batch); b != nil && err == nil; {
		b, err = rows.Next(t.Context())
	}
	rows.Close()
	_, err = r.Query(t.Context(), "SELECT 1", nil, nil)
	wantError(t, err, KindClosed, "")
	wantError(t, r.DefineTable("u", intSchema), KindClosed, "")
	wantError(t, r.DefineView("u", "SELECT 1"), KindClosed, "")
	r.Close()
}

func BenchmarkQuery(b *testing.B) {
	r := openReader(b, ReaderOptions{Threads: 2})
	if err := r.DefineTable("t", intSchema); err != nil {
		b.Fatal(err)
	}
	args := []row.Value{row.IntValue(row.T(row.Int64), 0)}
	run := func(name, sql string, src Sources) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rows, err := r.Query(b.Context(), sql, args[:strings.Count(sql, "$1")], src)
				if err == nil {
					_, err = readAll(rows)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("one", "SELECT n FROM t WHERE n >= $1", snapshot{"t": ints(0, 1, 1)})
	run("constant", "SELECT n FROM t WHERE n >= 0", snapshot{"t": ints(0, 1, 1)})
	run("typed", "SELECT n FROM t WHERE n >= $1::BIGINT", snapshot{"t": ints(0, 1, 1)})
	run("sum1M", "SELECT sum(n) FROM t WHERE n >= $1", snapshot{"t": ints(0, 1_000_000, 16384)})
	run("all1M", "SELECT n FROM t WHERE n >= $1", snapshot{"t": ints(0, 1_000_000, 16384)})
}

// TestTooManyOpen: a query that waits for others to end gives up, and says what the bound is.
func TestTooManyOpen(t *testing.T) {
	r := openReader(t, ReaderOptions{Connections: 2, SlotTimeout: 50 * time.Millisecond})
	var open []*Rows
	for range 2 {
		rows, err := r.Query(t.Context(), "SELECT * FROM range(1000000)", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, rows)
	}
	_, err := r.Query(t.Context(), "SELECT 1", nil, nil)
	if e, ok := asError(err); !ok || e.Kind != KindBusy || !strings.Contains(e.Message, "2") {
		t.Errorf("one query too many: %v", err)
	}
	open[0].Close()
	rows, err := r.Query(t.Context(), "SELECT 1", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows.Close()
	open[1].Close()
}
