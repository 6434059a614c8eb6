package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

const pointsSQL = `CREATE STREAM points (at TIMESTAMP, value DOUBLE, note VARCHAR)`

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// pointsCSV has n records; the note of every tenth has quotes, commas and line ends in it.
func pointsCSV(n int) []byte {
	var b bytes.Buffer
	b.WriteString("timestamp,value,note\n")
	for i := range n {
		note := "plain"
		if i%10 == 0 {
			note = "\"a \"\"quoted\"\", one\nwith lines\""
		}
		fmt.Fprintf(&b, "2026-01-01 00:%02d:%02d,%d.5,%s\n", i/60%60, i%60, i, note)
	}
	return b.Bytes()
}

func TestLoadFormats(t *testing.T) {
	const n = 3000
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(pointsCSV(n)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var nd, js bytes.Buffer
	js.WriteString(" [")
	for i := range n {
		line := fmt.Sprintf(`{"timestamp": "2026-01-01 00:%02d:%02d", "value": %d.5, "note": "row"}`, i/60%60, i%60, i)
		nd.WriteString(line + "\n\n")
		if i > 0 {
			js.WriteString(",\n")
		}
		js.WriteString(line)
	}
	js.WriteString("]\n")
	files := map[string][]byte{"p.csv": pointsCSV(n), "p.csv.gz": packed.Bytes(), "p.ndjson": nd.Bytes(), "p.json": js.Bytes(), "concatenated.json": nd.Bytes(), "p.arrows": arrowStream(t, n),
		"p.tsv": bytes.ReplaceAll(bytes.ReplaceAll(pointsCSV(n), []byte(", one"), []byte(" one")), []byte(","), []byte("\t"))}
	for name, content := range files {
		t.Run(name, func(t *testing.T) {
			c := newCLI(t)
			c.sql(pointsSQL)
			code, out, errOut := c.run("load", "points", write(t, name, content), "--columns", "timestamp=at", "--chunk-bytes", "20000")
			if code != 0 || !strings.Contains(out, "3,000 accepted, 0 rejected") {
				t.Fatalf("%d %s %s", code, out, errOut)
			}
			if got, want := c.sql("SELECT count(*) AS n, sum(value)::BIGINT AS s, count(DISTINCT at) AS d FROM points"), fmt.Sprintf("n,s,d\n%d,%d,%d\n", n, n*n/2, n); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func arrowStream(t *testing.T, n int) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "Timestamp", Type: arrow.FixedWidthTypes.Timestamp_ms}, {Name: "value", Type: arrow.PrimitiveTypes.Float64}, {Name: "elsewhere", Type: arrow.PrimitiveTypes.Int32}}, nil)
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(schema))
	for at := 0; at < n; at += 1000 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for i := at; i < at+1000; i++ {
			b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(1767225600000 + int64(i)*1000))
			b.Field(1).(*array.Float64Builder).Append(float64(i) + 0.5)
			b.Field(2).(*array.Int32Builder).Append(int32(i))
		}
		rec := b.NewRecordBatch()
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
		rec.Release()
		b.Release()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestLoadParquet(t *testing.T) {
	c := newCLI(t)
	c.sql(pointsSQL)
	code, out, errOut := c.run("load", "points", "testdata/points.parquet", "--columns", "timestamp=at", "--chunk-bytes", "20000")
	if code != 0 || !strings.Contains(out, "3,000 accepted, 0 rejected") {
		t.Fatalf("%d %s %s", code, out, errOut)
	}
	if got := c.sql("SELECT count(*) AS n, count(value) AS v, sum(value)::BIGINT AS s, count(DISTINCT at) AS d, count(DISTINCT note) AS notes FROM points"); got != "n,v,s,d,notes\n3000,2970,2227500,3000,7\n" {
		t.Errorf("%q", got)
	}
	c.sql("CREATE TABLE elsewhere (x INTEGER PRIMARY KEY)")
	if code, _, errOut = c.run("load", "elsewhere", "testdata/points.parquet"); code != 1 || !strings.Contains(errOut, "--columns") {
		t.Errorf("%d %s", code, errOut)
	}
	if code, _, errOut = c.run("load", "points", "testdata/points.parquet", "--columns", "nosuch=at"); code != 2 || !strings.Contains(errOut, "nosuch") {
		t.Errorf("%d %s", code, errOut)
	}
}

