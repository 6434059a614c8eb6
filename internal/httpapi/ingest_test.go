package httpapi

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// wants runs a query that must answer these rows.
func (d *door) wants(query, rows string) {
	d.t.Helper()
	if got := d.sql(query); !strings.Contains(got, `"rows":`+rows+`,"token"`) {
		d.t.Errorf("%s: %s, want %s", query, got, rows)
	}
}

// after is SQL that sees a token.
func (d *door) after(token, query, rows string) {
	d.t.Helper()
	if got := d.sql(query, "Tidemill-After", token); !strings.Contains(got, `"rows":`+rows+`,"token"`) {
		d.t.Errorf("%s: %s, want %s", query, got, rows)
	}
}

type verdict struct {
	Accepted, Rejected int
	Token              string
}

func (d *door) post(path, body string, headers ...string) (verdict, string) {
	d.t.Helper()
	res, text := d.do("POST", path, body, headers...)
	var v verdict
	if err := json.Unmarshal([]byte(text), &v); err != nil || res.StatusCode != 200 || v.Token == "" || v.Token != res.Header.Get("Tidemill-Token") {
		d.t.Fatalf("POST %s %.200s: %d %s", path, body, res.StatusCode, text)
	}
	return v, text
}

// TestIdempotencyKey: a repeat is answered like the first and stores nothing, at once and together; with another body it is refused.
func TestIdempotencyKey(t *testing.T) {
	d := open(t)
	d.sql(`CREATE STREAM other (a INTEGER, b VARCHAR)`)
	once := []string{"Content-Type", "application/json", "Idempotency-Key", "k1"}
	first, text := d.post("/v1/streams/s", `[{"a":1},{"a":"no"},{"a":2}]`, once...)
	if first.Accepted != 2 || first.Rejected != 1 {
		t.Fatalf("the first: %s", text)
	}
	var repeats sync.WaitGroup
	for i := range 8 {
		repeats.Go(func() {
			if i%2 == 1 {
				if res, refusal := d.do("POST", "/v1/streams/s", `[{"a":7}]`, once...); res.StatusCode != 422 || !strings.Contains(refusal, "22TK1") {
					t.Errorf("another body: %d %s", res.StatusCode, refusal)
				}
				return
			}
			if _, again := d.post("/v1/streams/s", `[{"a":1},{"a":"no"},{"a":2}]`, once...); again != text {
				t.Errorf("a repeat is answered %s, the first was %s", again, text)
			}
		})
	}
	repeats.Wait()
	d.after(first.Token, `SELECT a FROM s ORDER BY a`, `[[1],[2]]`)
	d.wants(`SELECT count(*) FROM tidemill.rejects`, `[[1]]`)
	// The key is one stream's, and another key another request.
	o, _ := d.post("/v1/streams/other", `[{"a":5}]`, once...)
	d.after(o.Token, `SELECT count(*) FROM other`, `[[1]]`)
	v, _ := d.post("/v1/streams/s", `[{"a":3}]`, "Content-Type", "application/json", "Idempotency-Key", "k2")
	d.after(v.Token, `SELECT a FROM s ORDER BY a`, `[[1],[2],[3]]`)
	// What was refused as a whole may come again.
	bad := []string{"Content-Type", "text/xml", "Idempotency-Key", "k3"}
	if res, _ := d.do("POST", "/v1/streams/s", `[{"a":4}]`, bad...); res.StatusCode != 415 {
		t.Errorf("status %d", res.StatusCode)
	}
	bad[1] = "application/json"
	v, _ = d.post("/v1/streams/s", `[{"a":4}]`, bad...)
	d.after(v.Token, `SELECT count(*) FROM s`, `[[4]]`)
	if res, _ := d.do("POST", "/v1/streams/s", `{}`, "Idempotency-Key", strings.Repeat("k", 257)); res.StatusCode != 400 {
		t.Errorf("a key that is too long: status %d", res.StatusCode)
	}
	// Many at once with a key that nobody has used.
	for range 8 {
		repeats.Go(func() {
			d.post("/v1/streams/s", `[{"a":9}]`, "Content-Type", "application/json", "Idempotency-Key", "k4")
		})
	}
	repeats.Wait()
	v, _ = d.post("/v1/streams/s", `[{"a":9}]`, "Content-Type", "application/json", "Idempotency-Key", "k4")
	d.after(v.Token, `SELECT count(*) FROM s WHERE a = 9`, `[[1]]`)
}

