package record

import (
	"encoding/binary"
	"fmt"
)

// Identity is the digest of what an event or a request is called by whoever sent it; the zero Identity is none.
type Identity [16]byte

// Identities tell repeats of what a record was stored with. They belong to all records that were appended together (or in one transaction), of which each may carry some.
type Identities struct {
	// Events are the identities of events, in no order that says which row is whose.
	Events []Identity
	// Request is the request that stored the rows; nil for none.
	Request *Request
}

// Request is what is known of a request that may be repeated.
type Request struct {
	// Key is what the request is called, Content is the digest of what it says.
	Key, Content Identity
	// Answer is what the repeat is to be told.
	Answer []byte
}

// idsHeader is the number of events and the length of the answer.
const idsHeader = 8

// Empty reports whether there is nothing to be known again.
func (ids *Identities) Empty() bool { return ids == nil || len(ids.Events) == 0 && ids.Request == nil }

// AppendIdentified is AppendHeader for a record that carries identities.
func AppendIdentified(dst []byte, h Header, ids *Identities) []byte {
	at := len(dst)
	dst = AppendHeader(dst, h)
	if ids.Empty() {
		return dst
	}
	answer := 0
	if ids.Request != nil {
		answer = 2*len(Identity{}) + len(ids.Request.Answer)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(ids.Events)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(answer))
	for i := range ids.Events {
		dst = append(dst, ids.Events[i][:]...)
	}
	if ids.Request != nil {
		dst = append(append(dst, ids.Request.Key[:]...), ids.Request.Content[:]...)
		dst = append(dst, ids.Request.Answer...)
	}
	for len(dst)%8 != at%8 {
		dst = append(dst, 0)
	}
	dst[at+1] |= flagIDs
	binary.LittleEndian.PutUint32(dst[at+32:], uint32(len(dst)-at-headerSize))
	return dst
}

// identitiesOf returns the part of a record that has the identities, empty if there is none.
func identitiesOf(body []byte) ([]byte, error) {
	if body[1]&flagIDs == 0 {
		return nil, nil
	}
	n := binary.LittleEndian.Uint32(body[32:])
	if n < idsHeader || n%8 != 0 || uint64(n) > uint64(len(body)-headerSize) {
		return nil, fmt.Errorf("%w: identities of %d bytes", ErrMalformed, n)
	}
	return body[headerSize : headerSize+n], nil
}

// ParseIdentities returns the identities that a record carries, with an Answer that is a part of body.
func ParseIdentities(body []byte) (Identities, error) {
	var ids Identities
	if _, _, err := Parse(body); err != nil {
		return ids, err
	}
	b, err := identitiesOf(body)
	if err != nil || b == nil {
		return ids, err
	}
	events, answer := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
	b = b[idsHeader:]
	const size = uint64(len(Identity{}))
	if used := events*size + answer; used > uint64(len(b)) || (answer > 0 && answer < 2*size) {
		return ids, fmt.Errorf("%w: %d identities and %d bytes of an answer in %d", ErrMalformed, events, answer, len(b))
	}
	for range events {
		ids.Events = append(ids.Events, Identity(b))
		b = b[size:]
	}
	if answer > 0 {
		ids.Request = &Request{Key: Identity(b), Content: Identity(b[size:]), Answer: b[2*size : answer]}
	}
	return ids, nil
}
