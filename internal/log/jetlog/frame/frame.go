package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
	"unsafe"

	"github.com/tidemill/tidemill/internal/log"
)

const (
	// HeaderBytes is what a frame takes besides its groups.
	HeaderBytes = 32
	// MaxRecords is how many records a frame has at most: an offset has 16 bits for the index of its
	// record in the frame.
	MaxRecords = 1 << 16
	// MaxBytes is above the size of a frame with a single group of any allowed shape. It counts the
	// most that padding can cost for long bodies and for short ones.
	MaxBytes = HeaderBytes + log.MaxGroupBytes + log.MaxGroupRecords*entryBytes +
		log.MaxGroupBytes/bigBody*(bigAlign-1) + log.MaxGroupRecords*(smallAlign-1)
)

// All integers of a frame are little-endian.
const (
	magic   = "TMLF"
	version = 1

	offMagic   = 0
	offVersion = 4
	offFlags   = 6
	offNumber  = 8
	offTime    = 16
	offCount   = 24
	offSum     = 28

	entryBytes = 8
	// entryLast in an entry's flags marks the last record of a group.
	entryLast = 1

	// Bodies of bigBody bytes and more start at a multiple of bigAlign from the start of the frame,
	// shorter ones at a multiple of smallAlign.
	bigBody    = 1024
	bigAlign   = 64
	smallAlign = 8
)

// ErrMalformed is wrapped in the error for bytes that are not a frame.
var ErrMalformed = errors.New("malformed frame")

// Frame is an encoded frame whose structure and checksum are right. The zero Frame holds nothing.
type Frame struct {
	// Number is the frame's place in its topic, from 1 on, without gaps.
	Number uint64
	// At is when its records were appended.
	At time.Time
	// Count is the number of its records.
	Count int
	// Bytes is the frame as it is stored. It must not be changed.
	Bytes []byte
}

// Offset is the offset of the record with this index in the frame of this number.
func Offset(number uint64, index int) log.Offset {
	return log.Offset(number<<16 | uint64(index))
}

// Split is the inverse of Offset. The zero offset belongs to frame 0, which does not exist.
func Split(o log.Offset) (number uint64, index int) {
	return uint64(o) >> 16, int(o & 0xffff)
}

// padded returns where a body of n bytes begins and ends that comes after position pos.
func padded(pos, n int) (begin, end int) {
	a := smallAlign
	if n >= bigBody {
		a = bigAlign
	}
	begin = (pos + a - 1) &^ (a - 1)
	return begin, begin + n
}

// Bound is at least what a group adds to the size of a frame.
func Bound(group []log.Entry) int {
	n := 0
	for i := range group {
		b := len(group[i].Body)
		if b >= bigBody {
			n += entryBytes + b + bigAlign - 1
		} else {
			n += entryBytes + b + smallAlign - 1
		}
	}
	return n
}

// Encode makes the frame of the given number that holds the groups in order. There must be at least
// one, none may be empty, and they must have at most MaxRecords records. It copies the bodies.
func Encode(number uint64, at time.Time, groups [][]log.Entry) Frame {
	count := 0
	for _, g := range groups {
		count += len(g)
	}
	end := HeaderBytes + count*entryBytes
	for _, g := range groups {
		for i := range g {
			_, end = padded(end, len(g[i].Body))
		}
	}
	b := alignedBytes(end)
	copy(b[offMagic:], magic)
	binary.LittleEndian.PutUint16(b[offVersion:], version)
	binary.LittleEndian.PutUint64(b[offNumber:], number)
	binary.LittleEndian.PutUint64(b[offTime:], uint64(at.UnixNano()))
	binary.LittleEndian.PutUint32(b[offCount:], uint32(count))
	entry, begin := HeaderBytes, 0
	end = HeaderBytes + count*entryBytes
	for _, g := range groups {
		for i := range g {
			var flags uint16
			if i == len(g)-1 {
				flags = entryLast
			}
			binary.LittleEndian.PutUint16(b[entry:], g[i].Partition)
			binary.LittleEndian.PutUint16(b[entry+2:], flags)
			binary.LittleEndian.PutUint32(b[entry+4:], uint32(len(g[i].Body)))
			entry += entryBytes
			begin, end = padded(end, len(g[i].Body))
			copy(b[begin:end], g[i].Body)
		}
	}
	binary.LittleEndian.PutUint32(b[offSum:], checksum(b))
	return Frame{Number: number, At: time.Unix(0, at.UnixNano()), Count: count, Bytes: b}
}

