package accept

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// goNames are what must not be in an error: names of Go types and packages, and what Go prints of them.
var goNames = regexp.MustCompile(`\*?\b(?:json|http|io|strconv|duck|row|sql|session|fault|engine|catalog|ingest|plan|scalar|log|runtime|errors|bufio|net|pgwire|hub|view|url)\.[A-Z]\w+|Go (?:value|struct)|interface \{|goroutine|nil pointer|%!|\bBUG\b|unexpected EOF`)

// refusal is an error as a client of some door sees it.
type refusal struct{ code, message, detail, hint string }

func (r refusal) String() string {
	return fmt.Sprintf("%s %s | %s | %s", r.code, r.message, r.detail, r.hint)
}

// clear wants an error that says something to a user.
func (r refusal) clear(t *testing.T, what string) {
	t.Helper()
	switch text := r.message + " " + r.detail + " " + r.hint; {
	case len(r.code) != 5 || strings.HasPrefix(r.code, "XX") || r.message == "":
		t.Errorf("%s: not a clear error: %v", what, r)
	case goNames.MatchString(text):
		t.Errorf("%s: the error shows %q: %v", what, goNames.FindString(text), r)
	case len(text) > 4000:
		t.Errorf("%s: the error has %d bytes: %.300s…", what, len(text), text)
	}
}

// sentinel is a node with a view that has to stay right whatever the node is sent.
type sentinel struct {
	*process
	events int // in the stream good
}

func startSentinel(t *testing.T) *sentinel {
	p := start(t, "--memory")
	p.must(`CREATE STREAM good (k VARCHAR NOT NULL, n INTEGER)`)
	p.must(`CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR)`)
	p.must(`CREATE MATERIALIZED VIEW sums AS SELECT k, count(*) AS c, sum(n) AS s FROM good GROUP BY k`)
	return &sentinel{process: p}
}

// alive wants the node to answer, to take an event and to show it in the view.
func (s *sentinel) alive(what string) {
	s.t.Helper()
	if status, text, _ := s.request("GET", "/healthz", "", ""); status != http.StatusOK {
		s.t.Fatalf("after %s: healthz %d %s", what, status, text)
	}
	status, text, h := s.request("POST", "/v1/streams/good", "application/json", `{"k":"sentinel","n":2}`)
	if status != http.StatusOK || !strings.Contains(text, `"accepted":1`) {
		s.t.Fatalf("after %s: an event is answered by %d %s", what, status, text)
	}
	s.events++
	a := s.sql(`SELECT c, s FROM sums WHERE k = 'sentinel'`, h.Get("Tidemill-Token"))
	if a.Error != nil || len(a.Rows) != 1 || number(a.Rows[0][0]) != s.events {
		s.t.Fatalf("after %s: the view has %v, %+v, want %d events", what, a.Rows, a.Error, s.events)
	}
}

// refused wants a request to be refused with the status and a clear error whose text holds part.
func (s *sentinel) refused(what string, wantStatus int, part string, status int, text string) {
	s.t.Helper()
	var body struct{ Error refusalBody }
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		s.t.Errorf("%s: %d, not an error: %.300s", what, status, text)
		return
	}
	r := body.Error.refusal()
	r.clear(s.t, what)
	if status != wantStatus || !strings.Contains(strings.ToLower(r.String()), strings.ToLower(part)) {
		s.t.Errorf("%s: %d %v, want %d with %q", what, status, r, wantStatus, part)
	}
}

type refusalBody struct{ Code, Message, Detail, Hint string }

func (b refusalBody) refusal() refusal { return refusal{b.Code, b.Message, b.Detail, b.Hint} }

