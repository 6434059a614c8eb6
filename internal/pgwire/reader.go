package pgwire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	readBuffer = 16 << 10
	// largeStep is how much room is made at a time for a message that is larger than the buffer, so that a header alone costs no memory.
	largeStep = 1 << 20
)

var errBadLength = errors.New("invalid message length")

// tooLargeError is a message above the bound.
type tooLargeError struct{ size, most int }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("message of %d bytes, at most %d are accepted", e.size, e.most)
}

// reader cuts a stream into messages. It is for one goroutine at a time.
type reader struct {
	src io.Reader
	buf []byte
	// buf[r:w] has been read from src and not yet been taken.
	r, w  int
	large []byte
	most  int
	// err is a failure of src, kept for the next call.
	err error
	// room, if not nil, is asked before memory is taken for a piece of a large message; taken is what it was asked for this message.
	room  func(bytes int64) error
	taken int64
	done  func(bytes int64)
}

func newReader(src io.Reader, most int) *reader {
	return &reader{src: src, buf: make([]byte, readBuffer), most: most}
}

// fill reads until n bytes, at most the buffer's size, are there.
func (r *reader) fill(n int) error {
	if r.w-r.r >= n {
		return nil
	}
	if r.r > 0 && r.r+n > len(r.buf) || r.r == r.w {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	for r.w-r.r < n {
		if r.err != nil {
			return r.err
		}
		k, err := r.src.Read(r.buf[r.w:])
		r.w += k
		if err != nil {
			if k > 0 && r.w-r.r >= n {
				r.err = err
				return nil
			}
			return r.eof(err)
		}
	}
	return nil
}

// eof makes an end of the stream inside of a message an unexpected one.
func (r *reader) eof(err error) error {
	if err == io.EOF && r.w > r.r {
		return io.ErrUnexpectedEOF
	}
	return err
}

// more waits for more bytes without taking any, as long as there is room for them. It reports whether it could read.
func (r *reader) more() (bool, error) {
	if r.r > 0 {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	if r.w == len(r.buf) {
		return false, nil
	}
	k, err := r.src.Read(r.buf[r.w:])
	r.w += k
	return true, err
}

// message returns the next message; its body is valid until the next call.
func (r *reader) message() (kind byte, body []byte, err error) {
	r.large = nil
	if r.taken > 0 {
		r.done(r.taken)
		r.taken = 0
	}
	if err := r.fill(5); err != nil {
		return 0, nil, err
	}
	kind = r.buf[r.r]
	n, err := r.length(r.buf[r.r+1:])
	if err != nil {
		return kind, nil, err
	}
	if 5+n > len(r.buf) {
		r.r += 5
		body, err = r.readLarge(n)
		return kind, body, err
	}
	if err := r.fill(5 + n); err != nil {
		return kind, nil, err
	}
	body = r.buf[r.r+5 : r.r+5+n]
	r.r += 5 + n
	return kind, body, nil
}

// startup returns the next message without a kind, of which there are only small ones.
func (r *reader) startup() ([]byte, error) {
	const most = 10_000 // Postgres' bound
	if err := r.fill(4); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(r.buf[r.r:])) - 4
	if n < 4 || n > most {
		return nil, errBadLength
	}
	if err := r.fill(4 + int(n)); err != nil {
		return nil, err
	}
	body := r.buf[r.r+4 : r.r+4+int(n)]
	r.r += 4 + int(n)
	return body, nil
}

func (r *reader) length(header []byte) (int, error) {
	n := int64(binary.BigEndian.Uint32(header)) - 4
	if n < 0 || n > 1<<31 {
		return 0, errBadLength
	}
	if n > int64(r.most) {
		return 0, &tooLargeError{size: int(n), most: r.most}
	}
	return int(n), nil
}

func (r *reader) readLarge(n int) ([]byte, error) {
	r.large = make([]byte, 0, min(n, largeStep))
	for len(r.large) < n {
		if r.room != nil && int64(len(r.large)) >= r.taken {
			more := int64(min(n-len(r.large), largeStep))
			if err := r.room(more); err != nil {
				return nil, err
			}
			r.taken += more
		}
		if r.r == r.w {
			if err := r.fill(1); err != nil {
				return nil, err
			}
		}
		step := min(n-len(r.large), r.w-r.r)
		r.large = append(r.large, r.buf[r.r:r.r+step]...)
		r.r += step
	}
	return r.large, nil
}
