package session

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/row"
)

// verifying is a session over a database in memory.
type verifying struct {
	t   *testing.T
	ctx context.Context
	db  *Database
	*Session
}

func newVerifying(t *testing.T) *verifying {
	l := memlog.New(memlog.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	db, err := OpenDatabase(ctx, DatabaseOptions{Name: "main", Log: l, Logger: slog.New(slog.DiscardHandler), Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	v := &verifying{t, ctx, db, db.NewSession(Options{})}
	t.Cleanup(func() {
		v.Close()
		db.Close()
		cancel()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// rows runs statements and returns the rows of the last, as JSON.
func (v *verifying) rows(statements ...string) []string {
	v.t.Helper()
	var out []string
	for _, s := range statements {
		p, err := v.Prepare(v.ctx, s, nil)
		if err != nil {
			v.t.Fatalf("%s: %v", s, err)
		}
		r, err := v.Execute(v.ctx, p, nil)
		if err != nil {
			v.t.Fatalf("%s: %v", s, err)
		}
		b, err := collect(v.ctx, r)
		if err != nil {
			v.t.Fatalf("%s: %v", s, err)
		}
		out = nil
		for i := range b.Len {
			out = append(out, string(row.AppendRowArrayJSON(nil, b, i)))
		}
	}
	return out
}

func TestVerify(t *testing.T) {
	v := newVerifying(t)
	v.rows(`CREATE STREAM s (k INTEGER, x DOUBLE, name VARCHAR)`, `CREATE TABLE t (k INTEGER PRIMARY KEY, w INTEGER)`,
		`INSERT INTO s SELECT i % 100, random() * 1e6, 'n' || i % 7 FROM range(20000) r(i)`, `INSERT INTO t SELECT i, i FROM range(100) r(i)`,
		`CREATE MATERIALIZED VIEW sums AS SELECT k, sum(x) AS x, avg(x) AS mean, count(*) AS n FROM s GROUP BY k`,
		`CREATE MATERIALIZED VIEW joined AS SELECT s.name, sum(t.w) AS w FROM s JOIN t USING (k) GROUP BY s.name`,
		`CREATE MATERIALIZED VIEW over_view AS SELECT max(n) AS most FROM sums`,
		`CREATE MATERIALIZED VIEW bag AS SELECT name FROM s`, `CREATE VIEW plain AS SELECT 1 AS x`)
	for range 5 {
		v.rows(`INSERT INTO s SELECT i % 100, random(), 'm' || i % 5 FROM range(1000) r(i)`, `UPDATE t SET w = w + 1 WHERE k < 50`, `DELETE FROM t WHERE k = 99`)
	}
	for _, view := range []string{"sums", "joined", "over_view", "bag"} {
		for _, with := range []string{"", " WITH (sample = 0.2)", " WITH (rows = 10)"} {
			if got := v.rows(`VERIFY VIEW ` + view + with); len(got) != 1 || !strings.HasPrefix(got[0], `["equal",`) {
				t.Errorf("%s%s: %v", view, with, got)
			}
		}
	}
	// A view whose definition says something else than what runs.
	for view, query := range map[string]string{
		"sums":   `SELECT k, sum(x) * (1 + 1e-12) AS x, avg(x) AS mean, count(*) AS n FROM s GROUP BY k`,
		"joined": `SELECT s.name, sum(t.w) + CASE WHEN s.name = 'n1' THEN 1 ELSE 0 END AS w FROM s JOIN t USING (k) WHERE s.name <> 'm1' GROUP BY s.name`,
		"bag":    `SELECT name FROM s UNION ALL SELECT 'extra' UNION ALL SELECT 'extra'`,
	} {
		rel := *v.db.catalog.Get(view)
		rel.Query = query
		v.db.catalog.Apply(catalog.Change{Put: &rel})
	}
	if got := v.rows(`VERIFY VIEW sums`); !strings.HasPrefix(got[0], `["equal",100,`) {
		t.Errorf("floats within the tolerance: %v", got)
	}
	if got := v.rows(`VERIFY VIEW joined`); len(got) != 4 || !strings.HasPrefix(got[0], `["differs",12,`) || strings.Count(strings.Join(got, ""), `["unexpected",1,`) != 2 || strings.Count(strings.Join(got, ""), `["missing",1,{`) != 1 {
		t.Errorf("joined: %v", got)
	}
	if got := v.rows(`VERIFY VIEW bag`); len(got) != 2 || !strings.HasPrefix(got[1], `["missing",2,{"name":"extra"}`) {
		t.Errorf("bag: %v", got)
	}
	if got := v.rows(`SELECT view, equal, missing, unexpected FROM tidemill.verifications WHERE NOT equal ORDER BY view`); len(got) != 2 || got[0] != `["bag",false,2,0]` || got[1] != `["joined",false,1,2]` {
		t.Errorf("verifications: %v", got)
	}
	if got := v.rows(`SELECT name, verified_equal, verified_at IS NOT NULL FROM tidemill.view_status WHERE name IN ('bag', 'over_view') ORDER BY name`); strings.Join(got, "") != `["bag",false,true]["over_view",true,true]` {
		t.Errorf("view_status: %v", got)
	}
	for _, bad := range []string{`VERIFY VIEW plain`, `VERIFY VIEW t`, `VERIFY VIEW nowhere`, `VERIFY VIEW sums WITH (sample = 2)`, `VERIFY VIEW sums WITH (rows = 0)`, `VERIFY VIEW sums WITH (depth = 1)`} {
		p, err := v.Prepare(v.ctx, bad, nil)
		if err == nil {
			_, err = v.Execute(v.ctx, p, nil)
		}
		if err == nil {
			t.Errorf("%s succeeds", bad)
		}
	}
}

// TestVerifyTrimmedInput wants a view over history that retention removed not to be called wrong.
func TestVerifyTrimmedInput(t *testing.T) {
	v := newVerifying(t)
	v.rows(`CREATE STREAM s (n INTEGER, filler VARCHAR) WITH (retention_bytes = 200000)`, `CREATE MATERIALIZED VIEW c AS SELECT count(*) AS n FROM s`)
	for range 10 {
		v.rows(`INSERT INTO s SELECT i, repeat('x', 100) FROM range(500) r(i)`)
	}
	got := v.rows(`VERIFY VIEW c`)
	if !strings.HasPrefix(got[0], `["unknown",1,`) || !strings.Contains(got[0], "retention") {
		t.Errorf("got %v", got)
	}
	if got := v.rows(`SELECT equal FROM tidemill.verifications`); len(got) != 1 || got[0] != `[null]` {
		t.Errorf("recorded as %v", got)
	}
}

// TestVerifyAndTime wants views whose answer depends on time to be verified for what can be known.
func TestVerifyAndTime(t *testing.T) {
	v := newVerifying(t)
	v.rows(`CREATE STREAM s (n INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 1 SECOND)`,
		`CREATE MATERIALIZED VIEW final WITH (emit = 'final') AS SELECT time_bucket(INTERVAL 1 MINUTE, at) AS minute, count(*) AS n FROM s GROUP BY ALL`,
		`CREATE MATERIALIZED VIEW recent AS SELECT n, at FROM s WHERE at > now()::TIMESTAMP - INTERVAL 1 HOUR`,
		`INSERT INTO s SELECT i, TIMESTAMP '2024-01-01' + to_seconds(i) FROM range(200) r(i)`)
	if got := v.rows(`VERIFY VIEW final`); len(got) != 1 || !strings.HasPrefix(got[0], `["equal",3,`) || !strings.Contains(got[0], "may be open") {
		t.Errorf("final: %v", got)
	}
	v.rows(`INSERT INTO s VALUES (1, TIMESTAMP '2024-01-01 00:00:01')`)
	if got := v.rows(`VERIFY VIEW final`); !strings.HasPrefix(got[0], `["unknown",3,`) || !strings.Contains(got[0], "1 rows came too late") {
		t.Errorf("final, after a late row: %v", got)
	}
	if got := v.rows(`VERIFY VIEW recent`); len(got) != 1 || !strings.HasPrefix(got[0], `["equal",0,`) {
		t.Errorf("recent: %v", got)
	}
}

func TestVerifyOnSchedule(t *testing.T) {
	v := newVerifying(t)
	v.rows(`CREATE STREAM s (n INTEGER)`, `INSERT INTO s VALUES (1), (2)`, `CREATE MATERIALIZED VIEW c WITH (verify = '1 second') AS SELECT sum(n) AS n FROM s`,
		`CREATE MATERIALIZED VIEW d AS SELECT sum(n) AS n FROM s`)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := v.rows(`SELECT DISTINCT view, equal FROM tidemill.verifications`)
		if len(got) == 1 && got[0] == `["c",true]` {
			break
		}
		if len(got) > 0 || time.Now().After(deadline) {
			t.Fatalf("verifications: %v", got)
		}
	}
	v.rows(`ALTER MATERIALIZED VIEW c SET (verify = '1 day')`)
	if got := v.rows(`SELECT options FROM tidemill.views WHERE name = 'c'`); !strings.Contains(got[0], "1 day") {
		t.Errorf("options are %v", got)
	}
}

func TestCloseFloats(t *testing.T) {
	bb := row.NewBatchBuilder([]row.Type{row.T(row.Int32), row.T(row.Float64), row.T(row.Float64)}, 8)
	r := rand.New(rand.NewPCG(1, 2))
	var weights []int64
	add := func(k int64, a, b float64, w int64) {
		bb.Cols[0].AppendInt(k)
		bb.Cols[1].AppendFloat(a)
		bb.Cols[2].AppendFloat(b)
		weights = append(weights, w)
	}
	for k := range int64(50) {
		a, b := r.Float64()*1e9, r.NormFloat64()
		add(k, a, b, 2)
		add(k, a*(1+5e-10), b, -1)
		add(k, a, b*(1-5e-10), -1)
	}
	add(100, 1, 1, 1)
	add(100, 1+1e-8, 1, -1)
	add(101, 0, 1, 1)
	add(102, 0, 1, -1)
	d := bb.Finish(len(weights))
	d.Weights = weights
	if got := closeFloats(d); got.Len != 4 {
		t.Errorf("%d differences are left, want 4", got.Len)
	}
}
