package nexmark

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

func generator(t *testing.T, c Config) *Generator {
	t.Helper()
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func ints(b *row.Batch, column int) []int64 { return row.Values[int64](&b.Cols[column]) }

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s is %.4f, want %.4f ± %.4f", what, got, want, tolerance)
	}
}

func sameRows(t *testing.T, a, b *row.Batch) {
	t.Helper()
	if a.Len != b.Len {
		t.Fatalf("%d and %d rows", a.Len, b.Len)
	}
	for i := range a.Len {
		if !row.EqualRows(a.Cols, i, b.Cols, i) {
			t.Fatalf("row %d differs", i)
		}
	}
}

func TestEventsDependOnTheirNumberAlone(t *testing.T) {
	for _, group := range []uint64{1, 1000} {
		g := generator(t, Config{Seed: 7, OutOfOrderGroup: group})
		whole := g.Generate(0, 10_000)
		var persons, auctions, bids []*row.Batch
		for _, cut := range [][2]uint64{{0, 1}, {1, 777}, {777, 5003}, {5003, 10_000}} {
			e := generator(t, Config{Seed: 7, OutOfOrderGroup: group}).Generate(cut[0], cut[1])
			if e.Len() != int(cut[1]-cut[0]) {
				t.Fatalf("%d events in %v", e.Len(), cut)
			}
			persons, auctions, bids = append(persons, e.Persons), append(auctions, e.Auctions), append(bids, e.Bids)
		}
		sameRows(t, whole.Persons, row.Concat(persons))
		sameRows(t, whole.Auctions, row.Concat(auctions))
		sameRows(t, whole.Bids, row.Concat(bids))
	}
	a, b := generator(t, Config{Seed: 7}).Generate(0, 500).Bids, generator(t, Config{Seed: 8}).Generate(0, 500).Bids
	if row.EqualRows(a.Cols, 0, b.Cols, 0) {
		t.Error("another seed makes the same bid")
	}
}

func TestShuffledEventsAreTheSameEvents(t *testing.T) {
	ordered, shuffled := generator(t, Config{}).Generate(0, 5000).Bids, generator(t, Config{OutOfOrderGroup: 1000}).Generate(0, 5000).Bids
	at := make([]int32, shuffled.Len)
	moved := 0
	rank := map[int64]int{}
	for i, s := range ints(ordered, 7) {
		rank[s] = i
	}
	for i, s := range ints(shuffled, 7) {
		r, ok := rank[s]
		if !ok {
			t.Fatalf("event %d is not among the ordered ones, or there twice", s)
		}
		delete(rank, s)
		at[r] = int32(i)
		if r != i {
			moved++
		}
	}
	sameRows(t, ordered, shuffled.Gather(at))
	if moved < shuffled.Len/2 {
		t.Errorf("only %d of %d bids moved", moved, shuffled.Len)
	}
	if _, err := New(Config{OutOfOrderGroup: 2 * outOfOrderStep}); err == nil {
		t.Error("a group that cannot be shuffled is taken")
	}
}

func TestKindsAndIDs(t *testing.T) {
	e := generator(t, Config{}).Generate(0, 50_000)
	if e.Persons.Len != 1000 || e.Auctions.Len != 3000 || e.Bids.Len != 46_000 {
		t.Fatalf("%d persons, %d auctions, %d bids", e.Persons.Len, e.Auctions.Len, e.Bids.Len)
	}
	for i, id := range ints(e.Persons, 0) {
		if id != int64(firstPerson+i) {
			t.Fatalf("person %d has the ID %d", i, id)
		}
	}
	for i, id := range ints(e.Auctions, 0) {
		if id != int64(firstAuction+i) {
			t.Fatalf("auction %d has the ID %d", i, id)
		}
	}
	times := ints(e.Bids, 5)
	for i, n := range ints(e.Bids, 7) {
		if want := times[0] + n/10*1000; times[i] != want {
			t.Fatalf("event %d is at %d, want %d", n, times[i], want)
		}
	}
}