func deepJSON(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// TestBadBodies sends bodies to the door for events that are wrong as a whole.
func TestBadBodies(t *testing.T) {
	s := startSentinel(t)
	const js, nd, csv = "application/json", "application/x-ndjson", "text/csv"
	large := strings.Repeat("x", 65<<20)
	for _, c := range []struct {
		what, relation, contentType, body string
		status                            int
		part                              string
	}{
		{"no JSON", "good", js, `{"k":`, 400, "json"},
		{"rubbish", "good", js, "\x00\xff\x01rubbish", 400, ""},
		{"empty", "good", js, "", 400, ""},
		{"a number", "good", js, "42", 400, ""},
		{"deep", "good", js, deepJSON(100_000), 400, ""},
		{"unknown type", "good", "application/x-tar", "x", 415, "application/json"},
		{"malformed type", "good", ";;;", "{}", 415, ""},
		{"other charset", "good", "application/json; charset=utf-16", "{}", 415, "UTF-8"},
		{"no relation", "absent", js, `{"k":"a"}`, 404, "absent"},
		{"a view", "sums", js, `{"k":"a"}`, 400, ""},
		{"65 MiB", "good", js, large, 413, "67108864"},
		{"not Arrow", "good", "application/vnd.apache.arrow.stream", "rubbish", 400, ""},
		{"no CSV header", "good", csv, "", 400, ""},
		{"CSV quotes", "good", csv, "k,n\n\"a,1\n", 400, ""},
		{"not a CloudEvent", "good", "application/cloudevents+json", `{"specversion":"1.0"}`, 400, ""},
	} {
		status, text, _ := s.request("POST", "/v1/streams/"+c.relation, c.contentType, c.body)
		if status == http.StatusOK { // a verdict on each event is as good
			s.verdict(c.what, text, 0, -1)
			continue
		}
		s.refused(c.what, c.status, c.part, status, text)
	}
	status, text, _ := s.request("POST", "/v1/streams/good", nd, large+"\n")
	s.refused("65 MiB of one line", 413, "", status, text)
	s.alive("bad bodies")
}

// verdict wants so many events accepted and rejected (-1 is any number), each rejection with a clear reason.
func (s *sentinel) verdict(what, text string, accepted, rejected int) {
	s.t.Helper()
	var v struct {
		Accepted, Rejected int
		Errors             []struct {
			Index                 int
			Code, Column, Message string
		}
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		s.t.Errorf("%s: %v in %.300s", what, err, text)
		return
	}
	if v.Accepted != accepted || rejected >= 0 && v.Rejected != rejected || v.Rejected > 0 && len(v.Errors) == 0 {
		s.t.Errorf("%s: %.500s, want %d accepted and %d rejected", what, text, accepted, rejected)
	}
	for _, e := range v.Errors {
		r := refusal{code: e.Code, message: e.Message}
		if r.message == "" || goNames.MatchString(r.message) || strings.HasPrefix(r.code, "XX") {
			s.t.Errorf("%s: event %d: %v", what, e.Index, r)
		}
	}
}

// TestBadEvents sends bad events between good ones, which have to be stored.
func TestBadEvents(t *testing.T) {
	s := startSentinel(t)
	wide := make([]string, 10_000)
	for i := range wide {
		wide[i] = fmt.Sprintf(`"c%d":%d`, i, i)
	}
	bad := map[string]string{
		"wrong type": `{"k":"a","n":"many"}`, "a fraction": `{"k":"a","n":1.5}`, "an overflow": `{"k":"a","n":99999999999}`, "an object": `{"k":{"a":1},"n":{"b":2}}`,
		"unknown column": `{"k":"a","m":1}`, "null": `{"k":null,"n":1}`, "missing": `{"n":1}`, "not JSON": `{"k":`, "not an object": `[1]`, "a word": `rubbish`,
		"NUL": `{"k":"a\u0000b","n":"\u0000"}`, "raw NUL": "{\"k\":\"a\x00b\",\"n\":1}", "invalid UTF-8": "{\"k\":\"a\xff\xfe\",\"n\":1}", "half a surrogate": `{"k":"\ud800","n":"x"}`,
		"deep": `{"k":"a","n":` + deepJSON(100_000) + `}`, "10,000 columns": `{"k":"a",` + strings.Join(wide, ",") + `}`, "10 MB": `{"k":"` + strings.Repeat("x", 10<<20) + `","n":1}`,
		"twice": `{"k":"a","n":1,"n":"b"}`, "control": "{\"k\":\"a\tb\",\"n\":x}",
	}
	n := 0
	for what, event := range bad {
		status, text, h := s.request("POST", "/v1/streams/good", "application/x-ndjson", `{"k":"neighbour","n":1}`+"\n"+event+"\n"+`{"k":"neighbour","n":1}`+"\n")
		if status != http.StatusOK {
			t.Errorf("%s: %d %.300s", what, status, text)
			continue
		}
		s.verdict(what, text, 2, 1)
		n += 2
		if a := s.sql(`SELECT c FROM sums WHERE k = 'neighbour'`, h.Get("Tidemill-Token")); len(a.Rows) != 1 || number(a.Rows[0][0]) != n {
			t.Fatalf("%s: the neighbours are %v, want %d", what, a.Rows, n)
		}
	}
	status, text, _ := s.request("POST", "/v1/streams/good", "text/csv", "k,n\nneighbour,1\nneighbour,many\n,\nneighbour,1\n")
	if status != http.StatusOK {
		t.Errorf("CSV: %d %s", status, text)
	}
	s.verdict("CSV", text, 2, 2)
	status, text, _ = s.request("DELETE", "/v1/streams/t", "application/json", `[{"id":1},{"name":"a"},{"id":"x"}]`)
	if status == http.StatusOK {
		s.verdict("deletes", text, 1, 2)
	} else {
		s.refused("deletes", 400, "", status, text)
	}
	s.alive("bad events")
	deadline := time.Now().Add(20 * time.Second)
	for number(s.must(`SELECT count(*) FROM tidemill.rejects WHERE relation = 'good'`).Rows[0][0]) < len(bad) && time.Now().Before(deadline) {
	}
	for _, r := range s.must(`SELECT code, message FROM tidemill.rejects`).Rows {
		if m := r[1].(string); goNames.MatchString(m) {
			t.Errorf("tidemill.rejects shows %s", m)
		}
	}
}

// door is a way to send SQL; it returns nil if the statement was taken.
type door struct {
	name string
	run  func(t *testing.T, sql string) *refusal
}

// doors are HTTP and the Postgres door, with both of its protocols.
func (s *sentinel) doors() []door {
	return []door{
		{"http", func(t *testing.T, sql string) *refusal {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			body, err := json.Marshal(map[string]string{"sql": sql})
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(ctx, "POST", "http://"+s.http+"/v1/sql", strings.NewReader(string(body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatalf("%.200q: %v", sql, err)
			}
			defer res.Body.Close()
			var a struct{ Error *refusalBody }
			if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
				t.Fatalf("%.200q: %v", sql, err)
			}
			if a.Error == nil {
				return nil
			}
			r := a.Error.refusal()
			return &r
		}},
		{"simple", s.postgres(pgx.QueryExecModeSimpleProtocol)},
		{"extended", s.postgres(pgx.QueryExecModeExec)},
	}
}

// postgres is a door that keeps its connection.
func (s *sentinel) postgres(mode pgx.QueryExecMode) func(t *testing.T, sql string) *refusal {
	var c *pgx.Conn
	return func(t *testing.T, sql string) *refusal {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if c == nil || c.IsClosed() {
			c = s.connect(t)
		}
		var err error
		if mode == pgx.QueryExecModeSimpleProtocol {
			_, err = c.PgConn().Exec(ctx, sql).ReadAll()
		} else {
			err = c.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read().Err
		}
		var e *pgconn.PgError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &e):
			return &refusal{e.Code, e.Message, e.Detail, e.Hint}
		}
		t.Errorf("%.200q: %v", sql, err)
		return nil
	}
}

