package duck

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/row"
)

// TestQueryAt wants all that asks for the time to be given the time of the query, also in views, and no other query to notice.
func TestQueryAt(t *testing.T) {
	r := openReader(t, ReaderOptions{Connections: 1})
	if err := r.DefineView("clock", "SELECT now() AS n, current_date AS d"); err != nil {
		t.Fatal(err)
	}
	const query = `SELECT (SELECT n::TIMESTAMP || ' ' || d FROM clock), now()::VARCHAR, current_timestamp::VARCHAR, get_current_timestamp()::VARCHAR, transaction_timestamp()::VARCHAR,
		today()::VARCHAR, current_localtimestamp()::VARCHAR, current_localtime()::VARCHAR, current_time::VARCHAR, age(TIMESTAMP '2024-02-27')::VARCHAR, age(DATE '2024-03-01', DATE '2024-02-27')::VARCHAR, typeof(now())`
	read := func(rows *Rows, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		b, err := rows.Next(context.Background())
		if err != nil || b == nil {
			t.Fatal(b, err)
		}
		return string(row.AppendRowArrayJSON(nil, b, 0))
	}
	at := time.Date(2024, 2, 28, 23, 59, 59, 250_000_000, time.UTC)
	want := `["2024-02-28 23:59:59.25 2024-02-28","2024-02-28 23:59:59.25+00","2024-02-28 23:59:59.25+00","2024-02-28 23:59:59.25+00","2024-02-28 23:59:59.25+00",` +
		`"2024-02-28","2024-02-28 23:59:59.25","23:59:59.25","23:59:59.25","1 day","3 days","TIMESTAMP WITH TIME ZONE"]`
	for range 2 {
		if got := read(r.QueryAt(t.Context(), query, at, nil)); got != want {
			t.Errorf("at the time:\n%s, want\n%s", got, want)
		}
		if got := read(r.Query(t.Context(), query, nil, nil)); strings.Contains(got, "2024-02-28") {
			t.Errorf("a query after it: %s", got)
		}
	}
	if _, err := r.QueryAt(t.Context(), "SELECT missing", at, nil); err == nil {
		t.Error("a query that cannot be planned succeeds")
	}
	if got := read(r.QueryAt(t.Context(), query, at, nil)); got != want {
		t.Errorf("after an error: %s", got)
	}
}
