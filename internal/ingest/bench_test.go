package ingest

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

var benchColumns = row.Schema{
	{Name: "sensor", Type: row.T(row.String), NotNull: true}, {Name: "metric", Type: row.T(row.String)}, {Name: "value", Type: row.T(row.Float64)},
	{Name: "at", Type: row.T(row.TimestampTZ)}, {Name: "seq", Type: row.T(row.Int64)}, {Name: "ok", Type: row.T(row.Bool)}, {Name: "zone", Type: row.T(row.String)},
}

const benchEvent = `{"sensor":"greenhouse-17-north","metric":"temperature","value":21.375,"at":"2026-11-22T17:38:12.345Z","seq":1234567,"ok":true,"zone":"A-north-4"}`

const benchEvents = 10_000

// benchDecode reports events per second of processor time, which other work on the machine does not change.
func benchDecode(b *testing.B, f *Format, body []byte) {
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	start := processorNanos()
	n := 0
	for b.Loop() {
		d, err := Decode(bytes.NewReader(body), f)
		if err != nil || d.Rejected > 0 {
			b.Fatal(err, d.Errors)
		}
		n += d.Rows.Len
	}
	b.ReportMetric(float64(n)/(processorNanos()-start)*1e9, "events/cpu-s")
}

func processorNanos() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(r.Utime.Nano() + r.Stime.Nano())
}

func BenchmarkNDJSON(b *testing.B) {
	benchDecode(b, &Format{ContentType: typeNDJSON, Columns: benchColumns}, bytes.Repeat([]byte(benchEvent+"\n"), benchEvents))
}

func BenchmarkNDJSONByLine(b *testing.B) {
	benchDecode(b, &Format{ContentType: typeNDJSON, Columns: benchColumns}, bytes.Repeat([]byte(benchEvent+" \n"), benchEvents))
}

func BenchmarkJSONArray(b *testing.B) {
	body := append([]byte{'['}, bytes.Repeat([]byte(benchEvent+","), benchEvents)...)
	body[len(body)-1] = ']'
	benchDecode(b, &Format{ContentType: typeJSON, Columns: benchColumns}, body)
}

func BenchmarkCloudEvents(b *testing.B) {
	event := `{"specversion":"1.0","id":"A234-1234-1234","source":"/greenhouse/17","type":"reading","data":` + benchEvent + `},`
	body := append([]byte{'['}, bytes.Repeat([]byte(event), benchEvents)...)
	body[len(body)-1] = ']'
	benchDecode(b, &Format{ContentType: typeCloudBatch, Columns: benchColumns}, body)
}

func BenchmarkCSV(b *testing.B) {
	body := append([]byte("sensor,metric,value,at\n"), bytes.Repeat([]byte("greenhouse-17-north,temperature,21.375,2026-11-22 17:38:12.345Z\n"), benchEvents)...)
	benchDecode(b, &Format{ContentType: typeCSV, Columns: benchColumns}, body)
}

func BenchmarkCopyText(b *testing.B) {
	body := bytes.Repeat([]byte("greenhouse-17-north\ttemperature\t21.375\t2026-11-22 17:38:12.345Z\n"), benchEvents)
	b.SetBytes(int64(len(body)))
	start, n := processorNanos(), 0
	for b.Loop() {
		p, err := NewCopyParser(benchColumns[:4], CopyFormat{Format: "text", Null: `\N`})
		if err == nil {
			err = p.Write(body)
		}
		if err != nil {
			b.Fatal(err)
		}
		rows, err := p.Finish()
		if err != nil {
			b.Fatal(err)
		}
		n += rows.Len
	}
	b.ReportMetric(float64(n)/(processorNanos()-start)*1e9, "events/cpu-s")
}
