package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// show writes what was decoded: per row "index weight row", per error "index code column".
func show(f *Format, d *Decoded) string {
	var out []string
	for i := range d.Rows.Len {
		mark := ""
		if d.Rows.Weights != nil {
			mark = map[int64]string{1: "+", -1: "-"}[d.Rows.Weights[i]]
		}
		id := ""
		if d.IDs != nil {
			id = " " + strings.ReplaceAll(d.IDs[i], "\x00", "|")
		}
		out = append(out, fmt.Sprintf("%d%s%s", d.Index[i], mark, row.AppendRowArrayJSON(nil, d.Rows, i))+id)
	}
	for _, e := range d.Errors {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s", e.Index, e.Code, e.Column)))
	}
	return strings.Join(out, "\n")
}

// check is what holds for everything that was decoded.
func check(t *testing.T, f *Format, d *Decoded) {
	t.Helper()
	if d.Events != d.Rows.Len+d.Rejected || len(d.Index) != d.Rows.Len || len(d.Errors) != min(d.Rejected, ErrorsKept) {
		t.Fatalf("%d events, %d rows, %d indices, %d rejected, %d errors", d.Events, d.Rows.Len, len(d.Index), d.Rejected, len(d.Errors))
	}
	if d.IDs != nil && len(d.IDs) != d.Rows.Len {
		t.Fatalf("%d identities of %d rows", len(d.IDs), d.Rows.Len)
	}
	if (d.Rows.Weights != nil) != (f.Table && d.Rows.Len > 0) && d.Rows.Len > 0 {
		t.Fatalf("weights %v", d.Rows.Weights)
	}
	seen := map[int]bool{}
	for _, i := range d.Index {
		seen[int(i)] = true
	}
	for _, e := range d.Errors {
		seen[e.Index] = true
		if e.Code == "" || len(e.Event) > EventKept || len(e.Message) > 8*clipMax {
			t.Fatalf("error %+v", e)
		}
	}
	if d.Rejected <= ErrorsKept && len(seen) != d.Events {
		t.Fatalf("%d positions of %d events", len(seen), d.Events)
	}
	if !slices.IsSorted(d.Index) {
		t.Fatal("rows are out of order")
	}
	for c := range d.Rows.Cols {
		v := &d.Rows.Cols[c]
		if v.Len != d.Rows.Len || v.Type != f.Columns[c].Type {
			t.Fatalf("column %d has %d values of %s", c, v.Len, v.Type)
		}
		for i := range v.Len {
			deleted := d.Rows.Weights != nil && d.Rows.Weights[i] < 0
			if f.Columns[c].NotNull && v.Null(i) && !deleted {
				t.Fatalf("row %d has null in column %d", i, c)
			}
			if k := v.Type.Kind; !v.Null(i) && (k == row.String || k == row.JSON) && !validText(v.Bytes(i)) {
				t.Fatalf("row %d has text %q", i, v.Bytes(i))
			}
		}
	}
}

func decode(t *testing.T, f *Format, body string) *Decoded {
	t.Helper()
	d, err := Decode(strings.NewReader(body), f)
	if err != nil {
		t.Fatalf("%s: %v", clip(body), err)
	}
	check(t, f, d)
	return d
}

var testColumns = row.Schema{
	{Name: "name", Type: row.T(row.String), NotNull: true},
	{Name: "n", Type: row.T(row.Int32)},
	{Name: "doc", Type: row.T(row.JSON)},
}

func TestDecodeContentType(t *testing.T) {
	f := func(contentType, body, want string) {
		t.Helper()
		format := &Format{ContentType: contentType, Columns: testColumns}
		d, err := Decode(strings.NewReader(body), format)
		got := ""
		switch {
		case errors.Is(err, ErrContentType):
			got = "unsupported"
			if fe := fault.From(err); fe.Hint == "" || fe.Code == fault.Internal {
				t.Errorf("%q: %#v", contentType, fe)
			}
		case err != nil:
			got = err.Error()
		default:
			check(t, format, d)
			got = show(format, d)
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", contentType, got, want)
		}
	}
	const one = `0["a",null,null]`
	f("application/json", `{"name":"a"}`, one)
	f("Application/JSON; charset=UTF-8", `{"name":"a"}`, one)
	f("text/json", `[{"name":"a"}]`, one)
	f("", ` {"name":"a"}`, one)
	f("", "\ufeff[{\"name\":\"a\"}]", one)
	f("", `name`, "unsupported")
	f("", ``, "unsupported")
	f("application/x-ndjson", `{"name":"a"}`, one)
	f("application/ndjson", `{"name":"a"}`, one)
	f("application/jsonl", `{"name":"a"}`, one)
	f("text/csv", "name\na", one)
	f("text/csv; header=absent", "a,,", one)
	f("text/csv; charset=latin1", "name\na", "unsupported")
	f("application/x-www-form-urlencoded", `{"name":"a"}`, "unsupported")
	f("text/plain", `a`, "unsupported")
	f("a/b/c;;=", `a`, "unsupported")
	f("application/problem+json", `{"name":"a"}`, "unsupported")
}

