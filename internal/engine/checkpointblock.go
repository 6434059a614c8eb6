package engine

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/tidemill/tidemill/internal/checkpoint"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/view"
)

// blockVersion is the first byte of a block; docs/formats/checkpoint.md describes it.
const blockVersion = 1

// section is a part of what a block says of a relation.
type section uint8

const (
	sectionEnd     section = iota
	sectionBegin           // a cycle begins: the version of the columns, and when the relation began
	sectionGraph           // of a view: what is small
	sectionDelta           // of its operators what changed
	sectionPages           // of its operators a part of everything
	sectionChanges         // the changes of the contents, tick by tick
	sectionRows            // of the contents a part of everything, as of the cycle's beginning
	sectionWhole           // the cycle ends
	sectionLost            // all that was saved before means nothing any more
)

// contentCodec encodes rows with their weights.
func contentCodec(columns row.Schema) (*row.Codec, error) { return row.NewCodec(columns) }

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendSection(dst []byte, s section, body []byte) []byte {
	return appendBytes(append(dst, byte(s)), body)
}

// append encodes a block. It reads rows of cycles and notes where they end.
func (b *block) append(dst []byte) ([]byte, error) {
	flags := byte(0)
	if b.gap {
		flags = 1
	}
	dst = append(dst, blockVersion, flags)
	dst = binary.AppendUvarint(dst, b.tick)
	dst = binary.AppendUvarint(dst, uint64(len(b.epochs)))
	for _, e := range b.epochs {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, e.number), e.last)
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.inputs)))
	for _, in := range b.inputs {
		dst = binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(dst, in.id), in.applied), in.first)
	}
	dst = appendBytes(dst, b.clocks)
	dst = binary.AppendUvarint(dst, uint64(len(b.lost)+len(b.units)))
	for _, id := range b.lost {
		dst = append(appendSection(binary.AppendUvarint(dst, id), sectionLost, nil), byte(sectionEnd))
	}
	for i := range b.units {
		p := &b.units[i]
		dst = binary.AppendUvarint(dst, p.unit.id)
		mark := len(dst)
		if dst, p.failed = p.append(dst); p.failed != nil {
			dst = appendSection(dst[:mark], sectionLost, nil)
		}
		dst = append(dst, byte(sectionEnd))
	}
	return dst, nil
}

func (p *unitPart) append(dst []byte) ([]byte, error) {
	if p.begin {
		dst = appendSection(dst, sectionBegin, binary.AppendUvarint(binary.AppendUvarint(nil, uint64(p.schema)), p.born))
	}
	if p.graph != nil {
		dst = appendSection(dst, sectionGraph, p.graph.append(nil))
		if len(p.graph.delta) > 1 {
			dst = appendSection(dst, sectionDelta, p.graph.delta)
		}
	}
	if len(p.pages) > 0 {
		dst = appendSection(dst, sectionPages, p.pages)
	}
	if len(p.changes) > 0 {
		body, err := appendChanges(nil, p.codec, p.schema, p.changes)
		if err != nil {
			return dst, err
		}
		dst = appendSection(dst, sectionChanges, body)
	}
	if p.rows != nil {
		body, err := p.appendRows(nil)
		if err != nil {
			return dst, err
		}
		dst = appendSection(dst, sectionRows, body)
	}
	if whole := p.unit.paged && (p.unit.content || p.exhausted); whole && p.unit.running && (p.rows != nil || p.paged) {
		dst = appendSection(dst, sectionWhole, nil)
	}
	return dst, nil
}

// appendBatches appends rows in batches that the codec takes, each with its length before it; 0 ends them.
func appendBatches(dst []byte, codec *row.Codec, b *row.Batch) ([]byte, error) {
	for from := 0; from < b.Len; from += row.MaxRows {
		part := b
		if b.Len > row.MaxRows {
			part = b.Slice(from, min(from+row.MaxRows, b.Len))
		}
		body, err := codec.Encode(part)
		if err != nil {
			return dst, err
		}
		dst = appendBytes(dst, body)
	}
	return dst, nil
}

