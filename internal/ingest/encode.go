package ingest

import (
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/record"
	"github.com/tidemill/tidemill/internal/row"
)

const (
	// recordRows and recordBytes bound a record: large enough to be cheap per row, small enough to be read alone.
	recordRows  = 64 << 10
	recordBytes = 1 << 20
)

// Target is how rows of a relation are put into records.
type Target struct {
	Codec *row.Codec
	// Schema is the version of the schema that Codec writes.
	Schema uint32
	// Partitions and Key say to which partition a row goes: by the hash of its key, or, without a key, all
	// rows of a batch to one.
	Partitions int
	Key        []int
	// Ops says that the relation is a table: rows carry weights that are operations.
	Ops bool
}

// Encode returns the log entries for rows. With a transaction the entries carry its ID, and the last one says that it is the last
// if final is set.
func (t *Target) Encode(b *row.Batch, now time.Time, tx record.TxID, final bool) ([]log.Entry, error) {
	return t.EncodeIdentified(b, now, tx, final, nil)
}

// EncodeIdentified is Encode with what tells a repeat of the rows, of which there may be none: no more identities of events than rows. That of a request is in the last entry.
func (t *Target) EncodeIdentified(b *row.Batch, now time.Time, tx record.TxID, final bool, ids *record.Identities) ([]log.Entry, error) {
	if b.Len == 0 {
		return nil, nil
	}
	if t.Ops && b.Weights == nil {
		ones := make([]int64, b.Len)
		for i := range ones {
			ones[i] = 1
		}
		b = &row.Batch{Cols: b.Cols, Len: b.Len, Weights: ones}
	}
	type part struct {
		partition uint16
		rows      *row.Batch
	}
	var parts []part
	for p, piece := range t.partitions(b, now) {
		if piece == nil {
			continue
		}
		for _, rows := range split(piece) {
			parts = append(parts, part{uint16(p), rows})
		}
	}
	entries := make([]log.Entry, 0, len(parts))
	h := record.Header{Schema: t.Schema, Ops: t.Ops, Ingested: now, Tx: tx}
	var events []record.Identity
	if ids != nil {
		events = ids.Events
	}
	for i, p := range parts {
		last := i == len(parts)-1
		h.Final = final && last
		var own record.Identities
		n := min(len(events), p.rows.Len)
		own.Events, events = events[:n], events[n:]
		if ids != nil && last {
			own.Request = ids.Request
		}
		body, err := t.encodeRecord(h, p.rows, &own)
		if err != nil {
			return nil, err
		}
		entries = append(entries, log.Entry{Partition: p.partition, Body: body})
	}
	return entries, nil
}

func (t *Target) encodeRecord(h record.Header, b *row.Batch, ids *record.Identities) ([]byte, error) {
	rows, err := t.Codec.Encode(b)
	if err != nil {
		return nil, fmt.Errorf("encoding %d rows: %w", b.Len, err)
	}
	body := record.AppendIdentified(make([]byte, 0, len(rows)+64+len(ids.Events)*len(record.Identity{})), h, ids)
	body = append(body, rows...)
	if len(body) > log.MaxGroupBytes {
		return nil, fmt.Errorf("%w: %d bytes in a single record", log.ErrTooLarge, len(body))
	}
	return body, nil
}

// partitions divides the rows, one batch per partition, nil for none.
func (t *Target) partitions(b *row.Batch, now time.Time) []*row.Batch {
	out := make([]*row.Batch, max(1, t.Partitions))
	if len(out) == 1 {
		out[0] = b
		return out
	}
	if len(t.Key) == 0 {
		out[uint64(now.UnixMicro())%uint64(len(out))] = b
		return out
	}
	hash := make([]uint64, b.Len)
	row.Hash(b.Project(t.Key).Cols, hash)
	at := make([][]int32, len(out))
	for i, h := range hash {
		p := h % uint64(len(out))
		at[p] = append(at[p], int32(i))
	}
	for p := range at {
		if len(at[p]) > 0 {
			out[p] = b.Gather(at[p])
		}
	}
	return out
}

// split cuts a batch into pieces of about the size of a record.
func split(b *row.Batch) []*row.Batch {
	pieces := max(int(b.Size()/recordBytes)+1, (b.Len+recordRows-1)/recordRows)
	pieces = min(pieces, b.Len)
	if pieces <= 1 {
		return []*row.Batch{b}
	}
	out := make([]*row.Batch, 0, pieces)
	for k := range pieces {
		lo, hi := b.Len*k/pieces, b.Len*(k+1)/pieces
		if lo < hi {
			out = append(out, b.Slice(lo, hi))
		}
	}
	return out
}
