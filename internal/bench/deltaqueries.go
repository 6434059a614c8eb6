package bench

import "github.com/tidemill/tidemill/internal/row"

// deltaQuery is a query over relations that all have the columns of deltaSchema.
type deltaQuery struct {
	name, about string
	relations   []string
	// tables says that the relations are tables with the key id: a change replaces rows.
	tables bool
	sql    string
	// row makes row number n of a relation, history rows long before the changes.
	row func(r *deltaRun, relation, n, history int, delta bool) deltaRow
}

// deltaRow is a row; at is in microseconds since 1970.
type deltaRow struct{ id, k, v, at int64 }

func deltaSchema() row.Schema {
	return row.Schema{{Name: "id", Type: row.T(row.Int64)}, {Name: "k", Type: row.T(row.Int64)}, {Name: "v", Type: row.T(row.Int64)},
		{Name: "ts", Type: row.T(row.Timestamp)}}
}

// below returns a number below n, n above 0, the next of a sequence that is the same in each run (SplitMix64).
func (r *deltaRun) below(n int) int64 {
	r.random += 0x9e3779b97f4a7c15
	z := r.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int64((z ^ z>>31) % uint64(max(n, 1)))
}

// deltaTime is the time of the first row, 2024-01-01 in microseconds.
const deltaTime = 1_704_067_200_000_000

// The number of keys grows with the history, so that a key has as many rows after a long one as after a short one: what is compared
// is what a change costs that changes as much.
const rowsPerKey = 10

func keyedRow(r *deltaRun, _, n, history int, _ bool) deltaRow {
	return deltaRow{int64(n), r.below(history / rowsPerKey), r.below(1_000_000), deltaTime + int64(n)*1000}
}

func deltaQueries() []deltaQuery {
	return []deltaQuery{
		{name: "aggregate", about: "count, sum and maximum by key", relations: []string{"a"}, row: keyedRow,
			sql: "SELECT k, count(*) AS n, sum(v) AS total, max(v) AS highest FROM a GROUP BY k"},
		{name: "join", about: "join of two streams, summed up", relations: []string{"a", "b"}, row: keyedRow,
			sql: "SELECT a.id % 100 AS part, count(*) AS n, sum(a.v * b.v) AS total FROM a JOIN b ON a.k = b.k GROUP BY a.id % 100"},
		{name: "topn", about: "three highest rows of each key", relations: []string{"a"}, row: keyedRow,
			sql: "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v DESC, id) AS place FROM a) ranked WHERE place <= 3"},
		{name: "window", about: "count and average by key and minute", relations: []string{"a"},
			row: func(r *deltaRun, _, n, _ int, _ bool) deltaRow {
				return deltaRow{int64(n), r.below(1000), r.below(1_000_000), deltaTime + int64(n)*1000}
			},
			sql: "SELECT k, window_start, count(*) AS n, avg(v) AS mean FROM tumble('a', ts, INTERVAL 1 MINUTE) GROUP BY k, window_start"},
		{name: "join5", about: "five tables in a chain; each row of a change replaces one", relations: []string{"t1", "t2", "t3", "t4", "t5"}, tables: true,
			row: func(r *deltaRun, _, n, history int, delta bool) deltaRow {
				e := deltaRow{int64(n), r.below(history), r.below(1000), deltaTime + int64(n)*1000}
				if delta {
					e.id = r.below(history)
				}
				return e
			},
			sql: `SELECT t1.id % 100 AS part, count(*) AS n, sum(t1.v + t2.v + t3.v + t4.v + t5.v) AS total
FROM t1 JOIN t2 ON t1.k = t2.id JOIN t3 ON t2.k = t3.id JOIN t4 ON t3.k = t4.id JOIN t5 ON t4.k = t5.id GROUP BY t1.id % 100`},
		{name: "session", about: "sessions by key; each row of a change joins two", relations: []string{"a"}, row: sessionRow,
			sql: "SELECT k, window_start, window_end, count(*) AS n FROM session('a', ts, INTERVAL 10 SECONDS, k) GROUP BY k, window_start, window_end"},
	}
}

// sessionRow makes sessions of one row each, 15 seconds apart in each key; a change has rows in the middle between two.
func sessionRow(r *deltaRun, _, n, history int, delta bool) deltaRow {
	keys := max(history/100, 1)
	e := deltaRow{int64(n), int64(n % keys), r.below(1_000_000), deltaTime + int64(n/keys)*15_000_000}
	if delta {
		e.k = r.below(keys)
		e.at = deltaTime + r.below(history/keys-1)*15_000_000 + 7_500_000
	}
	return e
}