func TestHotKeys(t *testing.T) {
	e := generator(t, Config{}).Generate(1_000_000, 1_200_000)
	hotAuction, hotBidder, hotSeller := 0, 0, 0
	seqs, auctions, bidders := ints(e.Bids, 7), ints(e.Bids, 0), ints(e.Bids, 1)
	for i, n := range seqs {
		last := lastAuction(uint64(n))
		a, p := auctions[i]-firstAuction, bidders[i]-firstPerson
		if a == last/100*100 {
			hotAuction++
		} else if a < last-100 || a > last+10 {
			t.Fatalf("bid %d is on auction %d, the last is %d", n, a, last)
		}
		if born := lastPerson(uint64(n)); p == born/100*100+1 {
			hotBidder++
		} else if p <= born-1000 || p > born+10 {
			t.Fatalf("bid %d is of person %d, the last is %d", n, p, born)
		}
	}
	sellers := ints(e.Auctions, 7)
	for i, n := range ints(e.Auctions, 10) {
		if sellers[i]-firstPerson == lastPerson(uint64(n))/100*100 {
			hotSeller++
		}
	}
	near(t, "the share of hot auctions", float64(hotAuction)/float64(e.Bids.Len), 0.5+0.5/111, 0.01)
	near(t, "the share of hot bidders", float64(hotBidder)/float64(e.Bids.Len), 0.75+0.25/1010, 0.01)
	near(t, "the share of hot sellers", float64(hotSeller)/float64(e.Auctions.Len), 0.75+0.25/1010, 0.02)
}

func TestPricesAreLogUniform(t *testing.T) {
	e := generator(t, Config{}).Generate(0, 200_000)
	var decades [6]int
	for _, p := range ints(e.Bids, 2) {
		if p < 100 || p > 100_000_000 {
			t.Fatalf("a price of %d", p)
		}
		decades[min(5, int(math.Log10(float64(p))-2))]++
	}
	for _, n := range decades {
		near(t, "the share of a decade of prices", float64(n)/float64(e.Bids.Len), 1.0/6, 0.01)
	}
	initial, reserve := ints(e.Auctions, 3), ints(e.Auctions, 4)
	begin, end, category := ints(e.Auctions, 5), ints(e.Auctions, 6), ints(e.Auctions, 8)
	life := 0.0
	for i := range e.Auctions.Len {
		if reserve[i] <= initial[i] || end[i] <= begin[i] || category[i] < 10 || category[i] > 14 {
			t.Fatalf("auction %d: prices %d and %d, times %d and %d, category %d", i, initial[i], reserve[i], begin[i], end[i], category[i])
		}
		life += float64(end[i]-begin[i]) / 1000
	}
	near(t, "the mean life of an auction in ms", life/float64(e.Auctions.Len), 167, 5)
}

func TestTexts(t *testing.T) {
	e := generator(t, Config{}).Generate(0, 200_000)
	hot, withID, cold := 0, 0, 0
	urls := map[string]string{}
	for i := range e.Bids.Len {
		name, url := e.Bids.Cols[3].Str(i), e.Bids.Cols[4].Str(i)
		if before, seen := urls[name]; seen && before != url {
			t.Fatalf("channel %s has two URLs", name)
		}
		urls[strings.Clone(name)] = strings.Clone(url)
		if !strings.HasPrefix(name, "channel-") {
			hot++
			continue
		}
		cold++
		if strings.Contains(url, "&channel_id=") {
			withID++
		}
		if parts := strings.Split(url, "/"); len(parts) != 7 || len(parts[3]) < 3 || len(parts[5]) > 4 {
			t.Fatalf("the URL %s", url)
		}
	}
	near(t, "the share of bids from hot channels", float64(hot)/float64(e.Bids.Len), 0.5, 0.01)
	near(t, "the share of channels with an ID", float64(withID)/float64(cold), 0.9, 0.02)
	near(t, "the mean length of a bid's padding", float64(e.Bids.Cols[6].Offsets[e.Bids.Len])/float64(e.Bids.Len), 68, 1)
	fixed := 6 * 8
	text := 0
	for _, c := range []int{1, 2, 9} {
		text += int(e.Auctions.Cols[c].Offsets[e.Auctions.Len])
	}
	near(t, "the mean size of an auction", float64(fixed)+float64(text)/float64(e.Auctions.Len), 500, 10)
	for c := 1; c <= 5; c++ {
		if bytes.IndexByte(e.Persons.Cols[c].Data, 0) >= 0 {
			t.Errorf("column %d of the persons has a zero byte", c)
		}
	}
}
