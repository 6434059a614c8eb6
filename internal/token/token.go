// Package token is the opaque position that every write returns, every read accepts and every pushed frame carries.
//
// A token names a database and one or both of: offsets in the log up to which relations have been written, and a tick of
// one run (epoch) of the database's engine. Its text is URL-safe. Tokens are not secrets and not signed: a made-up one can
// make its reader wait or start over, nothing else.
package token

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Position is the offset of the last record written to a relation.
type Position struct {
	Relation uint64
	Offset   uint64
}

// Token is a decoded token.
type Token struct {
	Database string
	// Epoch is the run of the engine that Tick belongs to; 0 with Tick 0 for a token of a write.
	Epoch, Tick uint64
	Positions   []Position
}

// ErrMalformed is returned for text that is no token.
var ErrMalformed = errors.New("malformed token")

const (
	version      = 1
	positionsMax = 4096
	textMax      = 128 << 10
)

// String returns the token's text.
func (t Token) String() string {
	b := []byte{version, byte(len(t.Database))}
	b = append(b, t.Database...)
	b = binary.AppendUvarint(b, t.Epoch)
	b = binary.AppendUvarint(b, t.Tick)
	b = binary.AppendUvarint(b, uint64(len(t.Positions)))
	for _, p := range t.Positions {
		b = binary.AppendUvarint(b, p.Relation)
		b = binary.AppendUvarint(b, p.Offset)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// Parse reads a token's text.
func Parse(s string) (Token, error) {
	if len(s) > textMax {
		return Token{}, ErrMalformed
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 6 || b[0] != version {
		return Token{}, ErrMalformed
	}
	body := b[:len(b)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return Token{}, ErrMalformed
	}
	n := int(body[1])
	if len(body) < 2+n {
		return Token{}, ErrMalformed
	}
	t := Token{Database: string(body[2 : 2+n])}
	r := reader{b: body[2+n:]}
	t.Epoch, t.Tick = r.uvarint(), r.uvarint()
	count := r.uvarint()
	if r.bad || count > positionsMax {
		return Token{}, ErrMalformed
	}
	for range count {
		t.Positions = append(t.Positions, Position{Relation: r.uvarint(), Offset: r.uvarint()})
	}
	if r.bad || len(r.b) != 0 {
		return Token{}, ErrMalformed
	}
	return t, nil
}

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}
