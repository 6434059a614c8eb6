package row

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
)

// The parts of Arrow's message format that are looked at here: the types of headers, and the vtable slots of the tables'
// fields. See format/Message.fbs and format/Schema.fbs of Apache Arrow.
const (
	headerSchema     = 1
	headerDictionary = 2
	headerRecord     = 3

	slotHeaderType      = 6
	slotHeader          = 8
	slotBodyLength      = 10
	slotMessageMetadata = 12

	slotRows           = 4
	slotNodes          = 6
	slotBuffers        = 8
	slotCompression    = 10
	slotVariadicCounts = 12

	slotDictionaryData = 6

	slotSchemaFields   = 6
	slotSchemaMetadata = 8
	slotSchemaFeatures = 10

	slotFieldChildren = 14
	slotFieldMetadata = 16
)

var errDamaged = errors.New("not an Arrow message, or a damaged one")

// recoverDamage turns a panic over damaged bytes into an error.
func recoverDamage(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", errDamaged, r)
	}
}

// splitMessage takes an encapsulated message apart: a marker, the length of the metadata, the metadata, the body.
func splitMessage(b []byte) (meta, body []byte, err error) {
	if len(b) < 8 || binary.LittleEndian.Uint32(b) != 0xffffffff {
		return nil, nil, errDamaged
	}
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	if n < 8 || n%8 != 0 || n > int64(len(b)-8) {
		return nil, nil, fmt.Errorf("%w: metadata of %d bytes in %d", errDamaged, n, len(b))
	}
	return b[8 : 8+n], b[8+n:], nil
}

// messageHeader returns the table of a message and of its header. Like all that reads tables it panics on damaged bytes.
func messageHeader(meta []byte) (message, header flatbuffers.Table, kind byte) {
	message = flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	kind = message.GetByteSlot(slotHeaderType, 0)
	o := flatbuffers.UOffsetT(message.Offset(slotHeader))
	if o == 0 {
		panic("no header")
	}
	message.Union(&header, o)
	return message, header, kind
}

// vectorAt returns the start and length of a vector whose elements of size bytes lie within the table's bytes.
func vectorAt(t *flatbuffers.Table, slot flatbuffers.VOffsetT, size int) (start flatbuffers.UOffsetT, n int) {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return 0, 0
	}
	n = t.VectorLen(o)
	start = t.Vector(o)
	if n < 0 || int64(start)+int64(n)*int64(size) > int64(len(t.Bytes)) {
		panic("a vector is too long")
	}
	return start, n
}

// recordMessage reads the columns of a record batch one after the other, straight from the message: a one-row record would spend more
// time in the making of arrays than in the reading of values.
type recordMessage struct {
	rows           int
	nodes, buffers []byte // 16 bytes each
	body           []byte
	raw            [3][]byte
}

func (m *recordMessage) open(b []byte) (err error) {
	defer recoverDamage(&err)
	meta, body, err := splitMessage(b)
	if err != nil {
		return err
	}
	_, record, kind := messageHeader(meta)
	if kind != headerRecord {
		return fmt.Errorf("%w: header of type %d", errDamaged, kind)
	}
	if record.Offset(slotCompression) != 0 {
		return fmt.Errorf("%w: compressed", errDamaged)
	}
	rows := record.GetInt64Slot(slotRows, 0)
	if rows < 0 || rows > MaxRows {
		return fmt.Errorf("%w: %d rows", errDamaged, rows)
	}
	m.rows, m.body = int(rows), body
	at, n := vectorAt(&record, slotNodes, 16)
	m.nodes = meta[at : int(at)+n*16]
	at, n = vectorAt(&record, slotBuffers, 16)
	m.buffers = meta[at : int(at)+n*16]
	return nil
}

// columns is the number of columns not yet read.
func (m *recordMessage) columns() int { return len(m.nodes) / 16 }

func pairAt(b []byte) (x, y int64) {
	return int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
}

// next returns the next column's layout, which has n buffers.
func (m *recordMessage) next(n int) (s arrowSource, err error) {
	if len(m.nodes) < 16 || len(m.buffers) < n*16 {
		return s, fmt.Errorf("%w: columns are missing", errDamaged)
	}
	length, nulls := pairAt(m.nodes)
	if length != int64(m.rows) || nulls < 0 || nulls > length {
		return s, fmt.Errorf("%w: %d values, %d of them null, in %d rows", errDamaged, length, nulls, m.rows)
	}
	for i := range n {
		at, size := pairAt(m.buffers[i*16:])
		if at < 0 || size < 0 || at > int64(len(m.body)) || size > int64(len(m.body))-at {
			return s, fmt.Errorf("%w: %d bytes at %d in a body of %d", errDamaged, size, at, len(m.body))
		}
		m.raw[i] = m.body[at : at+size : at+size]
	}
	m.nodes, m.buffers = m.nodes[16:], m.buffers[n*16:]
	s = arrowSource{len: m.rows, buffers: m.raw[:n], trusted: true}
	return s, s.openValidity(int(nulls))
}