func (s *sentinel) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, "postgres://ada@"+s.pg+"/main?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

// TestBadStatements sends statements to every door that have to be refused with a clear error.
func TestBadStatements(t *testing.T) {
	s := startSentinel(t)
	s.must(`CREATE TABLE dropped (a INTEGER)`)
	s.must(`DROP TABLE dropped`)
	names := make([]string, 60_000)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	ops, joins := strings.Repeat("n + ", 900)+"n", "good a0"
	for i := 1; i <= 200; i++ {
		joins += fmt.Sprintf(" JOIN good a%d ON a0.k = a%d.k", i, i)
	}
	for _, c := range []struct{ what, sql, part string }{
		{"syntax", `SELECT 1 FRM t`, "syntax"}, {"no statement", `blorb`, ""}, {"no column", `SELECT nothing FROM t`, "nothing"}, {"no relation", `SELECT * FROM absent`, "absent"},
		{"no function", `SELECT blorb(1)`, "blorb"}, {"types", `SELECT DATE '2020-01-01' + TRUE`, ""}, {"no such cast", `SELECT 'x'::INTEGER`, "x"}, {"ambiguous", `SELECT id FROM t a, t b`, "ambiguous"},
		{"quote", `SELECT 'abc`, ""}, {"comment", `SELECT 1 /* abc`, ""}, {"dollar", `SELECT $a$ abc`, ""}, {"parenthesis", `SELECT (1`, ""},
		{"insert", `INSERT INTO t VALUES ('x', 1)`, "x"}, {"insert too many", `INSERT INTO t VALUES (1, 'a', 2)`, ""}, {"insert into a view", `INSERT INTO sums VALUES ('a', 1, 1)`, "sums"},
		{"insert null", `INSERT INTO good VALUES (NULL, 1)`, "k"}, {"update a stream", `UPDATE good SET n = 1`, "good"}, {"delete of a stream", `DELETE FROM good`, "good"},
		{"view on dropped", `CREATE MATERIALIZED VIEW v AS SELECT * FROM dropped`, "dropped"}, {"view on itself", `CREATE MATERIALIZED VIEW self AS SELECT * FROM self`, "self"},
		{"plain view on itself", `CREATE VIEW self AS SELECT * FROM self`, "self"}, {"drop with dependents", `DROP STREAM good`, "sums"}, {"drop of the other kind", `DROP VIEW good`, "good"},
		{"drop absent", `DROP TABLE absent`, "absent"}, {"a second of the name", `CREATE TABLE t (a INTEGER)`, "t"}, {"no such type", `CREATE TABLE x (a BLORB)`, "blorb"},
		{"a column twice", `CREATE TABLE x (a INTEGER, A INTEGER)`, "a"}, {"no columns", `CREATE TABLE x ()`, ""}, {"option", `CREATE STREAM x (a INTEGER) WITH (blorb = 1)`, "blorb"},
		{"partitions", `CREATE STREAM x (a INTEGER) WITH (partitions = 1000000)`, "partitions"}, {"window view", `CREATE MATERIALIZED VIEW w AS SELECT fill(id) OVER (ORDER BY id) AS f FROM t`, "window"},
		{"positional join", `CREATE MATERIALIZED VIEW w AS SELECT a.id FROM t a POSITIONAL JOIN t b`, "JOIN"}, {"limit", `CREATE MATERIALIZED VIEW w AS SELECT * FROM t LIMIT 10%`, "LIMIT"},
		{"now", `CREATE MATERIALIZED VIEW w AS SELECT now() AS x FROM t`, ""}, {"division", `SELECT error('zero')`, "zero"}, {"overflow", `SELECT 9223372036854775807 + 1::BIGINT`, ""},
		{"files", `SELECT * FROM read_csv('/etc/passwd')`, ""}, {"copy of files", `COPY t FROM '/etc/passwd'`, ""}, {"attach", `ATTACH '/tmp/x.db'`, ""}, {"pragma", `PRAGMA threads=1`, ""}, {"load", `LOAD httpfs`, ""},
		{"TRY", `SELECT TRY(CASE WHEN id > 0 THEN 1 // id END) FROM t`, "TRY"}, {"struct_update", `SELECT struct_update({'a': 1}, a := 2)`, "struct_update"},
		{"isoyear", `SELECT date_diff('isoyear', now(), now())`, "isoyear"},
		{"range", `SELECT range(1000000000)`, ""}, {"200 joins", `SELECT count(*) FROM ` + joins, "40"}, {"900 operators", `SELECT ` + ops + ` FROM good`, "160"},
		{"parentheses", `SELECT ` + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), ""}, {"brackets", `SELECT ` + deepJSON(100_000), ""},
		{"long list", `SELECT * FROM t WHERE id IN (` + strings.Join(names, ",") + `)`, "50000"}, {"2 MiB", `SELECT '` + strings.Repeat("x", 2<<20) + `'`, "1048576"},
		{"invalid parameter", `SELECT $1::INTEGER + $3::INTEGER`, ""}, {"token", `SET tidemill.after = 'rubbish'`, ""},
		{"subscribe", `SUBSCRIBE TO absent`, "absent"}, {"fetch", `FETCH 1 FROM absent`, ""}, {"2,001 columns", `CREATE TABLE x (` + columnList(2001) + `)`, "2000"},
	} {
		for _, d := range s.doors() {
			what := c.what + " at " + d.name
			r := d.run(t, c.sql)
			if r == nil {
				t.Errorf("%s: taken", what)
				continue
			}
			r.clear(t, what)
			if !strings.Contains(strings.ToLower(r.String()), strings.ToLower(c.part)) {
				t.Errorf("%s: %.500s, want %q in it", what, r, c.part)
			}
		}
	}
	s.alive("bad statements")
}