// checksum is CRC32C over the frame without the four bytes that hold the checksum.
func checksum(b []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // the one of the standard library, made once
	return crc32.Update(crc32.Update(0, table, b[:offSum]), table, b[offSum+4:])
}

// Decode checks b and takes it over: it must not change afterwards. If its memory is not aligned so
// that bodies are aligned as promised, the frame holds a copy.
func Decode(b []byte) (Frame, error) {
	if len(b) < HeaderBytes {
		return Frame{}, fmt.Errorf("%w: %d bytes are less than a header", ErrMalformed, len(b))
	}
	if string(b[:offVersion]) != magic {
		return Frame{}, fmt.Errorf("%w: it begins with %q", ErrMalformed, b[:offVersion])
	}
	if v := binary.LittleEndian.Uint16(b[offVersion:]); v != version {
		return Frame{}, fmt.Errorf("%w: version %d, known is %d", ErrMalformed, v, version)
	}
	if got, want := checksum(b), binary.LittleEndian.Uint32(b[offSum:]); got != want {
		return Frame{}, fmt.Errorf("%w: checksum is %08x, recorded is %08x", ErrMalformed, got, want)
	}
	if v := binary.LittleEndian.Uint16(b[offFlags:]); v != 0 {
		return Frame{}, fmt.Errorf("%w: unknown flags %04x", ErrMalformed, v)
	}
	f := Frame{
		Number: binary.LittleEndian.Uint64(b[offNumber:]),
		At:     time.Unix(0, int64(binary.LittleEndian.Uint64(b[offTime:]))),
		Bytes:  b,
	}
	count := binary.LittleEndian.Uint32(b[offCount:])
	if count < 1 || count > MaxRecords {
		return Frame{}, fmt.Errorf("%w: %d records", ErrMalformed, count)
	}
	f.Count = int(count)
	if err := f.checkTable(); err != nil {
		return Frame{}, err
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%alignment(len(b)) != 0 {
		f.Bytes = alignedBytes(len(b))
		copy(f.Bytes, b)
	}
	return f, nil
}

// checkTable checks that the table of records describes exactly the bytes there are.
func (f Frame) checkTable() error {
	end := HeaderBytes + f.Count*entryBytes
	if end > len(f.Bytes) {
		return fmt.Errorf("%w: %d records do not fit %d bytes", ErrMalformed, f.Count, len(f.Bytes))
	}
	var flags uint16
	for e := HeaderBytes; e < HeaderBytes+f.Count*entryBytes; e += entryBytes {
		flags = binary.LittleEndian.Uint16(f.Bytes[e+2:])
		if flags&^entryLast != 0 {
			return fmt.Errorf("%w: unknown record flags %04x", ErrMalformed, flags)
		}
		n := binary.LittleEndian.Uint32(f.Bytes[e+4:])
		if uint64(n) > uint64(len(f.Bytes)) {
			return fmt.Errorf("%w: a body of %d bytes in %d bytes", ErrMalformed, n, len(f.Bytes))
		}
		if _, end = padded(end, int(n)); end > len(f.Bytes) {
			break
		}
	}
	if end != len(f.Bytes) {
		return fmt.Errorf("%w: its records end at byte %d of %d", ErrMalformed, end, len(f.Bytes))
	}
	if flags&entryLast == 0 {
		return fmt.Errorf("%w: its last group does not end", ErrMalformed)
	}
	return nil
}

// Each calls fn for the records from index first on, in order, until fn fails or a record's offset
// is not below to. Bodies are parts of the frame.
func (f Frame) Each(first int, to log.Offset, fn func(log.Record) error) error {
	end := HeaderBytes + f.Count*entryBytes
	for i := range f.Count {
		e := f.Bytes[HeaderBytes+i*entryBytes:]
		var begin int
		begin, end = padded(end, int(binary.LittleEndian.Uint32(e[4:])))
		if i < first {
			continue
		}
		r := log.Record{
			Partition: binary.LittleEndian.Uint16(e),
			Offset:    Offset(f.Number, i),
			Appended:  f.At,
			Last:      binary.LittleEndian.Uint16(e[2:])&entryLast != 0,
			Body:      f.Bytes[begin:end:end],
		}
		if r.Offset >= to {
			return nil
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// alignment is what the bodies in a frame of n bytes need of its start.
func alignment(n int) uintptr {
	if n < bigBody {
		return smallAlign
	}
	return bigAlign
}

// alignedBytes allocates n bytes whose start is aligned for a frame.
func alignedBytes(n int) []byte {
	a := alignment(n)
	b := make([]byte, n+int(a)-1)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % a)
	return b[skip : skip+n : skip+n]
}