// column reads the next column, of type t.
func (m *recordMessage) column(t Type, v *Vec) error {
	p := t.Phys()
	n := 2
	if p == PhysBytes {
		n = 3
	}
	s, err := m.next(n)
	if err != nil {
		return err
	}
	*v = Vec{Type: t, Len: m.rows, Valid: s.valid}
	switch {
	case p == PhysBytes:
		v.Data = s.buffers[2]
		v.Offsets, err = offsetsOf[int32](&s, len(v.Data))
	case t.Kind == Bool:
		*v, err = s.readBools()
	case t.Kind == Interval:
		var nanos []IntervalValue
		if nanos, err = fixedValues[IntervalValue](&s); err == nil {
			*v = fromNanos(nanos, s.valid)
		}
	case t.Kind == Decimal && p == PhysInt64:
		var wide []Int128Value
		if wide, err = fixedValues[Int128Value](&s); err == nil {
			err = narrowDecimals(wide, v)
		}
	default:
		v.Data, err = s.fixed(p.Width(), min(p.Width(), 8))
	}
	if err == nil && t.shape != nil {
		err = checkStored(v)
	}
	return err
}

// weights reads the last column, of the rows' weights.
func (m *recordMessage) weights(b *Batch) error {
	s, err := m.next(2)
	if err != nil {
		return err
	}
	if b.Weights, err = fixedValues[int64](&s); err != nil || s.valid != nil {
		return fmt.Errorf("%w: bad weights", errDamaged)
	}
	if b.Weights == nil {
		b.Weights = []int64{}
	}
	for _, w := range b.Weights {
		if w == 0 {
			return fmt.Errorf("%w: a weight is 0", errDamaged)
		}
	}
	return nil
}

func (m *recordMessage) end() error {
	if len(m.nodes) > 0 || len(m.buffers) > 0 {
		return fmt.Errorf("%w: more buffers than columns need", errDamaged)
	}
	return nil
}

// ArrowLimits bound what an Arrow stream from outside may make its reader hold in memory.
type ArrowLimits struct {
	// Metadata and Body bound the parts of a message as they come, in bytes.
	Metadata, Body int
	// Inflated bounds each buffer of a compressed message; 0 forbids compression.
	Inflated int
}

// NewArrowReader returns a reader of the Arrow IPC stream r, with messages of any origin: each is checked before arrow-go reads it, which trusts the
// lengths that it finds. Errors of the checks come out of Read. The reader's arrays are still to be read with CastArrow.
func NewArrowReader(r io.Reader, limits ArrowLimits) (*ipc.Reader, error) {
	return ipc.NewReaderFromMessageReader(&checkedReader{r: r, limits: limits}, ipc.WithAllocator(boundedMemory{max: limits.Inflated}))
}

// checkedReader implements ipc.MessageReader.
type checkedReader struct {
	r      io.Reader
	limits ArrowLimits
}

// Retain does nothing: memory is the garbage collector's.
func (c *checkedReader) Retain() {}

// Release does nothing.
func (c *checkedReader) Release() {}

// Message returns the next message, io.EOF at the end.
func (c *checkedReader) Message() (m *ipc.Message, err error) {
	defer recoverDamage(&err)
	n, err := c.metadataLength()
	if err != nil {
		return nil, err
	}
	meta, err := readExactly(c.r, n)
	if err != nil {
		return nil, fmt.Errorf("reading %d bytes of metadata: %w", n, err)
	}
	message, _, _ := messageHeader(meta)
	size := message.GetInt64Slot(slotBodyLength, 0)
	if size < 0 || size > int64(c.limits.Body) {
		return nil, fmt.Errorf("a message's body has %d bytes, at most %d are allowed", size, c.limits.Body)
	}
	if err := checkMessage(meta, size); err != nil {
		return nil, err
	}
	body, err := readExactly(c.r, int(size))
	if err != nil {
		return nil, fmt.Errorf("reading %d bytes of a message's body: %w", size, err)
	}
	return ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(body)), nil
}