func appendChanges(dst []byte, codec *row.Codec, schema int, changes []view.Change) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(schema))
	for _, c := range changes {
		var err error
		dst = binary.AppendUvarint(dst, c.Tick)
		if dst, err = appendBatches(dst, codec, c.Batch); err != nil {
			return dst, err
		}
		dst = append(dst, 0)
	}
	return dst, nil
}

// appendRows appends the next rows of a cycle.
func (p *unitPart) appendRows(dst []byte) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(p.schema))
	for begin := len(dst); len(dst)-begin < p.rowBytes; {
		b, err := p.rows.Next()
		if errors.Is(err, io.EOF) {
			p.exhausted = true
			break
		}
		if err != nil {
			return dst, err
		}
		if dst, err = appendBatches(dst, p.codec, b); err != nil {
			return dst, err
		}
	}
	return append(dst, 0), nil
}

func (g *graphPart) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, g.mark)
	dst = binary.LittleEndian.AppendUint64(dst, g.shape)
	dst = binary.AppendUvarint(dst, uint64(g.workers))
	for _, n := range []int64{g.timing.mark, g.timing.taken, g.timing.times.Before, g.timing.times.After, g.timing.times.Now, g.timing.times.Taken, g.ticks, g.late, g.bad} {
		dst = binary.AppendVarint(dst, n)
	}
	return appendBytes(dst, g.numbers)
}

// scanner reads what is encoded in a block. After the first error everything is zero.
type scanner struct {
	b   []byte
	err error
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("%w: %s", checkpoint.ErrDamaged, what)
	}
	s.b = nil
}

func (s *scanner) uvarint() uint64 {
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.fail("a number is missing")
		return 0
	}
	s.b = s.b[n:]
	return v
}

func (s *scanner) varint() int64 {
	v, n := binary.Varint(s.b)
	if n <= 0 {
		s.fail("a number is missing")
		return 0
	}
	s.b = s.b[n:]
	return v
}

func (s *scanner) fixed() uint64 {
	if len(s.b) < 8 {
		s.fail("a number is missing")
		return 0
	}
	v := binary.LittleEndian.Uint64(s.b)
	s.b = s.b[8:]
	return v
}