// TestIdempotentUpserts: a repeat of an upsert does not undo what came after the first.
func TestIdempotentUpserts(t *testing.T) {
	d := open(t)
	key := []string{"Content-Type", "application/json", "Idempotency-Key", "u"}
	d.post("/v1/streams/t", `{"k":1,"v":"old"}`, key...)
	v, _ := d.post("/v1/streams/t", `{"k":1,"v":"new"}`, "Content-Type", "application/json")
	d.post("/v1/streams/t", `{"k":1,"v":"old"}`, key...)
	d.after(v.Token, `SELECT v FROM t`, `[["new"]]`)
}

// TestCloudEvents: the three forms of an event, each with its identity.
func TestCloudEvents(t *testing.T) {
	d := open(t)
	d.sql(`CREATE STREAM c (id VARCHAR, source VARCHAR, subject VARCHAR, a INTEGER, data JSON)`)
	const structured, batch = "application/cloudevents+json", "application/cloudevents-batch+json"
	binary := func(id, source string, more ...string) []string {
		return append([]string{"Content-Type", "application/json", "ce-specversion", "1.0", "ce-type", "t", "ce-source", source, "ce-id", id}, more...)
	}
	event := func(id, source, rest string) string {
		return fmt.Sprintf(`{"specversion":"1.0","type":"t","id":%q,"source":%q%s}`, id, source, rest)
	}
	last := verdict{}
	send := func(accepted, rejected int, body string, headers ...string) {
		t.Helper()
		v, text := d.post("/v1/streams/c", body, headers...)
		if v.Accepted != accepted || v.Rejected != rejected {
			t.Errorf("%s %v: %s", body, headers, text)
		}
		last = v
	}
	send(1, 0, `{"a":1}`, binary("1", "/b", "ce-subject", "caf%C3%A9")...)
	send(1, 0, `{"a":1}`, binary("1", "/b")...) // a repeat
	send(1, 0, `{"a":2}`, binary("1", "/other")...)
	send(1, 0, event("2", "/b", `,"data":{"a":3},"subject":"s"`), "Content-Type", structured)
	send(1, 0, event("1", "/b", `,"data":{"a":4}`), "Content-Type", structured) // a repeat in another form
	send(1, 0, event("3", "/b", `,"data_base64":"`+base64.StdEncoding.EncodeToString([]byte(`{"a":5}`))+`"`), "Content-Type", structured)
	send(1, 0, event("4", "/b", `,"data":[1,"x"]`), "Content-Type", structured)
	send(4, 1, "["+strings.Join([]string{event("5", "/b", `,"data":{"a":6}`), event("5", "/b", `,"data":{"a":7}`), `{"specversion":"1.0","id":"9"}`,
		event("2", "/b", `,"data":{"a":8}`), event("6", "/b", ``)}, ",")+"]", "Content-Type", batch)
	send(0, 1, `{"a":"no"}`, binary("7", "/b")...)
	send(1, 0, `{"a":9}`, binary("7", "/b")...) // what was rejected is no repeat
	send(0, 1, `{"a":1}`, "Content-Type", "application/json", "ce-specversion", "0.3", "ce-type", "t", "ce-source", "/b", "ce-id", "8")
	send(0, 1, `{"a":1}`, "Content-Type", "application/json", "ce-id", "8")
	d.after(last.Token, `SELECT source || ':' || id || ':' || coalesce(subject, '') || ':' || coalesce(a, -1) || ':' || coalesce(data::VARCHAR, '') AS e FROM c ORDER BY e`,
		`[["/b:1:café:1:"],["/b:2:s:3:"],["/b:3::5:"],["/b:4::-1:[1,\"x\"]"],["/b:5::6:"],["/b:6::-1:"],["/b:7::9:"],["/other:1::2:"]]`)
	d.wants(`SELECT count(*) FROM tidemill.rejects`, `[[4]]`)
}

