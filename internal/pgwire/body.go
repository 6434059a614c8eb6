package pgwire

import (
	"bytes"
	"encoding/binary"

	"github.com/tidemill/tidemill/internal/fault"
)

// body is the rest of a message that is being decoded. What it returns aliases the message. A message that ends too
// early sets bad, and everything after is zero.
type body struct {
	data []byte
	bad  bool
}

func (b *body) take(n int) []byte {
	if n < 0 || n > len(b.data) {
		b.bad, b.data = true, nil
		return nil
	}
	out := b.data[:n:n]
	b.data = b.data[n:]
	return out
}

func (b *body) byte() byte {
	if p := b.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (b *body) uint16() int {
	if p := b.take(2); p != nil {
		return int(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (b *body) int32() int {
	if p := b.take(4); p != nil {
		return int(int32(binary.BigEndian.Uint32(p)))
	}
	return 0
}

// cstring takes a text that a zero byte ends.
func (b *body) cstring() []byte {
	n := bytes.IndexByte(b.data, 0)
	if n < 0 {
		b.bad, b.data = true, nil
		return nil
	}
	out := b.data[:n:n]
	b.data = b.data[n+1:]
	return out
}

// end returns an error if the message was too short or has more than it should.
func (b *body) end(kind string) error {
	if b.bad || len(b.data) != 0 {
		return fault.New(fault.ProtocolViolation, "invalid %s message", kind)
	}
	return nil
}
