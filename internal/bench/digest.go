package bench

import (
	"fmt"
	"hash/maphash"
	"strconv"

	"github.com/tidemill/tidemill/internal/row"
)

// digest is a fingerprint of a multiset of rows that does not depend on their order: the sum of the rows' hashes. Rows are hashed
// as text, floats to 9 digits.
type digest struct {
	seed maphash.Seed
	rows int64
	sum  uint64
	text []byte
}

func newDigest(seed maphash.Seed) *digest { return &digest{seed: seed} }

func (d *digest) add(b *row.Batch) {
	for i := range b.Len {
		d.text = d.text[:0]
		for c := range b.Cols {
			d.text = appendCell(d.text, &b.Cols[c], i)
		}
		w := b.Weight(i)
		d.rows += w
		d.sum += uint64(w) * maphash.Bytes(d.seed, d.text)
	}
}

// appendCell appends a value so that no two rows of different values look the same.
func appendCell(dst []byte, v *row.Vec, i int) []byte {
	if v.Null(i) {
		return append(dst, 'n')
	}
	dst = append(dst, 'v', 0, 0, 0, 0)
	at := len(dst)
	switch v.Type.Kind {
	case row.Float64:
		dst = strconv.AppendFloat(dst, row.Values[float64](v)[i], 'e', 8, 64)
	case row.Float32:
		dst = strconv.AppendFloat(dst, float64(row.Values[float32](v)[i]), 'e', 8, 64)
	default:
		dst = row.AppendText(dst, v, i)
	}
	n := len(dst) - at
	dst[at-4], dst[at-3], dst[at-2], dst[at-1] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
	return dst
}

func (d *digest) same(o *digest) error {
	if d.rows == o.rows && d.sum == o.sum {
		return nil
	}
	return fmt.Errorf("%w: %d rows with digest %016x, DuckDB has %d rows with digest %016x", ErrMismatch, d.rows, d.sum, o.rows, o.sum)
}
