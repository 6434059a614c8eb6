package row

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// weightsColumn is the name of the extra last column that holds weights.
const weightsColumn = "tidemill.weight"

// Codec turns batches of one schema into record bodies and back. A body is a record batch as an encapsulated
// Arrow IPC message, without the schema message that a stream begins with; MarshalSchema gives that. A Codec is immutable and safe for concurrent use.
type Codec struct {
	schema Schema
	types  []Type
	plain  recordTemplate
	// weighted has a last column of weights.
	weighted recordTemplate
}

// NewCodec returns the codec for batches with the schema's types.
func NewCodec(s Schema) (*Codec, error) {
	c := &Codec{schema: s, types: s.Types()}
	as := storedSchema(s)
	if err := c.plain.make(as); err != nil {
		return nil, fmt.Errorf("making a codec: %w", err)
	}
	fields := append(as.Fields(), arrow.Field{Name: weightsColumn, Type: arrow.PrimitiveTypes.Int64})
	if err := c.weighted.make(arrow.NewSchema(fields, nil)); err != nil {
		return nil, fmt.Errorf("making a codec: %w", err)
	}
	return c, nil
}

// Schema returns the codec's schema.
func (c *Codec) Schema() Schema { return c.schema }

// Encode returns the batch as a record body, in memory of its own.
func (c *Codec) Encode(b *Batch) ([]byte, error) {
	if len(b.Cols) != len(c.types) {
		return nil, fmt.Errorf("encoding a batch: %d columns, want %d", len(b.Cols), len(c.types))
	}
	if b.Weights != nil && len(b.Weights) != b.Len {
		return nil, fmt.Errorf("encoding a batch: %d weights for %d rows", len(b.Weights), b.Len)
	}
	if b.Len > MaxRows {
		return nil, fmt.Errorf("encoding a batch: %d rows, at most %d are allowed", b.Len, MaxRows)
	}
	t, size := &c.plain, 0
	if b.Weights != nil {
		t, size = &c.weighted, 8*b.Len
	}
	for i := range b.Cols {
		v := &b.Cols[i]
		if v.Type != c.types[i] || v.Len != b.Len {
			return nil, fmt.Errorf("encoding a batch: column %d has %d values of %s, want %d of %s", i, v.Len, v.Type, b.Len, c.types[i])
		}
		size += columnSize(v)
	}
	w := recordWriter{out: make([]byte, len(t.message), len(t.message)+size), template: t}
	copy(w.out, t.message)
	for i := range b.Cols {
		w.column(&b.Cols[i])
	}
	if b.Weights != nil {
		weights := FromValues(T(Int64), b.Weights, nil)
		w.column(&weights)
	}
	return w.finish(b.Len), nil
}

// recordTemplate is the metadata of a record message: arrow-go makes it, each record patches its numbers.
type recordTemplate struct {
	message []byte // with the marker and length before the metadata
	// Positions in message of the number of rows, the body's length, and the structs of nodes and buffers, of two numbers each.
	rows, bodyLen, nodes, buffers int
}

func (t *recordTemplate) make(as *arrow.Schema) (err error) {
	defer recoverDamage(&err)
	// One row of nulls has all buffers, and no number that the format would leave out for being 0.
	one := &Batch{Cols: make([]Vec, as.NumFields()), Len: 1}
	for i, f := range as.Fields() {
		typ, _ := columnType(f.Type, f.Metadata)
		one.Cols[i] = NullVec(typ, 1)
	}
	var stream messageBuffer
	w := ipc.NewWriterWithPayloadWriter(&stream, ipc.WithSchema(as))
	if err := w.Write(toArrow(as, one)); err != nil {
		return err
	}
	record := stream.Bytes()[stream.first:]
	meta, _, err := splitMessage(record)
	if err != nil {
		return err
	}
	const prefix = 8
	t.message = bytes.Clone(record[:prefix+len(meta)])
	message, header, _ := messageHeader(meta)
	t.bodyLen = prefix + int(message.Pos) + int(message.Offset(slotBodyLength))
	t.rows = prefix + int(header.Pos) + int(header.Offset(slotRows))
	at, _ := vectorAt(&header, slotNodes, 16)
	t.nodes = prefix + int(at)
	at, _ = vectorAt(&header, slotBuffers, 16)
	t.buffers = prefix + int(at)
	if as.NumFields() == 0 && message.Offset(slotBodyLength) == 0 {
		t.bodyLen = t.rows // a body without columns stays empty: finish writes the rows last
	}
	return nil
}

// messageBuffer implements ipc.PayloadWriter.
type messageBuffer struct {
	bytes.Buffer
	first int // the end of the first message
}

// WritePayload implements ipc.PayloadWriter.
func (m *messageBuffer) WritePayload(p ipc.Payload) error {
	_, err := p.WritePayload(&m.Buffer)
	if m.first == 0 {
		m.first = m.Len()
	}
	return err
}

// Start implements ipc.PayloadWriter.
func (m *messageBuffer) Start() error { return nil }

// Close implements ipc.PayloadWriter.
func (m *messageBuffer) Close() error { return nil }

// columnSize is an upper bound of the bytes of a column in a record.
func columnSize(v *Vec) int {
	n := 32 // padding
	if v.Valid != nil {
		n += (v.Len + 7) >> 3
	}
	switch {
	case v.Type.Phys() == PhysBytes:
		n += (v.Len + 1) * 4
		if v.Len > 0 {
			n += int(v.Offsets[v.Len] - v.Offsets[0])
		}
	case v.Type.Kind == Bool:
		n += (v.Len + 7) >> 3
	case v.Type.Kind == Decimal:
		n += v.Len * 16
	default:
		n += v.Len * v.Type.Phys().Width()
	}
	return n
}

