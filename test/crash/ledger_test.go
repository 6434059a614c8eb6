package crash

import (
	"fmt"
	"slices"
	"sync"
)

// ledger is what the clients of a stream know of their requests. Each row of the stream carries its client and its request's number.
type ledger struct {
	relation string

	mu      sync.Mutex
	clients map[int][]request // by number
}

// request is what a client has sent at once: it is there whole, and once, or not at all.
type request struct {
	rows, sum int64
	fate      fate
	repeat    bool // it will be sent again, with the same identity
}

func newLedger(relation string) *ledger {
	return &ledger{relation: relation, clients: map[int][]request{}}
}

// next is the number of a client's next request.
func (g *ledger) next(client int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.clients[client])
}

// begin notes a request before it is sent.
func (g *ledger) begin(client int, rows, sum int64) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clients[client] = append(g.clients[client], request{rows: rows, sum: sum})
	return len(g.clients[client]) - 1
}

// end notes how a request went.
func (g *ledger) end(client, number int, f fate, repeat bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := &g.clients[client][number]
	r.fate, r.repeat = f, repeat
}

// settle wants the stored rows to be those of the acknowledged requests, and learns what became of the others.
func (g *ledger) settle(l *life, t *totals) error {
	rows, err := l.sql(l.ctx, fmt.Sprintf(`SELECT client, req, count(*)::BIGINT, sum(v)::BIGINT FROM %s GROUP BY ALL`, g.relation))
	if err != nil {
		return fmt.Errorf("reading %s: %w", g.relation, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	seen := map[int][]bool{}
	for client, rs := range g.clients {
		seen[client] = make([]bool, len(rs))
	}
	for _, r := range rows {
		client, number, count, sum := int(number(r[0])), int(number(r[1])), number(r[2]), number(r[3])
		if number < 0 || number >= len(g.clients[client]) {
			l.violated("%s: client %d never sent request %d", g.relation, client, number)
			continue
		}
		seen[client][number] = true
		q := &g.clients[client][number]
		switch {
		case count != q.rows || sum != q.sum:
			l.violated("%s: request %d of client %d (%s) has %d rows with sum %d, it was sent with %d and %d", g.relation, number, client, q.fate, count, sum, q.rows, q.sum)
		case q.fate == refused:
			l.violated("%s: request %d of client %d was refused, or not there after an earlier restart, and is there", g.relation, number, client)
		case q.fate == unknown:
			t.present++
			if !q.repeat {
				q.fate = acked
			}
		}
	}
	for client, rs := range g.clients {
		for number := range rs {
			if seen[client][number] {
				continue
			}
			switch q := &rs[number]; {
			case q.fate == acked:
				l.violated("%s: request %d of client %d was acknowledged and is not there (%d rows)", g.relation, number, client, q.rows)
			case q.fate == unknown:
				t.absent++
				if !q.repeat {
					q.fate = refused
				}
			}
		}
	}
	return nil
}

// String is how a fate reads in a report.
func (f fate) String() string {
	return [...]string{"not answered", "acknowledged", "refused"}[f]
}

// stored sums up the requests that are there, by client; it is called after settle. A request that will be repeated is left out, with its client.
func (g *ledger) stored() (rows, sums map[int]int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rows, sums = map[int]int64{}, map[int]int64{}
	for client, rs := range g.clients {
		if slices.ContainsFunc(rs, func(r request) bool { return r.fate == unknown }) {
			continue
		}
		for _, r := range rs {
			if r.fate == acked {
				rows[client] += r.rows
				sums[client] += r.sum
			}
		}
	}
	return rows, sums
}
