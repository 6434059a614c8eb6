package ingest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// arrowStream writes batches of rows, given in JSON, as an Arrow stream.
func arrowStream(t testing.TB, schema *arrow.Schema, batches ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	for _, rows := range batches {
		rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func arrowSchemaOf(fields ...any) *arrow.Schema {
	var fs []arrow.Field
	for i := 0; i < len(fields); i += 2 {
		fs = append(fs, arrow.Field{Name: fields[i].(string), Type: fields[i+1].(arrow.DataType), Nullable: true})
	}
	return arrow.NewSchema(fs, nil)
}

func TestArrow(t *testing.T) {
	text, i32, i64, boolean := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Boolean
	f := func(format *Format, body []byte, want string) {
		t.Helper()
		format.ContentType, format.Columns = typeArrow, testColumns
		d, err := Decode(bytes.NewReader(body), format)
		got := ""
		if err != nil {
			got = string(fault.From(err).Code) + " " + fault.From(err).Message
		} else {
			check(t, format, d)
			got = show(format, d)
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	stream := func() *Format { return &Format{} }
	table := func() *Format { return &Format{Table: true, Key: []int{0}} }
	all := arrowSchemaOf("name", text, "n", i32, "doc", text)
	f(stream(), arrowStream(t, all, `[{"name":"a","n":1,"doc":"[1]"},{"name":"b"}]`, `[{"name":"c","n":3}]`), "0[\"a\",1,[1]]\n1[\"b\",null,null]\n2[\"c\",3,null]")
	f(stream(), arrowStream(t, all), "")
	f(stream(), arrowStream(t, arrowSchemaOf("N", i64, "NAME", text), `[{"NAME":"a","N":1},{"NAME":"b","N":3000000000},{"N":1},{"NAME":"c"}]`),
		"0[\"a\",1,null]\n3[\"c\",null,null]\n1 type_mismatch n\n2 null_not_allowed name")
	f(stream(), arrowStream(t, arrowSchemaOf("n", i32), `[{"n":1}]`), "0 missing_column name")
	f(stream(), arrowStream(t, arrowSchemaOf("name", text, "doc", text), `[{"name":"a\u0000"},{"name":"a","doc":"{"}]`), "0 malformed name\n1 type_mismatch doc")
	f(stream(), arrowStream(t, arrowSchemaOf("name", text, "x", i32), `[]`), `42703 there is no column "x", which the Arrow schema has`)
	f(stream(), arrowStream(t, arrowSchemaOf("name", text, "NAME", text), `[]`), `42701 the Arrow schema has column "NAME" more than once`)
	f(stream(), arrowStream(t, arrowSchemaOf("name", text, "n", arrow.ListOf(i32)), `[{"name":"a","n":[1]}]`), `42804 column "n" of the Arrow stream cannot be read as INTEGER`)
	f(&Format{EventBytesMax: 20}, arrowStream(t, all, `[{"name":"aaaaaaaaaaaaaaaaaaaaa","n":1},{"name":"b"}]`), "1[\"b\",null,null]\n0 too_large")
	f(table(), arrowStream(t, arrowSchemaOf("name", text, "n", i32, "_deleted", boolean), `[{"name":"a","n":1,"_deleted":true},{"name":"b","n":2},{"n":2,"_deleted":true}]`),
		"0-[\"a\",null,null]\n1+[\"b\",2,null]\n2 null_not_allowed name")
	f(&Format{Table: true, Key: []int{0}, Delete: true}, arrowStream(t, arrowSchemaOf("name", text), `[{"name":"a"}]`), `0-["a",null,null]`)
	f(table(), arrowStream(t, arrowSchemaOf("n", i32, "_deleted", boolean), `[{"n":1,"_deleted":true},{"n":1}]`), "0 missing_column name\n1 missing_column name")
	f(stream(), nil, "22P02 the body is not a readable Arrow IPC stream")
	f(stream(), []byte(`{"name":"a"}`), "22P02 the body is not a readable Arrow IPC stream")
	two := arrowStream(t, all, `[{"name":"a"}]`, `[{"name":"b"}]`)
	f(stream(), two[:len(two)-100], "0[\"a\",null,null]\n1 malformed")
}

func TestArrowDefaults(t *testing.T) {
	format := &Format{ContentType: typeArrow, Columns: testColumns, Defaults: []row.Value{row.StringValue("d"), row.IntValue(row.T(row.Int32), 7), row.NullValue(row.T(row.JSON))}}
	body := arrowStream(t, arrowSchemaOf("doc", arrow.BinaryTypes.String), `[{"doc":"1"},{}]`)
	d, err := Decode(bytes.NewReader(body), format)
	if err != nil {
		t.Fatal(err)
	}
	check(t, format, d)
	if got, want := show(format, d), "0[\"d\",7,1]\n1[\"d\",7,null]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzArrow(f *testing.F) {
	text, i32 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32
	f.Add(arrowStream(f, arrowSchemaOf("name", text, "n", i32, "doc", text), `[{"name":"a","n":1,"doc":"[1]"},{"name":"b"}]`, `[{"name":"c","n":3}]`), false)
	f.Add(arrowStream(f, arrowSchemaOf("name", text, "_deleted", arrow.FixedWidthTypes.Boolean), `[{"name":"a","_deleted":true}]`), true)
	f.Fuzz(func(t *testing.T, body []byte, table bool) {
		format := &Format{ContentType: typeArrow, Columns: testColumns, Table: table, Key: []int{0}, EventBytesMax: 1 << 10}
		if d, err := Decode(bytes.NewReader(body), format); err == nil {
			check(t, format, d)
		}
	})
}

// A few bytes may claim very many rows.
func TestArrowManyRows(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.Null, Nullable: true}}, nil)
	f := func(rows int64, wantOK bool) {
		t.Helper()
		var out bytes.Buffer
		w := ipc.NewWriter(&out, ipc.WithSchema(schema))
		for range 2 {
			if err := w.Write(array.NewRecordBatch(schema, []arrow.Array{array.NewNull(int(rows))}, rows)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		format := &Format{ContentType: typeArrow, Columns: testColumns, Defaults: []row.Value{row.StringValue(strings.Repeat("x", 1<<20))}}
		_, err := Decode(&out, format)
		if (err == nil) != wantOK || !wantOK && fault.From(err).Code != fault.LimitExceeded {
			t.Errorf("%d rows twice: %v", rows, err)
		}
	}
	f(20, true)
	f(300, false)
	f(1000, false)
}
