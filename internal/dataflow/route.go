package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/row"
)

// router computes the key of an input's rows and sends each row to the shard that owns its key.
type router struct {
	title string
	// columns are the positions of the key's columns; programs, if not nil, computes the key instead, one instance per shard.
	columns  []int
	programs []*scalar.Program
	// dropNulls leaves out rows with a null in a key column of that index: they can match nothing.
	dropNulls []bool
	// broadcast sends every row to every shard instead.
	broadcast bool
}

// routed is what one instance gets on one input: the pieces sent to it by every shard, put together by assemble.
type routed struct {
	port
	from   []port    // per sending shard
	pieces [][]int32 // per sending shard the positions that go here; nil pieces: all of from[0]
}

// keyed computes keys and hashes for one shard's rows.
func (r *router) keyed(shard int, b *row.Batch) (port, []Reject, error) {
	p := port{batch: b, keys: make([]row.Vec, len(r.dropNulls))}
	var rejects []Reject
	if r.programs != nil {
		keys, errs, err := r.programs[shard].Eval(b)
		if err != nil {
			return port{}, nil, err
		}
		p.keys = keys
		if len(errs) > 0 {
			rejects = rejectRows(r.title, b, errs)
			p = p.without(errs)
		}
	} else {
		p.columns = r.columns
		for i, c := range r.columns {
			p.keys[i] = b.Cols[c]
		}
	}
	p = p.dropNullKeys(r.dropNulls)
	p.hash = make([]uint64, p.batch.Len)
	row.Hash(p.keys, p.hash)
	return p, rejects, nil
}

// gather returns the rows of p at the given positions.
func (p port) gather(at []int32) port {
	out := port{batch: p.batch.Gather(at), keys: make([]row.Vec, len(p.keys)), columns: p.columns}
	for i := range p.keys {
		if p.columns != nil {
			out.keys[i] = out.batch.Cols[p.columns[i]]
		} else {
			out.keys[i] = p.keys[i].Gather(at)
		}
	}
	if p.hash != nil {
		out.hash = make([]uint64, len(at))
		for k, i := range at {
			out.hash[k] = p.hash[i]
		}
	}
	return out
}

func (p port) without(errs []scalar.RowError) port {
	at := make([]int32, 0, p.batch.Len-len(errs))
	k := 0
	for i := range int32(p.batch.Len) {
		if k < len(errs) && errs[k].Row == i {
			k++
			continue
		}
		at = append(at, i)
	}
	return p.gather(at)
}

func (p port) dropNullKeys(drop []bool) port {
	var at []int32
	for i := range p.keys {
		if !drop[i] || p.keys[i].Nulls() == 0 {
			continue
		}
		at = make([]int32, 0, p.batch.Len)
		break
	}
	if at == nil {
		return p
	}
rows:
	for i := range p.batch.Len {
		for k := range p.keys {
			if drop[k] && p.keys[k].Null(i) {
				continue rows
			}
		}
		at = append(at, int32(i))
	}
	return p.gather(at)
}

// route computes, per shard and input, what goes there.
func (g *Graph) route(n *node, run Runner) ([][]routed, error) {
	ports := make([][]routed, g.workers)
	for w := range ports {
		ports[w] = make([]routed, len(n.inputs))
	}
	for k, in := range n.inputs {
		flow := g.flows[in]
		if flow == nil {
			continue
		}
		r := n.routes[k]
		if r == nil {
			for w, b := range flow {
				ports[w][k].port.batch = b
			}
			continue
		}
		if err := g.exchange(r, flow, ports, k, run); err != nil {
			return nil, err
		}
	}
	return ports, nil
}

func (g *Graph) exchange(r *router, flow []*row.Batch, ports [][]routed, k int, run Runner) error {
	from := make([]port, g.workers)
	parts := make([][][]int32, g.workers)
	errs := make([]error, g.workers)
	rejects := make([][]Reject, g.workers)
	run(g.workers, func(w int) {
		if flow[w] == nil || flow[w].Len == 0 {
			return
		}
		if from[w], rejects[w], errs[w] = r.keyed(w, flow[w]); errs[w] == nil && g.workers > 1 {
			if r.broadcast {
				parts[w] = everywhere(from[w].batch.Len, g.workers)
			} else {
				parts[w] = partition(from[w].hash, g.workers)
			}
		}
	})
	for w := range g.workers {
		if errs[w] != nil {
			return errs[w]
		}
		g.rejects = append(g.rejects, rejects[w]...)
	}
	if g.workers == 1 {
		ports[0][k].port = from[0]
		return nil
	}
	for w := range g.workers {
		pieces := make([][]int32, g.workers)
		for s := range g.workers {
			if parts[s] != nil {
				pieces[s] = parts[s][w]
			}
		}
		ports[w][k].from, ports[w][k].pieces = from, pieces
	}
	return nil
}

// shardOf selects the shard of a hash. It uses bits that Index does not start from.
func shardOf(hash uint64, workers int) int { return int(hash >> 8 & 0xffffff % uint64(workers)) }

func partition(hash []uint64, workers int) [][]int32 {
	counts := make([]int, workers)
	for _, h := range hash {
		counts[shardOf(h, workers)]++
	}
	parts := make([][]int32, workers)
	for w := range parts {
		parts[w] = make([]int32, 0, counts[w])
	}
	for i, h := range hash {
		w := shardOf(h, workers)
		parts[w] = append(parts[w], int32(i))
	}
	return parts
}

// everywhere sends all of n rows to every worker.
func everywhere(n, workers int) [][]int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	parts := make([][]int32, workers)
	for w := range parts {
		parts[w] = all
	}
	return parts
}

// assemble puts the pieces together on the receiving shard's goroutine.
func (r *routed) assemble() {
	if r.from == nil {
		return
	}
	var got []port
	for s, at := range r.pieces {
		switch {
		case len(at) == 0:
		case len(at) == r.from[s].batch.Len:
			got = append(got, r.from[s])
		default:
			got = append(got, r.from[s].gather(at))
		}
	}
	switch len(got) {
	case 0:
	case 1:
		r.port = got[0]
	default:
		r.port = joinPorts(got)
	}
}

func joinPorts(got []port) port {
	batches := make([]*row.Batch, len(got))
	keys := make([]*row.Batch, len(got))
	var hash []uint64
	for i := range got {
		batches[i] = got[i].batch
		keys[i] = &row.Batch{Cols: got[i].keys, Len: got[i].batch.Len}
		hash = append(hash, got[i].hash...)
	}
	out := port{batch: row.Concat(batches), columns: got[0].columns, hash: hash}
	if out.columns == nil {
		out.keys = row.Concat(keys).Cols
		return out
	}
	for _, c := range out.columns {
		out.keys = append(out.keys, out.batch.Cols[c])
	}
	return out
}

// rejectRows describes the rows of b that failed. The retraction of a row that failed before is no news.
func rejectRows(operator string, b *row.Batch, errs []scalar.RowError) []Reject {
	out := make([]Reject, 0, min(len(errs), rejectsKept))
	for _, e := range errs {
		if len(out) == rejectsKept {
			break
		}
		if b.Weight(int(e.Row)) < 0 {
			continue
		}
		out = append(out, Reject{Operator: operator, Message: e.Message, Row: b.Gather([]int32{e.Row})})
	}
	return out
}

// rejectsKept bounds the rejected rows that one instance describes per tick.
const rejectsKept = 100