func TestDecodeBody(t *testing.T) {
	format := &Format{ContentType: typeNDJSON, Columns: testColumns, BodyBytesMax: 20}
	if d := decode(t, format, `{"name":"abcdefghi"}`); d.Rows.Len != 1 {
		t.Errorf("got %s", show(format, d))
	}
	_, err := Decode(strings.NewReader(`{"name":"abcdefghij"}`), format)
	if f := fault.From(err); f.Code != fault.LimitExceeded || f.Hint == "" {
		t.Errorf("got %v", err)
	}
	_, err = Decode(io.LimitReader(neverEnding('x'), 1<<40), format)
	if f := fault.From(err); f.Code != fault.LimitExceeded {
		t.Errorf("got %v", err)
	}
	broken := errors.New("broken")
	if _, err = Decode(iotest.ErrReader(broken), format); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func TestDecodeTooManyRows(t *testing.T) {
	format := &Format{ContentType: typeNDJSON, Columns: row.Schema{{Name: "a", Type: row.T(row.String)}}}
	if n := rowsMax(format); n != row.MaxRows {
		t.Errorf("%d rows", n)
	}
	format.Defaults = []row.Value{row.StringValue(strings.Repeat("x", 1<<20))}
	if n := rowsMax(format); n < 500 || n > 512 {
		t.Errorf("%d rows with a default of 1 MiB", n)
	}
	f := func(decode func([]byte, *sink) error, body string) {
		t.Helper()
		for limit, ok := range map[int]bool{3: true, 2: false} {
			s := newSink(format)
			s.rowsMax = limit
			if err := decode([]byte(body), s); (err == nil) != ok || !ok && fault.From(err).Code != fault.LimitExceeded {
				t.Errorf("at most %d rows: %v", limit, err)
			}
		}
	}
	f(decodeNDJSON, "{}\n{}\n{}")
	f(decodeNDJSON, `{"a":[]}`+"\n{}\n"+`{"a":[]}`)
	f(func(body []byte, s *sink) error { return decodeJSON(body, typeJSON, s) }, "[{},{},{}]")
	f(func(body []byte, s *sink) error { return decodeCSV(body, nil, s) }, "a\n1\n2\n3")
}

func TestDecodeErrorsKept(t *testing.T) {
	format := &Format{ContentType: typeNDJSON, Columns: testColumns}
	d := decode(t, format, strings.Repeat("{\"n\":\"x\"}\n", 2*ErrorsKept)+strings.Repeat("x", 2*EventKept)+"\n{\"name\":\"a\"}")
	if d.Rejected != 2*ErrorsKept+1 || d.Rows.Len != 1 || len(d.Errors) != ErrorsKept || d.Index[0] != 2*ErrorsKept+1 {
		t.Errorf("%d rejected, %d rows, %d errors", d.Rejected, d.Rows.Len, len(d.Errors))
	}
	d = decode(t, format, strings.Repeat("x", 2*EventKept))
	if len(d.Errors[0].Event) != EventKept {
		t.Errorf("kept %d bytes", len(d.Errors[0].Event))
	}
}

func TestTable(t *testing.T) {
	columns := row.Schema{{Name: "id", Type: row.T(row.String)}, {Name: "v", Type: row.T(row.Int32), NotNull: true}, {Name: "w", Type: row.T(row.String)}}
	f := func(contentType string, all bool, body, want string) {
		t.Helper()
		format := &Format{ContentType: contentType, Columns: columns, Table: true, Delete: all, Key: []int{0}}
		if got := show(format, decode(t, format, body)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", body, got, want)
		}
	}
	f(typeJSON, false, `{"id":"a","v":1}`, `0+["a",1,null]`)
	f(typeJSON, false, `{"id":"a","_deleted":true}`, `0-["a",null,null]`)
	f(typeJSON, false, `{"_deleted":true,"v":1,"w":"x","id":"a"}`, `0-["a",null,null]`)
	f(typeJSON, false, `{"id":"a","v":null,"_deleted":true}`, `0-["a",null,null]`)
	f(typeJSON, false, `{"id":"a","v":null,"_deleted":false}`, `0 null_not_allowed v`)
	f(typeJSON, false, `{"id":"a","v":1,"_deleted":null}`, `0+["a",1,null]`)
	f(typeJSON, false, `{"id":"a","v":1,"_deleted":"true"}`, `0 type_mismatch _deleted`)
	f(typeJSON, false, `{"id":"a","_deleted":true,"_deleted":true}`, `0 duplicate_column _deleted`)
	f(typeJSON, false, `{"v":1,"_deleted":true}`, `0 missing_column id`)
	f(typeJSON, false, `{"v":1}`, `0 missing_column id`)
	f(typeJSON, false, `{"id":null,"v":1,"_deleted":true}`, `0 null_not_allowed id`)
	f(typeJSON, false, `{"id":null,"v":1}`, `0 null_not_allowed id`)
	f(typeJSON, false, `{"id":"a","v":"x","_deleted":true}`, `0 type_mismatch v`)
	f(typeJSON, false, `{"id":"a","x":1,"_deleted":true}`, `0 unknown_column x`)
	f(typeJSON, true, `[{"id":"a"},{"id":"b","_deleted":false},{}]`, "0-[\"a\",null,null]\n1-[\"b\",null,null]\n2 missing_column id")
	f(typeNDJSON, false, "{\"id\":\"a\",\"v\":1}\n{\"id\":\"a\",\"_deleted\":true}", "0+[\"a\",1,null]\n1-[\"a\",null,null]")
	f(typeCSV, false, "id,v,_deleted\na,1,\nb,,true\nc,2,no\nd,,\ne,1,x", "0+[\"a\",1,null]\n1-[\"b\",null,null]\n2+[\"c\",2,null]\n3 null_not_allowed v\n4 type_mismatch _deleted")
	f(typeCSV, true, "id\na", `0-["a",null,null]`)
	// A stream knows no deletions, and a column of that name is a column.
	stream := &Format{ContentType: typeJSON, Columns: columns}
	if got := show(stream, decode(t, stream, `{"id":"a","v":1,"_deleted":true}`)); got != "0 unknown_column _deleted" {
		t.Errorf("got %s", got)
	}
	keyless := &Format{ContentType: typeJSON, Columns: columns, Table: true}
	if got := show(keyless, decode(t, keyless, `{"id":"a","v":1,"_deleted":true}`)); got != "0 unknown_column _deleted" {
		t.Errorf("got %s", got)
	}
	named := &Format{ContentType: typeJSON, Columns: append(slices.Clone(columns), row.Column{Name: "_deleted", Type: row.T(row.String)}), Table: true, Key: []int{0}}
	if got := show(named, decode(t, named, `{"id":"a","v":1,"_deleted":true}`)); got != `0+["a",1,null,"true"]` {
		t.Errorf("got %s", got)
	}
}

func TestDefaults(t *testing.T) {
	columns := row.Schema{{Name: "a", Type: row.T(row.String), NotNull: true}, {Name: "b", Type: row.T(row.Int64)}, {Name: "c", Type: row.T(row.Int64), NotNull: true}}
	defaults := []row.Value{row.StringValue("d"), row.NullValue(row.T(row.Int64)), row.IntValue(row.T(row.Int64), 7)}
	f := func(body, want string) {
		t.Helper()
		format := &Format{ContentType: typeJSON, Columns: columns, Defaults: defaults}
		if got := show(format, decode(t, format, body)); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
	f(`{}`, `0["d",null,7]`)
	f(`{"b":1}`, `0["d",1,7]`)
	f(`{"c":1,"a":"x"}`, `0["x",null,1]`)
	f(`{"a":null}`, `0 null_not_allowed a`)
}

func TestClosest(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		columns := row.Schema{{Name: "sensor"}, {Name: "Metric"}, {Name: "value"}, {Name: "at"}}
		if got := closest(name, columns); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	f("sensr", "sensor")
	f("SENSORS", "sensor")
	f("metrics", "Metric")
	f("val", "value")
	f("ta", "")
	f("ay", "at")
	f("humidity", "")
	f("", "")
	f(strings.Repeat("x", 1000), "")
}

func TestClip(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := clip(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("", "")
	f("a\x00\xffb", "a��b")
	f(strings.Repeat("a", clipMax), strings.Repeat("a", clipMax))
	f(strings.Repeat("a", clipMax+1), strings.Repeat("a", clipMax)+"…")
	f(strings.Repeat("a", clipMax-1)+"€€", strings.Repeat("a", clipMax-1)+"…")
}

// sameDecoded reports a difference between two results for one body.
func sameDecoded(f *Format, a, b *Decoded) string {
	if x, y := show(f, a), show(f, b); x != y {
		return fmt.Sprintf("%s\nis not\n%s", x, y)
	}
	for i := range a.Errors {
		if x, y := a.Errors[i], b.Errors[i]; x.Message != y.Message || !bytes.Equal(x.Event, y.Event) {
			return fmt.Sprintf("%+v\nis not\n%+v", x, y)
		}
	}
	return ""
}