func (c *checkedReader) metadataLength() (int, error) {
	var word [4]byte
	if _, err := io.ReadFull(c.r, word[:]); err != nil {
		return 0, err // io.EOF: a stream may end without a mark
	}
	n := binary.LittleEndian.Uint32(word[:])
	if n == 0xffffffff {
		if _, err := io.ReadFull(c.r, word[:]); err != nil {
			return 0, fmt.Errorf("reading a message's length: %w", io.ErrUnexpectedEOF)
		}
		n = binary.LittleEndian.Uint32(word[:])
	}
	switch {
	case n == 0:
		return 0, io.EOF
	case n < 8 || int64(n) > int64(c.limits.Metadata):
		return 0, fmt.Errorf("a message's metadata has %d bytes, at most %d are allowed", n, c.limits.Metadata)
	}
	return int(n), nil
}

// readExactly reads n bytes into aligned memory, in steps, so that a stream that only claims to be long does not take the memory.
func readExactly(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	buf := aligned8(min(n, step))
	for read := 0; ; {
		k, err := io.ReadFull(r, buf[read:])
		if read += k; err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		if read == n {
			return buf, nil
		}
		longer := aligned8(min(n, 2*read))
		copy(longer, buf)
		buf = longer
	}
}

// checkMessage makes sure that no length in a message's metadata is beyond what it or the body of that size can hold.
func checkMessage(meta []byte, body int64) (err error) {
	defer recoverDamage(&err)
	message, header, kind := messageHeader(meta)
	vectorAt(&message, slotMessageMetadata, 4)
	switch kind {
	case headerSchema:
		vectorAt(&header, slotSchemaMetadata, 4)
		vectorAt(&header, slotSchemaFeatures, 8)
		budget := len(meta) / 8
		checkFields(&header, slotSchemaFields, &budget, 2*typeDepthMax)
	case headerRecord:
		checkRecord(&header, body)
	case headerDictionary:
		o := flatbuffers.UOffsetT(header.Offset(slotDictionaryData))
		if o == 0 {
			panic("a dictionary without data")
		}
		checkRecord(&flatbuffers.Table{Bytes: meta, Pos: header.Indirect(o + header.Pos)}, body)
	default:
		return fmt.Errorf("%w: header of type %d", errDamaged, kind)
	}
	return nil
}

// checkFields walks at most budget fields, to a limited depth: fields may refer to each other in circles.
func checkFields(t *flatbuffers.Table, slot flatbuffers.VOffsetT, budget *int, depth int) {
	start, n := vectorAt(t, slot, 4)
	if *budget -= n; *budget < 0 || n > 0 && depth == 0 {
		panic("too many fields")
	}
	for i := range n {
		field := flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(start + flatbuffers.UOffsetT(i*4))}
		vectorAt(&field, slotFieldMetadata, 4)
		checkFields(&field, slotFieldChildren, budget, depth-1)
	}
}

func checkRecord(record *flatbuffers.Table, body int64) {
	if rows := record.GetInt64Slot(slotRows, 0); rows < 0 || rows > MaxRows {
		panic(fmt.Sprintf("%d rows", rows))
	}
	vectorAt(record, slotVariadicCounts, 8)
	start, n := vectorAt(record, slotNodes, 16)
	for i := range n {
		if length, _ := pairAt(record.Bytes[int(start)+i*16:]); length < 0 || length > MaxRows {
			panic(fmt.Sprintf("%d values", length))
		}
	}
	start, n = vectorAt(record, slotBuffers, 16)
	for i := range n {
		if at, size := pairAt(record.Bytes[int(start)+i*16:]); at < 0 || size < 0 || at > body || size > body-at {
			panic(fmt.Sprintf("%d bytes at %d in a body of %d", size, at, body))
		}
	}
}

// boundedMemory is an allocator for the buffers of compressed messages.
type boundedMemory struct{ max int }

// Allocate panics beyond the bound, which arrow-go's reader turns into an error.
func (m boundedMemory) Allocate(size int) []byte {
	if size < 0 || size > m.max {
		panic(fmt.Errorf("a compressed buffer of %d bytes, at most %d are allowed", size, m.max))
	}
	return aligned8(size)
}

// Reallocate is Allocate with a copy of what b holds.
func (m boundedMemory) Reallocate(size int, b []byte) []byte {
	if size <= len(b) {
		return b[:size]
	}
	longer := m.Allocate(size)
	copy(longer, b)
	return longer
}

// Free does nothing: memory is the garbage collector's.
func (boundedMemory) Free([]byte) {}
