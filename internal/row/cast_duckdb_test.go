package row_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

func TestCastVecAgreesWithDuckDB(t *testing.T) {
	d := openDuck(t)
	r := rand.New(rand.NewPCG(21, 22))
	numbers := []row.Type{row.T(row.Bool), row.T(row.Int8), row.T(row.Int16), row.T(row.Int32), row.T(row.Int64), row.T(row.Uint8), row.T(row.Uint16), row.T(row.Uint32), row.T(row.Uint64),
		row.T(row.Int128), row.T(row.Float32), row.T(row.Float64), row.DecimalType(5, 2), row.DecimalType(18, 3), row.DecimalType(38, 10), row.DecimalType(38, 0)}
	times := []row.Type{row.T(row.Date), row.T(row.Timestamp), row.T(row.TimestampTZ)}
	for _, group := range []struct {
		types []row.Type
		seeds int
	}{{numbers, 0}, {times, 1}} {
		var texts []string
		for range rounds(150) {
			seeds := parseSeeds[group.seeds]
			texts = append(texts, mutate(r, seeds.seeds[r.IntN(len(seeds.seeds))], seeds.alphabet))
			if group.seeds == 0 {
				texts = append(texts, fmt.Sprint(int64(r.Uint64())>>r.UintN(64)), fmt.Sprintf("%d.%d", int32(r.Uint32())>>r.UintN(32), r.UintN(1000)))
			}
		}
		for _, from := range group.types {
			for _, to := range group.types {
				t.Run(from.String()+" to "+to.String(), func(t *testing.T) { compareCasts(t, d, from, to, texts) })
			}
		}
	}
}

func compareCasts(t *testing.T, d *duck, from, to row.Type, texts []string) {
	b := row.NewBuilder(from, len(texts))
	var used []string
	for _, s := range texts {
		if b.AppendParsed([]byte(s)) == nil {
			if v := b.Finish(); len(row.AppendText(nil, &v, 0)) < 30 || from.IsNumeric() {
				used = append(used, s)
			}
			b.Reset(from, 1)
		}
	}
	b.Reset(from, len(used))
	kept := used[:0]
	for _, s := range used {
		if miscounts(from, s) {
			continue
		}
		if err := b.AppendParsed([]byte(s)); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, s)
	}
	in := b.Finish()
	out, bad := row.CastVec(&in, to)
	failedRows := map[int]bool{}
	for _, e := range bad {
		failedRows[e.Row] = true
	}
	want, err := d.tryColumn(fmt.Sprintf("select try_cast(cast(s as %s) as %s)::varchar from (select unnest(?::varchar[]) as s)", from, to), kept)
	if err != nil {
		t.Skipf("DuckDB: %v", err)
	}
	wrong := 0
	for i := range kept {
		got := string(row.AppendText(nil, &out, i))
		if out.Null(i) != failedRows[i] {
			t.Fatalf("row %d is null: %v, reported: %v", i, out.Null(i), failedRows[i])
		}
		if out.Null(i) && from.Kind != to.Kind && (from.Kind == row.Float32 || from.Kind == row.Float64) && want[i] != nil && (*want[i])[0] == '-' && kept[i][0] != '-' {
			continue // DuckDB lets 127.5 overflow to -128
		}
		if out.Null(i) != (want[i] == nil) || want[i] != nil && got != *want[i] {
			if wrong++; wrong < 8 {
				t.Errorf("%q as %s as %s is %q, want %q", kept[i], from, to, got, deref(want[i]))
			}
		}
	}
}