// recordWriter appends the buffers of the columns, each padded to 8 bytes, and notes where they are.
type recordWriter struct {
	out      []byte
	template *recordTemplate
	cols     int
	buffers  int
}

func (w *recordWriter) column(v *Vec) {
	nulls := v.Nulls()
	node := w.out[w.template.nodes+16*w.cols:]
	binary.LittleEndian.PutUint64(node, uint64(v.Len))
	binary.LittleEndian.PutUint64(node[8:], uint64(nulls))
	w.cols++
	start := len(w.out)
	if nulls > 0 {
		w.out = append(w.out, v.Valid[:(v.Len+7)>>3]...)
		if rest := v.Len & 7; rest != 0 {
			w.out[len(w.out)-1] &= 1<<rest - 1
		}
	}
	w.buffer(start)
	start = len(w.out)
	switch {
	case v.Type.Phys() == PhysBytes:
		w.offsets(v)
		w.buffer(start)
		start = len(w.out)
		if v.Len > 0 {
			w.out = append(w.out, v.Data[v.Offsets[0]:v.Offsets[v.Len]]...)
		}
	case v.Type.Kind == Bool:
		w.bools(v.Data[:v.Len])
	case v.Type.Kind == Interval:
		w.out = append(w.out, intervalsToNanos(v)...)
	case v.Type.Kind == Decimal && v.Type.Width <= 18:
		for _, x := range Values[int64](v) {
			w.out = binary.LittleEndian.AppendUint64(w.out, uint64(x))
			w.out = binary.LittleEndian.AppendUint64(w.out, uint64(x>>63))
		}
	default:
		w.out = append(w.out, v.Data[:v.Len*v.Type.Phys().Width()]...)
	}
	w.buffer(start)
}

// buffer notes and pads what has been appended since start.
func (w *recordWriter) buffer(start int) {
	at := w.out[w.template.buffers+16*w.buffers:]
	binary.LittleEndian.PutUint64(at, uint64(start-len(w.template.message)))
	binary.LittleEndian.PutUint64(at[8:], uint64(len(w.out)-start))
	w.buffers++
	for len(w.out)&7 != 0 {
		w.out = append(w.out, 0)
	}
}

func (w *recordWriter) offsets(v *Vec) {
	if v.Len == 0 {
		w.out = append(w.out, 0, 0, 0, 0)
		return
	}
	offsets := v.Offsets[:v.Len+1]
	if first := offsets[0]; first != 0 {
		for _, o := range offsets {
			w.out = binary.LittleEndian.AppendUint32(w.out, uint32(o-first))
		}
		return
	}
	w.out = append(w.out, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(offsets))), len(offsets)*4)...)
}

func (w *recordWriter) bools(values []byte) {
	for len(values) >= 8 {
		// The lowest bits of 8 bytes come together in the highest byte of the product.
		x := binary.LittleEndian.Uint64(values) & 0x0101010101010101
		w.out = append(w.out, byte(x*0x0102040810204080>>56))
		values = values[8:]
	}
	if len(values) > 0 {
		last := byte(0)
		for i, b := range values {
			last |= (b & 1) << i
		}
		w.out = append(w.out, last)
	}
}

func (w *recordWriter) finish(rows int) []byte {
	binary.LittleEndian.PutUint64(w.out[w.template.bodyLen:], uint64(len(w.out)-len(w.template.message)))
	binary.LittleEndian.PutUint64(w.out[w.template.rows:], uint64(rows))
	return w.out
}

// Decode returns the rows of a record body. The batch shares memory with the body, which must not change any more. Damaged bodies are errors.
func (c *Codec) Decode(body []byte) (*Batch, error) {
	b, err := c.decode(aligned(body, 8))
	if err != nil {
		return nil, fmt.Errorf("decoding a record: %w", err)
	}
	return b, nil
}

func (c *Codec) decode(message []byte) (*Batch, error) {
	var m recordMessage
	if err := m.open(message); err != nil {
		return nil, err
	}
	weighted := m.columns() == len(c.types)+1
	if !weighted && m.columns() != len(c.types) {
		return nil, fmt.Errorf("%d columns, want %d", m.columns(), len(c.types))
	}
	b := &Batch{Cols: make([]Vec, len(c.types)), Len: m.rows}
	for i, t := range c.types {
		if err := m.column(t, &b.Cols[i]); err != nil {
			return nil, fmt.Errorf("column %d: %w", i, err)
		}
	}
	if weighted {
		if err := m.weights(b); err != nil {
			return nil, err
		}
	}
	return b, m.end()
}

// MarshalSchema returns the Arrow schema message of a schema, to be kept beside the records of its codec.
func MarshalSchema(s Schema) ([]byte, error) {
	var stream messageBuffer
	w := ipc.NewWriterWithPayloadWriter(&stream, ipc.WithSchema(storedSchema(s)))
	if err := w.Close(); err != nil { // writes the schema, if nothing else
		return nil, fmt.Errorf("encoding a schema: %w", err)
	}
	return stream.Bytes(), nil
}

// UnmarshalSchema reads what MarshalSchema wrote. Damaged bytes are errors.
func UnmarshalSchema(message []byte) (s Schema, err error) {
	defer recoverDamage(&err)
	r, err := NewArrowReader(bytes.NewReader(message), ArrowLimits{Metadata: len(message), Body: 1})
	if err != nil {
		return nil, fmt.Errorf("decoding a schema: %w", err)
	}
	if s, err = FromArrowSchema(r.Schema()); err != nil {
		return nil, fmt.Errorf("decoding a schema: %w", err)
	}
	return s, nil
}