// TestBodiesThatAreNotTaken: too large, of a kind that is not known, or cut off; and the server lives on.
func TestBodiesThatAreNotTaken(t *testing.T) {
	d := open(t)
	for _, path := range []string{"/v1/streams/s", "/v1/sql"} {
		// Told at once by the length, or when it has come; the answer may come before the body is sent.
		for _, length := range []int64{bodyBytesMax + 1, -1} {
			req, err := http.NewRequestWithContext(d.ctx, "POST", d.url+path, io.LimitReader(zeros{}, bodyBytesMax+1))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.ContentLength = length
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Errorf("%s with %d bytes: %v", path, length, err)
				continue
			}
			text, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode != 413 || !strings.Contains(string(text), `"54000"`) {
				t.Errorf("%s with %d bytes: %d %s", path, length, res.StatusCode, text)
			}
		}
		for _, kind := range []string{"text/xml", "application/octet-stream", "application/json; charset=latin1", "no type", "application/"} {
			if path == "/v1/sql" && strings.Contains(kind, "charset") {
				continue
			}
			if res, text := d.do("POST", path, `{"a":1}`, "Content-Type", kind); res.StatusCode != 415 || !strings.Contains(text, `"hint"`) {
				t.Errorf("%s with %s: %d %s", path, kind, res.StatusCode, text)
			}
		}
	}
	event := `[{"a":1,"b":"` + strings.Repeat("x", 5<<20) + `"},{"a":2}]`
	v, text := d.post("/v1/streams/s", event, "Content-Type", "application/json")
	if v.Accepted != 1 || v.Rejected != 1 || len(text) > 4096 {
		t.Errorf("an event that is too large: %.500s", text)
	}
	d.after(v.Token, `SELECT a FROM s`, `[[2]]`)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// TestHalfClosed: a client that has sent its events, and closed its side, gets its answer; one that ends early stores nothing.
func TestHalfClosed(t *testing.T) {
	d := open(t)
	talk := func(request string) string {
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("reading the answer: %v", err)
		}
		return string(text)
	}
	post := "POST /v1/streams/s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
	for range 20 {
		if got := talk(fmt.Sprintf(post, 7, `{"a":1}`)); !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.Contains(got, `"accepted":1`) {
			t.Errorf("a whole request: %s", got)
		}
	}
	if got := talk(fmt.Sprintf(post, 70, `[{"a":2},{"a":3}`)); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Errorf("a body that ends early: %s", got)
	}
	d.wants(`SELECT count(*) FROM s WHERE a > 1`, `[[0]]`)
}

// TestAfterOnEveryRead: each way to read sees the write whose token it is handed.
func TestAfterOnEveryRead(t *testing.T) {
	d := open(t)
	d.sql(`CREATE MATERIALIZED VIEW m AS SELECT a, count(*) AS c FROM s GROUP BY a`)
	for i := range 60 {
		v, _ := d.post("/v1/streams/s", fmt.Sprintf(`{"a":%d}`, i), "Content-Type", "application/json")
		want := fmt.Sprintf(`{"a":%d,"c":1}`, i)
		after := []string{"Tidemill-After", v.Token}
		param := "after=" + v.Token
		var got string
		switch i % 6 {
		case 0:
			_, got = d.do("GET", fmt.Sprintf("/v1/views/m?a=%d", i), "", after...)
		case 1:
			_, got = d.do("GET", fmt.Sprintf("/v1/views/m?a=%d&%s", i, param), "")
		case 2:
			got = d.sql(fmt.Sprintf("SELECT a, c FROM m WHERE a = %d", i), append(after, "Accept", "application/x-ndjson")...)
		case 3:
			res, body := d.do("POST", "/v1/sql?"+param, fmt.Sprintf("SELECT a, c FROM m WHERE a = %d", i), "Content-Type", "text/plain", "Accept", "application/x-ndjson")
			if res.Header.Get("Tidemill-Token") == "" {
				t.Error("a read without a token")
			}
			got = body
		case 4:
			got = d.firstFrame(fmt.Sprintf("/v1/live/m?a=%d&%s", i, param))
		case 5:
			got = d.firstFrame("/v1/live?sql="+url.QueryEscape(fmt.Sprintf("SELECT a, c FROM m WHERE a = %d AND c < 5", i)), after...)
		}
		if !strings.Contains(got, want) {
			t.Fatalf("read %d does not show the write: %s", i%6, got)
		}
	}
	for _, path := range []string{"/v1/views/m", "/v1/live/m", "/v1/live?sql=SELECT+a+FROM+m"} {
		if res, text := d.do("GET", path, "", "Tidemill-After", "nonsense"); res.StatusCode != 400 {
			t.Errorf("%s after nonsense: %d %s", path, res.StatusCode, text)
		}
	}
}

func (d *door) firstFrame(path string, headers ...string) string {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.ctx, "GET", d.url+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
			return data
		}
	}
	d.t.Fatalf("no frame from %s: %v", path, lines.Err())
	return ""
}
