// Package record is the form of what Tidemill puts into the log for a stream or a table: a small header, then the rows
// as a row.Codec writes them. The log checks the bytes; this package checks the form.
//
// The format is described in docs/formats/record.md.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

const (
	version    = 1
	headerSize = 40
	flagOps    = 1 << 0
	flagTx     = 1 << 1
	flagFinal  = 1 << 2
	flagIDs    = 1 << 3
	flagsKnown = flagOps | flagTx | flagFinal | flagIDs
)

// ErrMalformed is wrapped in the error for bytes that are no record.
var ErrMalformed = errors.New("malformed record")

// TxID names a transaction; the zero TxID is none.
type TxID [16]byte

// Header says what a record holds.
type Header struct {
	// Schema is the version of the relation's schema that the rows have.
	Schema uint32
	// Ops says that the rows have weights which are operations on a table: +1 upsert, -1 delete by primary key.
	Ops bool
	// Ingested is when the node took the rows, to the microsecond.
	Ingested time.Time
	// Tx is the transaction the record belongs to. Rows of a transaction count only once its commit is in the log.
	Tx TxID
	// Final marks the last record of the transaction in its topic.
	Final bool
}

// AppendHeader appends the header's bytes; the rows follow, 8-byte aligned.
func AppendHeader(dst []byte, h Header) []byte {
	var b [headerSize]byte
	b[0] = version
	if h.Ops {
		b[1] |= flagOps
	}
	if h.Tx != (TxID{}) {
		b[1] |= flagTx
	}
	if h.Final {
		b[1] |= flagFinal
	}
	binary.LittleEndian.PutUint32(b[4:], h.Schema)
	binary.LittleEndian.PutUint64(b[8:], uint64(h.Ingested.UnixMicro()))
	copy(b[16:32], h.Tx[:])
	return append(dst, b[:]...)
}

// Parse splits a record into header and rows.
func Parse(body []byte) (Header, []byte, error) {
	if len(body) < headerSize {
		return Header{}, nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(body))
	}
	if body[0] != version {
		return Header{}, nil, fmt.Errorf("%w: version %d is not known", ErrMalformed, body[0])
	}
	if body[1]&^flagsKnown != 0 {
		return Header{}, nil, fmt.Errorf("%w: flags %#x are not known", ErrMalformed, body[1])
	}
	ids, err := identitiesOf(body)
	if err != nil {
		return Header{}, nil, err
	}
	h := Header{
		Schema:   binary.LittleEndian.Uint32(body[4:]),
		Ops:      body[1]&flagOps != 0,
		Final:    body[1]&flagFinal != 0,
		Ingested: time.UnixMicro(int64(binary.LittleEndian.Uint64(body[8:]))),
	}
	if body[1]&flagTx != 0 {
		copy(h.Tx[:], body[16:32])
	}
	return h, body[headerSize+len(ids):], nil
}