func columnList(n int) string {
	cols := make([]string, n)
	for i := range cols {
		cols[i] = fmt.Sprintf("c%d INTEGER", i)
	}
	return strings.Join(cols, ", ")
}

// TestPositions wants the place of an error at both doors.
func TestPositions(t *testing.T) {
	s := startSentinel(t)
	c := s.connect(t)
	for sql, at := range map[string]int{
		`SELECT 1 +`: 0, `SELECT ä FROM t`: 8, `SELECT id, nothing FROM t`: 12, `SELECT 'ö', * FROM absent`: 20, `SELECT 1; SELECT nothing FROM t`: 18,
		`CREATE MATERIALIZED VIEW v AS SELECT nothing FROM t`: 38, `CREATE STREAM x (a BLORB)`: 20,
	} {
		a := s.sql(sql, "")
		var e *pgconn.PgError
		_, err := c.PgConn().Exec(t.Context(), sql).ReadAll()
		if a.Error == nil || !errors.As(err, &e) {
			t.Errorf("%s: %+v, %v", sql, a.Error, err)
			continue
		}
		if at > 0 && (a.Error.Position != at || int(e.Position) != at) {
			t.Errorf("%s: positions %d and %d, want %d", sql, a.Error.Position, e.Position, at)
		}
	}
}