func (s *scanner) byte() byte {
	if len(s.b) == 0 {
		s.fail("it is cut short")
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return v
}

func (s *scanner) bytes() []byte {
	n := s.uvarint()
	if n > uint64(len(s.b)) {
		s.fail("it is cut short")
		return nil
	}
	v := s.b[:n]
	s.b = s.b[n:]
	return v
}

// count reads how many things follow that take at least a byte each.
func (s *scanner) count() int {
	n := s.uvarint()
	if n > uint64(len(s.b)) {
		s.fail("it is cut short")
		return 0
	}
	return int(n)
}

// blockHead is what a block says before its relations.
type blockHead struct {
	gap    bool
	tick   uint64
	epochs []epoch
	inputs []savedInput
	clocks []byte
}

func (s *scanner) head() (h blockHead) {
	if v := s.byte(); s.err == nil && v != blockVersion {
		s.fail(fmt.Sprintf("version %d is not known", v))
	}
	h.gap = s.byte()&1 != 0
	h.tick = s.uvarint()
	for n := s.count(); n > 0; n-- {
		h.epochs = append(h.epochs, epoch{number: s.uvarint(), last: s.uvarint()})
	}
	for n := s.count(); n > 0; n-- {
		h.inputs = append(h.inputs, savedInput{id: s.uvarint(), applied: s.uvarint(), first: s.uvarint()})
	}
	h.clocks = s.bytes()
	return h
}

// parts calls f with every section of every relation.
func (s *scanner) parts(f func(id uint64, kind section, body []byte)) {
	for n := s.count(); n > 0 && s.err == nil; n-- {
		id := s.uvarint()
		for s.err == nil {
			kind := section(s.byte())
			if kind == sectionEnd {
				break
			}
			if kind > sectionLost {
				s.fail(fmt.Sprintf("section %d is not known", kind))
				return
			}
			body := s.bytes()
			if s.err == nil {
				f(id, kind, body)
			}
		}
	}
	if s.err == nil && len(s.b) > 0 {
		s.fail("it does not end")
	}
}

func (s *scanner) graph() (g graphPart) {
	g.mark, g.shape, g.workers = s.fixed(), s.fixed(), int(s.uvarint())
	t := &g.timing
	for _, p := range []*int64{&t.mark, &t.taken, &t.times.Before, &t.times.After, &t.times.Now, &t.times.Taken, &g.ticks, &g.late, &g.bad} {
		*p = s.varint()
	}
	g.numbers = slices.Clone(s.bytes())
	return g
}

// batches reads what appendBatches has appended, up to the 0. The memory is the batches' own.
func (s *scanner) batches(decode func(schema int, body []byte) (*row.Batch, error), schema int) (out []*row.Batch) {
	for s.err == nil {
		body := s.bytes()
		if len(body) == 0 {
			return out
		}
		b, err := decode(schema, slices.Clone(body))
		if err != nil {
			s.fail(err.Error())
			return nil
		}
		out = append(out, b)
	}
	return nil
}

// append encodes the clocks.
func (cs *clocks) append(dst []byte) []byte {
	dst = binary.AppendVarint(dst, cs.now)
	dst = binary.AppendUvarint(dst, uint64(len(cs.of)))
	for _, id := range slices.Sorted(maps.Keys(cs.of)) {
		dst = cs.of[id].append(binary.AppendUvarint(dst, id))
	}
	return dst
}

func flagsOf(flags ...bool) (b byte) {
	for i, f := range flags {
		if f {
			b |= 1 << i
		}
	}
	return b
}

func (c *clock) append(dst []byte) []byte {
	dst = binary.AppendVarint(binary.AppendVarint(append(dst, flagsOf(c.idle, c.keys != nil)), c.mark), c.seen)
	dst = binary.AppendUvarint(dst, uint64(len(c.parts)))
	for _, p := range slices.Sorted(maps.Keys(c.parts)) {
		part := c.parts[p]
		dst = append(binary.AppendUvarint(dst, uint64(p)), flagsOf(part.some, part.idle))
		dst = binary.AppendVarint(binary.AppendVarint(dst, part.latest), part.seen)
	}
	if c.keys == nil {
		return dst
	}
	keys := make([]string, len(c.keys.clocks))
	for key, id := range c.keys.ids {
		keys[id] = key
	}
	dst = binary.AppendUvarint(dst, uint64(len(keys)))
	for id, key := range keys {
		k := &c.keys.clocks[id]
		dst = append(appendBytes(dst, []byte(key)), flagsOf(k.some, k.idle))
		dst = binary.AppendVarint(binary.AppendVarint(dst, k.latest), k.seen)
	}
	return dst
}

// clocks reads what clocks.append has appended. What belongs to streams that are not there any more is left out.
func (s *scanner) clocks(cs *clocks) {
	cs.now = s.varint()
	for n := s.count(); n > 0 && s.err == nil; n-- {
		c := cs.of[s.uvarint()]
		if c == nil {
			c = newClock(EventTime{})
		}
		s.clock(c)
	}
	cs.due = math.MinInt64
}

func (s *scanner) clock(c *clock) {
	flags := s.byte()
	c.idle, c.mark, c.seen = flags&1 != 0, s.varint(), s.varint()
	for n := s.count(); n > 0 && s.err == nil; n-- {
		p := uint16(s.uvarint())
		flags := s.byte()
		c.parts[p] = &partClock{some: flags&1 != 0, idle: flags&2 != 0, latest: s.varint(), seen: s.varint()}
	}
	if flags&2 == 0 {
		return
	}
	k := c.keys
	if k == nil {
		k = newKeyClocks() // the stream has none any more
	}
	for n := s.count(); n > 0 && s.err == nil; n-- {
		id := uint32(len(k.clocks))
		k.ids[string(s.bytes())] = id
		flags := s.byte()
		kc := keyClock{some: flags&1 != 0, idle: flags&2 != 0, latest: s.varint(), seen: s.varint()}
		k.clocks = append(k.clocks, kc)
		if !kc.idle {
			k.active.Set(keyTime{kc.latest, id})
			k.seen.Set(keyTime{kc.seen, id})
		}
	}
}

// epoch is an earlier run, with the last of its ticks that later runs have.
type epoch struct{ number, last uint64 }

func sortedInputs(in []savedInput) []savedInput {
	slices.SortFunc(in, func(a, b savedInput) int { return cmp.Compare(a.id, b.id) })
	return in
}
