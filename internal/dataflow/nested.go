package dataflow

import (
	"github.com/tidemill/tidemill/internal/dataflow/scalar"
	"github.com/tidemill/tidemill/internal/row"
)

// nestedBuilder makes a column of lists or maps: for each value null, or add or entry as often as there are members and then end.
type nestedBuilder struct {
	out  *row.Builder
	text []byte
	errs []scalar.RowError
}

// nestedMax bounds the bytes of the nested values in one column, which has 32-bit offsets.
const nestedMax = row.Bytes32Max / 2

func newNestedBuilder(t row.Type, n int) *nestedBuilder {
	return &nestedBuilder{out: row.NewBuilder(t, n)}
}

// null appends a null.
func (b *nestedBuilder) null() { b.out.AppendNull() }

// add adds value i of v to the list.
func (b *nestedBuilder) add(v *row.Vec, i int) { b.text = row.AppendElement(b.text, v, i) }

// entry adds a key, which is not null, and a value to the map.
func (b *nestedBuilder) entry(k *row.Vec, i int, v *row.Vec, j int) {
	b.text = row.AppendMapEntry(b.text, k, i, v, j)
}

// end appends the list or map that was made of what was added since the last end. One that does not fit is an error of its row, and null.
func (b *nestedBuilder) end() {
	if b.out.ByteLen()+len(b.text) >= nestedMax {
		b.fail(b.out.Len())
	} else {
		b.text = row.AppendListEnd(b.text)
		b.out.AppendBytes(b.text)
	}
	b.text = b.text[:0]
}

// fail appends a null for a value that does not fit.
func (b *nestedBuilder) fail(at int) {
	b.errs = append(b.errs, tooLarge(at))
	b.out.AppendNull()
}

func tooLarge(at int) scalar.RowError {
	return scalar.RowError{Row: int32(at), Message: "Out of Range Error: the collected values of one tick are limited to 1 GiB"}
}

func (b *nestedBuilder) finish() (row.Vec, []scalar.RowError) { return b.out.Finish(), b.errs }