// TestTransactionsRefuseDefinitions wants DDL inside of a block to be refused and the block to be gone after ROLLBACK.
func TestTransactionsRefuseDefinitions(t *testing.T) {
	s := startSentinel(t)
	c := s.connect(t)
	for _, sql := range []string{`CREATE TABLE x (a INTEGER)`, `DROP TABLE t`, `CREATE MATERIALIZED VIEW x AS SELECT * FROM t`} {
		for i, want := range []string{`BEGIN`, sql, `SELECT 1`, `ROLLBACK`} {
			_, err := c.PgConn().Exec(t.Context(), want).ReadAll()
			var e *pgconn.PgError
			if bad := i == 1 || i == 2; bad != errors.As(err, &e) {
				t.Errorf("%s: %s: %v", sql, want, err)
			} else if bad {
				refusal{e.Code, e.Message, e.Detail, e.Hint}.clear(t, want)
			}
		}
	}
	s.alive("definitions in blocks")
}

// TestBadRequests asks the other paths for what is not there.
func TestBadRequests(t *testing.T) {
	s := startSentinel(t)
	for _, c := range []struct {
		method, path, contentType, body string
		status                          int
	}{
		{"GET", "/v1/blorb", "", "", 404}, {"PUT", "/v1/streams/good", "", "", 405}, {"GET", "/v1/views/absent", "", "", 404}, {"GET", "/v1/views/sums?blorb=1", "", "", 400},
		{"GET", "/v1/views/sums?limit=-1", "", "", 400}, {"GET", "/v1/views/sums?limit=99999999999999999999", "", "", 400}, {"GET", "/v1/views/sums?cursor=rubbish", "", "", 400},
		{"GET", "/v1/views/t?id=x", "", "", 400}, {"GET", "/v1/views/sums?after=rubbish", "", "", 400}, {"GET", "/v1/live", "", "", 400}, {"GET", "/v1/live/absent", "", "", 404},
		{"GET", "/v1/live/sums?blorb=1", "", "", 400}, {"GET", "/v1/live/t?id=x", "", "", 400}, {"GET", "/v1/live?sql=" + url.QueryEscape("SELECT 1 FRM t"), "", "", 400},
		{"GET", "/v1/live?sql=" + url.QueryEscape("DROP TABLE t"), "", "", 400}, {"GET", "/v1/live/sums?lastEventId=rubbish", "", "", 400}, {"GET", "/v1/live/sums?conflate=rubbish", "", "", 400},
		{"GET", "/v1/views/sums?database=absent", "", "", 404}, {"GET", "/v1/views/%00", "", "", 404}, {"GET", "/v1/views/%ff%fe", "", "", 404}, {"GET", "/v1/views/sums?k=%ff%00", "", "", 400},
		{"POST", "/v1/sql", "application/json", `{"sql":`, 400}, {"POST", "/v1/sql", "application/json", `{"sql":1}`, 400}, {"POST", "/v1/sql", "application/json", `{"blorb":1}`, 400},
		{"POST", "/v1/sql", "application/json", "", 400}, {"POST", "/v1/sql", "application/json", `{"sql":" ; "}`, 400}, {"POST", "/v1/sql", "application/json", deepJSON(100_000), 400},
		{"POST", "/v1/sql", "application/json", `{"sql":"SELECT $1::INTEGER","params":["x"]}`, 400}, {"POST", "/v1/sql", "application/json", `{"sql":"SELECT $1::INTEGER","params":[[1]]}`, 400},
		{"POST", "/v1/sql", "application/json", `{"sql":"SELECT $1::INTEGER","params":[]}`, 400}, {"POST", "/v1/sql", "application/json", `{"sql":"SELECT 1 \u0000"}`, 400},
		{"POST", "/v1/sql", "text/plain", "SELECT '\xff\xfe'", 400}, {"POST", "/v1/sql", "text/plain", "SELECT \x00 1", 400}, {"POST", "/v1/sql", "application/x-tar", "rubbish", 415},
		{"POST", "/v1/sql", "text/plain", strings.Repeat(" ", 65<<20), 413}, {"POST", "/v1/sql", "application/json", `{"sql":"COPY t FROM STDIN"}`, 501},
	} {
		what := fmt.Sprintf("%s %s %.60q", c.method, c.path, c.body)
		status, text, _ := s.request(c.method, c.path, c.contentType, c.body)
		s.refused(what, c.status, "", status, text)
	}
	s.alive("bad requests")
}

