package duck

import (
	"fmt"
	"strings"

	capi "github.com/duckdb/duckdb-go-bindings"
)

// sessionMarker stands in plans for the bounds of a session: its arguments are the time, the gap, and whether the end is meant. It is an
// argument of a window function whose partitions are the session's keys.
const sessionMarker = "stream_session"

// sessionKeys bounds the keys of session().
const sessionKeys = 6

// windowMacros are the table functions that divide a relation's rows into windows of time. Each adds window_start and window_end. The planner's session
// bounds are sessionMarker's; elsewhere they are computed.
func windowMacros(planner bool) []string {
	macros := []string{
		`CREATE MACRO tumble(rel, col, size) AS TABLE SELECT *, time_bucket(size, col) AS window_start, time_bucket(size, col) + size AS window_end FROM query_table(rel)`,
		`CREATE MACRO hop(rel, col, slide, size) AS TABLE SELECT *, window_start + size AS window_end FROM (
			SELECT *, unnest(generate_series(time_bucket(slide, col - size + slide), time_bucket(slide, col), slide)) AS window_start FROM query_table(rel))`,
	}
	forms := make([]string, sessionKeys+1)
	for n := range forms {
		forms[n] = sessionMacro(n, planner)
	}
	return append(macros, "CREATE MACRO session"+strings.Join(forms, ", "))
}

// sessionMacro is the form of session() with n keys.
func sessionMacro(n int, planner bool) string {
	params, partition := "(rel, col, gap", ""
	for i := range n {
		params += fmt.Sprintf(", k%d", i+1)
		if partition += ", "; i == 0 {
			partition = "PARTITION BY "
		}
		partition += fmt.Sprintf("k%d", i+1)
	}
	if planner {
		return fmt.Sprintf(`%s) AS TABLE (SELECT *, max(%s(col, gap, false)) OVER (%s) AS window_start, max(%s(col, gap, true)) OVER (%[3]s) AS window_end
			FROM query_table(rel) WHERE col IS NOT NULL)`, params, sessionMarker, partition, sessionMarker)
	}
	inner := strings.Replace(partition, "PARTITION BY ", "", 1)
	if inner != "" {
		inner += ", "
	}
	return fmt.Sprintf(`%s) AS TABLE (SELECT * EXCLUDE (stream_session_number), min(col) OVER (PARTITION BY %s stream_session_number) AS window_start,
			max(col) OVER (PARTITION BY %[2]s stream_session_number) AS window_end
		FROM (SELECT * EXCLUDE (stream_session_begins), sum(stream_session_begins) OVER (%[3]s ORDER BY col) AS stream_session_number
			FROM (SELECT *, CASE WHEN col - lag(col) OVER (%[3]s ORDER BY col) > gap THEN 1 ELSE 0 END AS stream_session_begins
				FROM query_table(rel) WHERE col IS NOT NULL)))`, params, inner, partition)
}

// registerSessionMarker makes sessionMarker known for the types of time.
func registerSessionMarker(c *conn) error {
	var forms []signature
	for _, t := range []capi.Type{capi.TypeTimestamp, capi.TypeTimestampTZ, capi.TypeDate} {
		forms = append(forms, signature{params: []func() capi.LogicalType{plainType(t), plainType(capi.TypeInterval), plainType(capi.TypeBoolean)}, result: plainType(t)})
	}
	return registerRefusing(c, sessionMarker, false, forms)
}
