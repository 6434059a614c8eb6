package ingest

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

var cloudColumns = row.Schema{
	{Name: "id", Type: row.T(row.String)}, {Name: "time", Type: row.T(row.TimestampTZ)}, {Name: "v", Type: row.T(row.Float64)}, {Name: "traceparent", Type: row.T(row.String)},
}

const cloudHead = `"specversion":"1.0","id":"1","source":"/s","type":"t"`

func TestCloudEvents(t *testing.T) {
	f := func(contentType, body, want string) {
		t.Helper()
		format := &Format{ContentType: contentType, Columns: cloudColumns}
		if got := show(format, decode(t, format, body)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", body, got, want)
		}
	}
	f(typeCloud, `{`+cloudHead+`,"data":{"v":1.5}}`, `0["1",null,1.5,null] /s|1`)
	f(typeCloud, `{"data":{"v":1.5,"id":"mine"},`+cloudHead+`}`, `0["mine",null,1.5,null] /s|1`)
	f(typeCloud, `{`+cloudHead+`,"time":"2026-11-22T17:38:12Z","subject":"x","traceparent":"00-1","dataschema":"y"}`, `0["1","2026-11-22T17:38:12Z",null,"00-1"] /s|1`)
	f(typeCloud, `{`+cloudHead+`,"data":null}`, `0["1",null,null,null] /s|1`)
	f(typeCloud, `{`+cloudHead+`,"data_base64":"eyJ2Ijoi\/`+`"}`, `0 malformed data`)
	f(typeCloud, `{`+cloudHead+`,"data_base64":"eyJ2IjoyfQ=="}`, `0["1",null,2,null] /s|1`)
	f(typeCloud, `{`+cloudHead+`,"data_base64":"eyJ2IjoyfQ==","datacontenttype":"application/json; charset=utf-8"}`, `0["1",null,2,null] /s|1`)
	f(typeCloud, `{`+cloudHead+`,"data_base64":"eyJ2IjoyfQ==","datacontenttype":"image/png"}`, `0 malformed data`)
	f(typeCloud, `{`+cloudHead+`,"data_base64":"eyI="}`, `0 malformed data`)
	f(typeCloud, `{`+cloudHead+`,"data_base64":1}`, `0 malformed data`)
	f(typeCloud, `{`+cloudHead+`,"data":{},"data_base64":""}`, `0 malformed data`)
	f(typeCloud, `{`+cloudHead+`,"data":[1]}`, `0 malformed data`)
	f(typeCloud, `{`+cloudHead+`,"data":{"x":1}}`, `0 unknown_column x`)
	f(typeCloud, `{`+cloudHead+`,"data":{"v":"x"}}`, `0 type_mismatch v`)
	f(typeCloud, `{`+cloudHead+`,"time":"soon"}`, `0 type_mismatch time`)
	f(typeCloud, `{`+cloudHead+`,"id":"2"}`, `0 duplicate_column id`)
	f(typeCloud, `{"specversion":"1.0","id":"1","source":"/s"}`, `0 malformed type`)
	f(typeCloud, `{"specversion":"1.0","id":"","source":"/s","type":"t"}`, `0 malformed id`)
	f(typeCloud, `{"specversion":"1.0","id":7,"source":"/s","type":"t"}`, `0 malformed id`)
	f(typeCloud, `{"specversion":"1.0","id":"\u0000","source":"/s","type":"t"}`, `0 malformed id`)
	f(typeCloud, `{"specversion":"0.3","id":"1","source":"/s","type":"t"}`, `0 malformed specversion`)
	f(typeCloud, `{"id":"1","source":"/s","type":"t"}`, `0 malformed specversion`)
	f(typeCloud, `{}`, `0 malformed specversion`)
	f(typeCloud, `1`, `0 malformed`)
	f(typeCloudBatch, `[{`+cloudHead+`},{`+cloudHead+`,"data":{"v":"x"}},{`+strings.Replace(cloudHead, `"1"`, `"\u0032"`, 1)+`,"data":{"v":3}}]`,
		"0[\"1\",null,null,null] /s|1\n2[\"2\",null,3,null] /s|2\n1 type_mismatch v")
	f(typeCloudBatch, `[]`, ``)
}

func TestBinaryCloudEvents(t *testing.T) {
	f := func(contentType string, headers map[string]string, body, want string) {
		t.Helper()
		format := &Format{ContentType: contentType, Columns: cloudColumns, CloudEvent: headers}
		d, err := Decode(strings.NewReader(body), format)
		got := ""
		if err != nil {
			got = err.Error()[:10]
		} else {
			check(t, format, d)
			got = show(format, d)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
	head := func(more ...string) map[string]string {
		m := map[string]string{"specversion": "1.0", "id": "1", "source": "/s%20x", "type": "t"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	f("application/json", head(), `{"v":1}`, `0["1",null,1,null] /s x|1`)
	f("", head("time", "2026-11-22T17:38:12Z"), ` `, `0["1","2026-11-22T17:38:12Z",null,null] /s x|1`)
	f("application/vnd.reading+json", head("traceparent", `a"b`), `{"v":1,"id":"x"}`, `0["x",null,1,"a\"b"] /s x|1`)
	f("application/json", head("id", ""), `{"v":1}`, `0 malformed id`)
	f("application/json", head("id", "\xff"), `{"v":1}`, `0 malformed id`)
	f("application/json", head(), `{"v":`, `0 malformed data`)
	f("application/json", head(), `[{"v":1}]`, `0 malformed data`)
	f("text/plain", head(), `x`, `events of `)
	f("text/csv", head(), `x`, `the data o`)
	// Structured mode goes by its content type, whatever the headers.
	f(typeCloud, head(), `{`+cloudHead+`,"data":{"v":2}}`, `0["1",null,2,null] /s|1`)
}