func TestLoadRejects(t *testing.T) {
	c := newCLI(t)
	c.sql(pointsSQL)
	file := write(t, "p.csv", []byte("at,value,note\n2026-01-01,1,\"two\nlines\"\n\n2026-01-01,bad,x\n2026-01-01,3,x\n2026-01-01,worse,x\n"))
	code, out, errOut := c.run("load", "points", file)
	if code != 1 || !strings.Contains(out, "2 accepted, 2 rejected") || !strings.Contains(out, "line 5: ") || !strings.Contains(out, "line 7: ") {
		t.Errorf("%d %s %s", code, out, errOut)
	}
	if code, _, errOut = c.run("load", "points", file, "--again", "--allow-rejects"); code != 0 {
		t.Errorf("%d %s", code, errOut)
	}
	if code, _, errOut = c.run("load", "points", write(t, "q.csv", []byte("time,value\n1,2\n"))); code != 1 || !strings.Contains(errOut, `"time"`) || !strings.Contains(errOut, "--columns") {
		t.Errorf("%d %s", code, errOut)
	}
	if code, _, _ = c.run("load", "points", "nosuch.csv"); code != 1 {
		t.Errorf("a file that is not there: %d", code)
	}
	if code, _, errOut = c.run("load", "points", write(t, "r.csv", []byte("at,value\n2026-01-01,\"never closed\n"))); code != 1 || errOut == "" {
		t.Errorf("%d %s", code, errOut)
	}
}

// A load that is repeated within the node's window adds nothing, unless that is asked for.
func TestLoadTwice(t *testing.T) {
	c := newCLI(t)
	c.sql(pointsSQL)
	file := write(t, "p.csv", pointsCSV(500))
	for i, args := range [][]string{{}, {}, {"--again"}} {
		if code, _, errOut := c.run(append([]string{"load", "points", file, "--columns", "timestamp=at", "--chunk-bytes", "5000"}, args...)...); code != 0 {
			t.Fatal(errOut)
		}
		want := []string{"500", "500", "1000"}[i]
		if got := c.sql("SELECT count(*) AS n FROM points"); got != "n\n"+want+"\n" {
			t.Errorf("after load %d: %q", i, got)
		}
	}
}

// unsteady is a node that can be made to refuse requests for events.
type unsteady struct {
	*httptest.Server
	posts  atomic.Int64
	refuse func(post int64) int // the status to answer with, 0 to pass the request on
	lose   func(post int64) bool
}

