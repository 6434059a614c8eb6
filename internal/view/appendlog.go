package view

import "github.com/tidemill/tidemill/internal/row"

const (
	// logLevels: large batches (of logBatchRows rows), middling ones (of logSmallRows), and small ones.
	logLevels    = 3
	logBatchRows = 2048
	logSmallRows = 64
	// logBatchBytes and logSmallBytes stand beside the two numbers of rows, for batches of long rows.
	logBatchBytes = 8 << 20
	logSmallBytes = 256 << 10
)

// appendLog holds the batches of an append-only relation as they came. Only small batches are copied, into
// larger ones, at most twice each row, so that many ticks of a few rows scan as fast as few ticks of many. Levels are
// in order of arrival: all rows of a level are older than those of the next. Its methods are the writer's; versions
// share the slices, of which no element ever changes.
type appendLog struct {
	levels   [logLevels][]*row.Batch
	starts   []int64 // position of the first row of each batch of level 0
	first    int64   // rows in level 0
	midRows  int     // rows and bytes in level 1
	midBytes int64
	rows     int64
	bytes    int64
}

func (l *appendLog) append(b *row.Batch) refused {
	var r refused
	b = l.expand(b, &r)
	if b.Len == 0 {
		return r
	}
	size := b.Size()
	l.rows += int64(b.Len)
	l.bytes += size
	if b.Len < logSmallRows && size < logSmallBytes {
		if l.levels[2] = append(l.levels[2], b); len(l.levels[2]) == logSmallRows {
			l.liftSmall()
		}
		return r
	}
	l.liftSmall()
	l.lift(b, size)
	return r
}

// liftSmall makes one batch of level 2, which is at most 64 × 256 KiB.
func (l *appendLog) liftSmall() {
	if small := l.levels[2]; len(small) > 0 {
		l.levels[2] = nil
		b := row.Concat(small)
		l.lift(b, b.Size())
	}
}

// lift appends b to level 1, or, when that is large enough with it, all of it to level 0.
func (l *appendLog) lift(b *row.Batch, size int64) {
	large := b.Len >= logBatchRows || size >= logBatchBytes
	if !large {
		l.levels[1] = append(l.levels[1], b)
		l.midRows += b.Len
		l.midBytes += size
		if l.midRows < logBatchRows && l.midBytes < logBatchBytes {
			return
		}
	}
	if mid := l.levels[1]; len(mid) > 0 {
		l.seal(row.Concat(mid))
		l.levels[1], l.midRows, l.midBytes = nil, 0, 0
	}
	if large {
		l.seal(b)
	}
}

func (l *appendLog) seal(b *row.Batch) {
	l.levels[0] = append(l.levels[0], b)
	l.starts = append(l.starts, l.first)
	l.first += int64(b.Len)
}

// expand returns the batch with one row per copy, all of weight 1.
func (l *appendLog) expand(b *row.Batch, r *refused) *row.Batch {
	if b.Weights == nil {
		return b
	}
	plain, rows := true, int64(0)
	for i, w := range b.Weights[:b.Len] {
		plain = plain && w == 1
		if w < 0 || w > ResultRowsMax-rows {
			r.add(b, int32(i), "an append-only relation takes single insertions only")
			continue
		}
		rows += w
	}
	if plain {
		return &row.Batch{Cols: b.Cols, Len: b.Len}
	}
	at, bad := make([]int32, 0, rows), r.rows
	for i, w := range b.Weights[:b.Len] {
		if len(bad) > 0 && bad[0] == int32(i) {
			bad = bad[1:]
			continue
		}
		for range w {
			at = append(at, int32(i))
		}
	}
	out := (&row.Batch{Cols: b.Cols, Len: b.Len}).Gather(at)
	return out
}

// fill sets the version's rows to those of the log.
func (l *appendLog) fill(v *version) {
	for i, level := range l.levels {
		v.levels[i] = level[:len(level):len(level)]
	}
	v.starts = l.starts[:len(l.starts):len(l.starts)]
	v.rows = l.rows
}

func (l *appendLog) stats() Stats {
	n := len(l.levels[0]) + len(l.levels[1]) + len(l.levels[2])
	return Stats{Rows: l.rows, Versions: l.rows, Bytes: l.bytes + int64(n)*changeOverhead, Chunks: n}
}
