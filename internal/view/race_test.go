package view

import (
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// Readers of all kinds beside a writer that moves amounts between accounts and makes and closes empty ones: whatever
// a snapshot shows, the amounts add up, and all ways of reading agree.
func TestReadersBesideTheWriter(t *testing.T) {
	for name, key := range map[string][]int{"keyed": {0}, "multiset": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bank{s: New(Options{Schema: bankSchema, Key: key, HistoryBytes: 1 << 20}), keyed: key != nil}
			var done atomic.Bool
			var readers sync.WaitGroup
			for i := range 4 {
				readers.Go(func() {
					r := rand.New(rand.NewPCG(9, uint64(i)))
					for !done.Load() && !t.Failed() {
						b.read(t, r)
					}
				})
			}
			b.write(t)
			done.Store(true)
			readers.Wait()
			if n := b.s.Stats().Snapshots; n != 0 {
				t.Errorf("%d snapshots are still open", n)
			}
		})
	}
}

const (
	bankAccounts = 3000
	bankTotal    = bankAccounts * 100
	bankTicks    = 400
)

var bankSchema = row.Schema{{Name: "id", Type: row.T(row.Int64)}, {Name: "amount", Type: row.T(row.Int64)}, {Name: "name", Type: row.T(row.String)}}

type bank struct {
	s     *Store
	keyed bool
}

func account(id, amount int64) line {
	name := row.NullValue(row.T(row.String))
	if amount%5 != 0 {
		name = row.StringValue(string(rune('a'+id%26)) + string(rune('a'+amount%26)))
	}
	return append(pair(id, amount), name)
}

func (b *bank) write(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	amounts := map[int64]int64{}
	var lines []line
	for id := range int64(bankAccounts) {
		amounts[id] = 100
		lines = append(lines, account(id, 100))
	}
	apply := func(tick uint64, lines []line, weights []int64) {
		if err := b.s.Apply(tick, batchOf(bankSchema, lines, weights)); err != nil {
			t.Error(err)
		}
		b.s.Publish(tick)
	}
	apply(1, lines, nil)
	for tick := uint64(2); tick < bankTicks && !t.Failed(); tick++ {
		now := map[int64]int64{}
		for range 100 {
			from, to, n := r.Int64N(bankAccounts), r.Int64N(bankAccounts), r.Int64N(20)
			for _, id := range []int64{from, to} {
				if _, ok := now[id]; !ok {
					now[id] = amounts[id]
				}
			}
			now[from] -= n
			now[to] += n
		}
		var lines []line
		var weights []int64
		for id, amount := range now {
			if amount != amounts[id] {
				lines = append(lines, account(id, amounts[id]), account(id, amount))
				weights = append(weights, -1, 1)
				amounts[id] = amount
			}
		}
		// Empty accounts that live for a few ticks.
		for i := range int64(20) {
			id := bankAccounts + int64(tick)*20 + i
			lines, weights = append(lines, account(id, 0)), append(weights, 1)
			if old := id - 100; tick > 10 {
				lines, weights = append(lines, account(old, 0)), append(weights, -1)
			}
		}
		apply(tick, lines, weights)
	}
}

func (b *bank) read(t *testing.T, r *rand.Rand) {
	p := b.s.At()
	defer p.Close()
	if p.Tick() == 0 {
		return
	}
	if r.IntN(3) == 0 { // let it grow old
		for range 50 {
			b.lookup(t, p, r.Int64N(bankAccounts))
		}
	}
	switch r.IntN(4) {
	case 0:
		b.scan(t, p)
	case 1:
		b.pages(t, p, r.IntN(2) == 0)
	case 2:
		for range 100 {
			b.lookup(t, p, r.Int64N(bankAccounts))
		}
	case 3:
		changes, _ := b.s.Changes(p.Tick())
		for _, c := range changes {
			sum := int64(0)
			for i, amount := range row.Values[int64](&c.Batch.Cols[1]) {
				sum += amount * c.Batch.Weight(i)
			}
			if sum != 0 {
				t.Errorf("the changes of tick %d add up to %d", c.Tick, sum)
			}
		}
	}
}

func total(batches ...*row.Batch) (rows int64, sum int64) {
	for _, b := range batches {
		rows += int64(b.Len)
		for _, amount := range row.Values[int64](&b.Cols[1]) {
			sum += amount
		}
		// Look at what readers look at.
		for i := range b.Len {
			if !b.Cols[2].Null(i) && len(b.Cols[2].Str(i)) != 2 {
				rows = -1 << 40
			}
		}
	}
	return rows, sum
}

func (b *bank) scan(t *testing.T, p *Snapshot) {
	it, err := p.Scan([]int{0, 1, 2})
	if err != nil {
		t.Error(err)
		return
	}
	var batches []*row.Batch
	for {
		batch, err := it.Next()
		if err == io.EOF {
			break
		}
		batches = append(batches, batch)
	}
	if rows, sum := total(batches...); rows != p.Rows() || sum != bankTotal {
		t.Errorf("scan at tick %d: %d of %d rows, sum %d", p.Tick(), rows, p.Rows(), sum)
	}
}

func (b *bank) pages(t *testing.T, p *Snapshot, descending bool) {
	q := RangeQuery{Limit: 500, Descending: descending}
	var batches []*row.Batch
	for {
		rows, next, err := p.Range(q)
		if err != nil {
			t.Error(err)
			return
		}
		batches = append(batches, rows)
		if q.After = next; next == nil {
			break
		}
	}
	if rows, sum := total(batches...); rows != p.Rows() || sum != bankTotal {
		t.Errorf("range at tick %d: %d of %d rows, sum %d", p.Tick(), rows, p.Rows(), sum)
	}
}

func (b *bank) lookup(t *testing.T, p *Snapshot, id int64) {
	cols, vals := []int{0}, pair(id, 0)[:1]
	one, err := p.Lookup(cols, vals, 0)
	if err != nil || one.Len != 1 {
		t.Errorf("account %d at tick %d: %v %v", id, p.Tick(), one, err)
		return
	}
	// By all columns, which is what indexes a multiset.
	l := lineAt(one, 0)
	again, err := p.Lookup([]int{0, 1, 2}, l, 0)
	if err != nil || again.Len != 1 {
		t.Errorf("account %v at tick %d again: %v %v", l, p.Tick(), again, err)
	}
}