func newUnsteady(t *testing.T, addr string) *unsteady {
	target, err := url.Parse("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	u := &unsteady{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/streams/") {
			proxy.ServeHTTP(w, r)
			return
		}
		n := u.posts.Add(1)
		if u.refuse != nil {
			if status := u.refuse(n); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		if u.lose != nil && u.lose(n) {
			proxy.ServeHTTP(httptest.NewRecorder(), r) // the node takes it, but its answer is lost
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

func loadInto(addr, file string, change func(*loadOptions)) (out string, err error) {
	o := &loadOptions{server: addr, parallel: 3, chunk: 3000, quiet: true, retryWait: time.Millisecond, columns: []string{"timestamp=at"}}
	if change != nil {
		change(o)
	}
	cmd := newLoad()
	var b bytes.Buffer
	cmd.SetOut(&b)
	cmd.SetErr(&b)
	cmd.SetContext(context.Background())
	err = o.run(cmd, "points", []string{file})
	return b.String(), err
}

// Requests that the node cannot take now, or whose answers are lost, are sent again, and count once.
func TestLoadRetries(t *testing.T) {
	c := newCLI(t)
	c.sql(pointsSQL)
	u := newUnsteady(t, c.addr)
	u.refuse = func(n int64) int {
		switch n % 5 {
		case 1:
			return http.StatusTooManyRequests
		case 2:
			return http.StatusServiceUnavailable
		}
		return 0
	}
	u.lose = func(n int64) bool { return n%5 == 3 }
	if out, err := loadInto(u.URL, write(t, "p.csv", pointsCSV(1000)), nil); err != nil || !strings.Contains(out, "1,000 accepted") {
		t.Fatal(err, out)
	}
	if got := c.sql("SELECT count(*) AS n, count(DISTINCT value) AS d FROM points"); got != "n,d\n1000,1000\n" {
		t.Errorf("%q", got)
	}
}

// An interrupted load goes on where it was: what was acknowledged is not sent again.
func TestLoadResumes(t *testing.T) {
	c := newCLI(t)
	c.sql(pointsSQL)
	u := newUnsteady(t, c.addr)
	u.refuse = func(n int64) int {
		if n > 4 {
			return http.StatusInternalServerError
		}
		return 0
	}
	file := write(t, "p.csv", pointsCSV(1000))
	resume := func(o *loadOptions) { o.resume = true }
	out, err := loadInto(u.URL, file, resume)
	if err == nil || !strings.Contains(out, "--resume") {
		t.Fatal(err, out)
	}
	before := u.posts.Load()
	if _, err := os.Stat(file + ".tidemill-load"); err != nil {
		t.Fatal(err)
	}
	u.refuse = nil
	if out, err = loadInto(u.URL, file, resume); err != nil || !strings.Contains(out, "1,000 accepted") {
		t.Fatal(err, out)
	}
	chunks := int64(len(cutAll(t, pointsCSV(1000), 3000)))
	// An answer that arrived when the first run had already failed may not have been noted.
	if sent := u.posts.Load() - before; sent < chunks-4 || sent >= chunks {
		t.Errorf("%d of %d requests were sent in the second run, want %d", sent, chunks, chunks-4)
	}
	if got := c.sql("SELECT count(*) AS n, count(DISTINCT value) AS d FROM points"); got != "n,d\n1000,1000\n" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(file + ".tidemill-load"); err == nil {
		t.Error("the note of the load is still there")
	}
	// A state of another load is refused.
	state := write(t, "state", []byte(`{"identity":"other","next":3}`))
	if _, err = loadInto(u.URL, file, func(o *loadOptions) { o.state = state }); err == nil || !strings.Contains(err.Error(), "another load") {
		t.Error(err)
	}
}

// cutAll returns the bodies that a CSV file is cut into.
func cutAll(t *testing.T, text []byte, limit int) [][]byte {
	t.Helper()
	in := &loading{name: "-", stdin: bytes.NewReader(text), opts: &loadOptions{chunk: limit, format: "csv"}, relation: "x"}
	s, err := in.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var out [][]byte
	for {
		c, err := s.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			return out
		}
		out = append(out, c.body)
	}
}

// However a file is cut, its records stay whole, in order, each once.
func FuzzCutCSV(f *testing.F) {
	f.Add("a,b\n1,2\n\"x\ny\",3\n\n4,\"5\"\"6\"", uint16(4))
	f.Add("a\r\n\"\r\n\"\r\n1", uint16(1))
	f.Fuzz(func(t *testing.T, text string, limit uint16) {
		all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(all) == 0 || strings.Contains(text, "\r") || strings.HasPrefix(text, "\ufeff") {
			return
		}
		if head := strings.TrimSpace(strings.Join(all[0], "")); head == "" {
			return
		}
		var got [][]string
		for _, body := range cutAll(t, []byte(text), int(limit)+1) {
			part, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
			if err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			got = append(got, part[1:]...)
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", all[1:]) {
			t.Errorf("%q, want %q", got, all[1:])
		}
	})
}

func TestCutCSVKeepsRecords(t *testing.T) {
	text := pointsCSV(700)
	want, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 50, 1000, 4096, 1 << 20} {
		var got [][]string
		for _, body := range cutAll(t, text, limit) {
			part, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, part[1:]...)
		}
		if fmt.Sprint(got) != fmt.Sprint(want[1:]) {
			t.Errorf("with %d bytes a request, the records differ", limit)
		}
	}
}

func TestProgressLine(t *testing.T) {
	p := startProgress(io.Discard, 1000_000, true)
	p.add(500_000, 12_345, 6)
	if got, want := p.line(time.Second), " 50% ████████████░░░░░░░░░░░░ 500.0 kB of 1.0 MB  12,345 rows  12,345 rows/s  6 rejected"; got != want {
		t.Errorf("%q", got)
	}
	p.stop()
}