// TestBadRowsLeaveTheView wants rows on which a view's expression fails in tidemill.rejects, and the view to go on.
func TestBadRowsLeaveTheView(t *testing.T) {
	s := startSentinel(t)
	s.must(`CREATE STREAM raw (a INTEGER, b INTEGER, s VARCHAR)`)
	s.must(`CREATE MATERIALIZED VIEW computed AS SELECT a, a * 1000000 AS overflows, CAST(s AS DATE) AS day, regexp_extract(s, '[0-9]+')::INTEGER AS year FROM raw`)
	s.must(`CREATE MATERIALIZED VIEW divided AS SELECT a // b AS q, a / b AS f FROM raw`)
	s.must(`INSERT INTO raw VALUES (1, 1, '2020-01-01'), (2000000, 1, '2020-01-01'), (2, 0, 'rubbish'), (3, 0, '2020-01-03')`)
	if got := fmt.Sprint(s.must(`SELECT a FROM computed ORDER BY a`).Rows); got != "[[1] [3]]" {
		t.Errorf("the view holds %s", got)
	}
	if got := fmt.Sprint(s.must(`SELECT count(*), count(q) FROM divided`).Rows); got != "[[4 2]]" {
		t.Errorf("dividing by zero: %s", got)
	}
	deadline := time.Now().Add(20 * time.Second)
	var rows [][]any
	for len(rows) < 2 && time.Now().Before(deadline) {
		rows = s.must(`SELECT source, message FROM tidemill.rejects WHERE relation = 'computed' OR source = 'computed' ORDER BY message`).Rows
	}
	text := fmt.Sprint(rows)
	if len(rows) != 2 || !strings.Contains(text, "Conversion Error") || !strings.Contains(text, "Out of Range Error") || goNames.MatchString(text) {
		t.Errorf("the rejects are %s", text)
	}
	s.alive("bad rows")
}

