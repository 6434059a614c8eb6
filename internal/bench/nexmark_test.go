package bench

import (
	"context"
	"errors"
	"hash/maphash"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/bench/nexmark"
	"github.com/tidemill/tidemill/internal/row"
)

// TestNexmarkAnswersAreDuckDBs holds the views of all queries against DuckDB's answers over shuffled events, and again those that an order of the events
// could make a difference to over ordered ones.
func TestNexmarkAnswersAreDuckDBs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, o := range []NexmarkOptions{
		{Events: 5_000, Workers: 1, Runs: 1, TickEvents: 1500, Config: nexmark.Config{Seed: 1},
			Queries: []string{"q4", "q5", "q6", "q7", "q9", "q11", "q18", "q19"}},
		{Events: 10_000, Workers: 2, Runs: 1, TickEvents: 3500, Config: nexmark.Config{Seed: 2, Rate: 100, OutOfOrderGroup: 1000}},
	} {
		if testing.Short() && o.Workers == 1 {
			continue
		}
		results, err := Nexmark(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		if o.Queries == nil && len(results) != 23 {
			t.Errorf("%d queries ran", len(results))
		}
		for _, r := range results {
			if r.Rows == 0 && r.Query != "q2" {
				t.Errorf("%s: the answer is empty", r.Query)
			}
			if bids := int64(o.Events) / nexmark.EpochEvents * nexmark.EpochBids; r.Query == "q0" && r.Rows != bids {
				t.Errorf("q0 has %d rows, want %d", r.Rows, bids)
			}
		}
	}
}

func TestNexmarkRefusesUnknownQueries(t *testing.T) {
	if _, err := Nexmark(t.Context(), NexmarkOptions{Events: 10, Queries: []string{"q99"}}); err == nil {
		t.Error("q99 runs")
	}
}

func TestDigest(t *testing.T) {
	batch := func(vals ...string) *row.Batch {
		b := row.NewBatchBuilder([]row.Type{row.T(row.String), row.T(row.Float64)}, len(vals))
		for _, v := range vals {
			b.Cols[0].AppendString(v)
			b.Cols[1].AppendFloat(1.0 / 3)
		}
		return b.Finish(len(vals))
	}
	seed := maphash.MakeSeed()
	of := func(bs ...*row.Batch) *digest {
		d := newDigest(seed)
		for _, b := range bs {
			d.add(b)
		}
		return d
	}
	if err := of(batch("a", "b", "b")).same(of(batch("b"), batch("b", "a"))); err != nil {
		t.Errorf("the order counts: %v", err)
	}
	for _, other := range []*row.Batch{batch("a", "b"), batch("a", "a", "b"), batch("a", "b", "")} {
		if err := of(batch("a", "b", "b")).same(of(other)); !errors.Is(err, ErrMismatch) {
			t.Errorf("different rows have one digest: %v", err)
		}
	}
	weighted := batch("a", "b")
	weighted.Weights = []int64{1, 2}
	if err := of(weighted).same(of(batch("a", "b", "b"))); err != nil {
		t.Errorf("weights do not count: %v", err)
	}
}