// TestBadSockets talks to both ports as no client would.
func TestBadSockets(t *testing.T) {
	s := startSentinel(t)
	dial := func(address, send string, half bool) string {
		t.Helper()
		c, err := net.DialTimeout("tcp", address, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(25 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, send); err != nil {
			return "" // cut while sending
		}
		if half {
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				return ""
			}
		}
		answer, err := io.ReadAll(io.LimitReader(bufio.NewReader(c), 1<<20))
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() {
			t.Errorf("%.40q: the connection stays open", send)
		}
		return string(answer)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	garbage := make([]byte, 3000)
	for i := range garbage {
		garbage[i] = byte(rng.Uint32())
	}
	const hello = "\x00\x00\x00\x13\x00\x03\x00\x00user\x00ada\x00\x00"
	long := strings.Replace(hello, "\x13", "\x12", 1)
	for _, send := range []string{
		string(garbage), "GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x00", "\x7f\xff\xff\xff", "\xff\xff\xff\xff", "\x00\x00\x00\x08\x00\x03\x00\x00", hello + "\x00", long,
		hello + string(garbage), hello + "Q\x7f\xff\xff\xff", hello + "Q\x00\x00\x00\x01", hello + "Q\x00\x00\x00\x0bSELECT", hello + "P\x00\x00\x00\x06\x00\x00", hello + "B\x00\x00\x00\x05\xff", hello + "z\x00\x00\x00\x04",
		hello + "Q\x00\x00\x00\x08\xff\xfe\x01\x00", hello + "D\x00\x00\x00\x06Xa", "\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02",
	} {
		if got := dial(s.pg, send, true); goNames.MatchString(got) || strings.Contains(got, "XX000") {
			t.Errorf("%.60q at the Postgres port: %.500q", send, got)
		}
	}
	s.alive("garbage at the Postgres port")
	for _, send := range []string{
		string(garbage), "POST /v1/streams/good HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"k\":\"a\"",
		"POST /v1/streams/good HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "POST /v1/sql HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"sql\":",
		"GET /v1/live/sums HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 200<<10) + "\r\n\r\n", hello,
	} {
		if got := dial(s.http, send, true); goNames.MatchString(got) || strings.Contains(got, "XX000") {
			t.Errorf("%.60q at the HTTP port: %.500q", send, got)
		}
	}
	s.alive("garbage at the HTTP port")
}

// TestSlowSender sends an event byte by byte.
func TestSlowSender(t *testing.T) {
	s := startSentinel(t)
	c, err := net.DialTimeout("tcp", s.http, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := `{"k":"slow","n":1}`
	for _, b := range fmt.Sprintf("POST /v1/streams/good HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body) {
		if _, err := c.Write([]byte(string(b))); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(text), `"accepted":1`) {
		t.Errorf("%s, %v", text, err)
	}
	s.alive("a slow sender")
}

// TestMutatedStatements changes good statements at random and sends them to every door.
func TestMutatedStatements(t *testing.T) {
	s := startSentinel(t)
	seeds := []string{
		`SELECT k, count(*) AS c, sum(n) FROM good WHERE n > 10 AND k LIKE 'a%' GROUP BY k HAVING count(*) > 1 ORDER BY c DESC LIMIT 5`,
		`CREATE MATERIALIZED VIEW m AS SELECT g.k, t.name, max(g.n) AS top FROM good g JOIN t ON t.id = g.n GROUP BY ALL`, `DROP MATERIALIZED VIEW IF EXISTS m CASCADE`,
		`INSERT INTO t VALUES (1, 'a'), (2, 'it''s') ON CONFLICT (id) DO UPDATE SET name = excluded.name || 'x'`, `UPDATE t SET name = upper(name), id = id + 1 WHERE id IN (SELECT n FROM good)`,
		`DELETE FROM t USING good g WHERE g.n = t.id`, `CREATE STREAM x (a DECIMAL(10,2) NOT NULL DEFAULT 1.5, at TIMESTAMPTZ, WATERMARK FOR at AS at - INTERVAL 5 SECONDS) WITH (partitions = 2, retention = '7 days')`,
		`WITH q AS (SELECT *, row_number() OVER (PARTITION BY k ORDER BY n) AS rn FROM good) SELECT * FROM q WHERE rn <= 3 UNION ALL SELECT 'x', 1, 2`, `EXPLAIN SELECT * FROM sums WHERE k = 'a'`,
		`SELECT CASE WHEN n > 0 THEN 'p' ELSE E'\n' END, n::VARCHAR, [1, 2, n], {'a': n}, x'00', DATE '2020-01-01' + INTERVAL 1 DAY FROM good, LATERAL (SELECT 1)`, `SHOW CREATE VIEW sums`, `DESCRIBE t`,
		`COMMENT ON TABLE t IS 'text'`, `SELECT TRY(1 / n), TRY_CAST(k AS INTEGER) FROM good`, `SELECT date_diff('year', now(), TIMESTAMPTZ '2020-01-01'), struct_extract({'a': 1}, 'a')`,
	}
	words := []string{"(", ")", ",", "'", `"`, ";", "SELECT", "FROM", "NULL", "*", "--", "/*", "$1", "$$", "::", "TRY(", "CASE", "99999999999999999999", "-1", "\x00", "\xff", "é", "IN", "AND", "WITH", "[", "{", ".", "AS", "t", "sums", "E'", "1e999"}
	rng := rand.New(rand.NewPCG(2026, 1))
	doors := s.doors()
	n := 1000
	if testing.Short() {
		n = 100
	}
	for i := range n {
		sql := seeds[rng.IntN(len(seeds))]
		for range 1 + rng.IntN(3) {
			at, end := rng.IntN(len(sql)+1), 0
			if end = at; rng.IntN(2) == 0 {
				end = min(len(sql), at+rng.IntN(8))
			}
			insert := ""
			switch rng.IntN(4) {
			case 0, 1:
				insert = " " + words[rng.IntN(len(words))] + " "
			case 2:
				other := seeds[rng.IntN(len(seeds))]
				from := rng.IntN(len(other))
				insert = other[from:min(len(other), from+rng.IntN(30))]
			}
			sql = sql[:at] + insert + sql[end:]
		}
		d := doors[i%len(doors)]
		if strings.IndexByte(sql, 0) >= 0 && d.name != "http" {
			d = doors[0] // a client of Postgres cannot send it
		}
		if strings.HasPrefix(strings.ToUpper(strings.TrimSpace(sql)), "SUBSCRIBE") {
			continue // never ends
		}
		if r := d.run(t, sql); r != nil {
			r.clear(t, fmt.Sprintf("%d at %s: %q", i, d.name, sql))
		}
		if i%200 == 199 {
			s.stillThere(t)
			s.alive(fmt.Sprintf("mutation %d", i))
		}
	}
}

// stillThere makes the sentinel's relations again if a statement has dropped them.
func (s *sentinel) stillThere(t *testing.T) {
	t.Helper()
	if s.sql(`SELECT * FROM sums`, "").Error != nil {
		t.Fatal("a mutated statement has dropped the view")
	}
}

// TestCommandRefuses wants clear errors and exit codes of the command line.
func TestCommandRefuses(t *testing.T) {
	s := startSentinel(t)
	for _, c := range []struct {
		args []string
		part string
	}{
		{[]string{"sql", "--server", "http://" + s.http, "-c", "SELECT 1 FRM t"}, "syntax"}, {[]string{"sql", "--server", "http://" + s.http, "-c", "SELECT nothing FROM t"}, "nothing"},
		{[]string{"sql", "--server", "http://127.0.0.1:1", "-c", "SELECT 1"}, ""}, {[]string{"load", "--server", "http://" + s.http, "good", "/nothing/here.csv"}, "here.csv"},
		{[]string{"tail", "--server", "http://" + s.http, "absent"}, "absent"}, {[]string{"blorb"}, "blorb"}, {[]string{"serve", "--blorb"}, "blorb"}, {[]string{"serve", "--memory", "--http", "rubbish"}, ""},
	} {
		out, code := runCommand(t, c.args...)
		if code == 0 || strings.TrimSpace(out) == "" || !strings.Contains(strings.ToLower(out), strings.ToLower(c.part)) || goNames.MatchString(out) {
			t.Errorf("%v: exit code %d, output %s", c.args, code, out)
		}
	}
	s.alive("bad commands")
}
