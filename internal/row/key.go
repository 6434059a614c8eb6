package row

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Marks that begin each value of a key. Nulls sort last.
const (
	keyValue = 0x01
	keyNull  = 0x02
)

// AppendKey appends value i in a form whose bytes sort as Compare does, nulls last, and of which no form is a prefix of another, so that forms of
// several values appended to each other sort as the tuple does. Values that are equal have the same form: -0.0 reads back as 0.0,
// every NaN as one, an interval with its months and days carried.
func AppendKey(dst []byte, v *Vec, i int) []byte {
	if v.Null(i) {
		return append(dst, keyNull)
	}
	dst = append(dst, keyValue)
	switch v.Type.Phys() {
	case PhysBool, PhysUint8:
		return append(dst, v.Data[i])
	case PhysInt8:
		return append(dst, v.Data[i]^0x80)
	case PhysInt16:
		return binary.BigEndian.AppendUint16(dst, uint16(Values[int16](v)[i])^1<<15)
	case PhysUint16:
		return binary.BigEndian.AppendUint16(dst, Values[uint16](v)[i])
	case PhysInt32:
		return binary.BigEndian.AppendUint32(dst, uint32(Values[int32](v)[i])^1<<31)
	case PhysUint32:
		return binary.BigEndian.AppendUint32(dst, Values[uint32](v)[i])
	case PhysInt64:
		return appendKeyInt64(dst, Values[int64](v)[i])
	case PhysUint64:
		return binary.BigEndian.AppendUint64(dst, Values[uint64](v)[i])
	case PhysInt128:
		x := Values[Int128Value](v)[i]
		return binary.BigEndian.AppendUint64(appendKeyInt64(dst, x.Hi), x.Lo)
	case PhysFloat32:
		return binary.BigEndian.AppendUint64(dst, floatKey(float64(Values[float32](v)[i])))
	case PhysFloat64:
		return binary.BigEndian.AppendUint64(dst, floatKey(Values[float64](v)[i]))
	case PhysInterval:
		m, d, us := Values[IntervalValue](v)[i].normalized()
		return appendKeyInt64(appendKeyInt64(appendKeyInt64(dst, m), d), us)
	case PhysUUID:
		u := Values[UUIDValue](v)[i]
		return append(dst, u[:]...)
	default:
		if v.Type.Nested() {
			return append(dst, v.Bytes(i)...) // is such a form already
		}
		return appendKeyBytes(dst, v.Bytes(i))
	}
}

// AppendRowKey appends the key of row i in the given columns.
func AppendRowKey(dst []byte, b *Batch, cols []int, i int) []byte {
	for _, c := range cols {
		dst = AppendKey(dst, &b.Cols[c], i)
	}
	return dst
}

func appendKeyInt64(dst []byte, x int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(x)^1<<63)
}

// floatKey maps floats to integers in the order of CompareFloats.
func floatKey(f float64) uint64 {
	switch {
	case f != f:
		return math.MaxUint64
	case f == 0:
		return 1 << 63
	}
	bits := math.Float64bits(f)
	if bits>>63 != 0 {
		return ^bits
	}
	return bits | 1<<63
}

func floatFromKey(k uint64) float64 {
	switch {
	case k == math.MaxUint64:
		return math.NaN()
	case k>>63 != 0:
		return math.Float64frombits(k &^ (1 << 63))
	}
	return math.Float64frombits(^k)
}

// appendKeyBytes writes 0 as 0 255 and ends with 0 0, so that what is shorter sorts first.
func appendKeyBytes(dst, s []byte) []byte {
	for _, c := range s {
		dst = append(dst, c)
		if c == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 0)
}

var errKey = errors.New("decoding a key: damaged")

// DecodeKey reads back a key of values of the given types, of which nothing may be left over.
func DecodeKey(types []Type, key []byte) ([]Value, error) {
	values := make([]Value, len(types))
	for i, t := range types {
		v, rest, err := decodeKeyValue(t, key)
		if err != nil {
			return nil, err
		}
		values[i], key = v, rest
	}
	if len(key) > 0 {
		return nil, fmt.Errorf("decoding a key: %d bytes left over", len(key))
	}
	return values, nil
}

func decodeKeyValue(t Type, key []byte) (v Value, rest []byte, err error) {
	if len(key) == 0 {
		return v, nil, errKey
	}
	mark := key[0]
	key = key[1:]
	if mark == keyNull {
		return NullValue(t), key, nil
	}
	p := t.Phys()
	n := keyWidth(p)
	if mark != keyValue || len(key) < n || p == PhysNone {
		return v, nil, errKey
	}
	v.Type = t
	if t.Nested() {
		if rest, err = checkValue(t, key); err == nil {
			v.S = string(key[:len(key)-len(rest)])
		}
		return v, rest, err
	}
	if p == PhysBytes {
		v.S, rest, err = decodeKeyBytes(key)
		return v, rest, err
	}
	if err = v.setFromKey(p, key[:n]); t.Kind == Enum && int(v.I) >= len(t.shape.values) {
		err = errKey
	}
	return v, key[n:], err
}

// setFromKey takes the value from exactly as many bytes as its form has.
func (v *Value) setFromKey(p Phys, key []byte) error {
	int64At := func(i int) int64 { return int64(binary.BigEndian.Uint64(key[i:]) ^ 1<<63) }
	switch p {
	case PhysBool:
		v.I = int64(key[0])
		if key[0] > 1 {
			return errKey
		}
	case PhysUint8:
		v.I = int64(key[0])
	case PhysInt8:
		v.I = int64(int8(key[0] ^ 0x80))
	case PhysInt16:
		v.I = int64(int16(binary.BigEndian.Uint16(key) ^ 1<<15))
	case PhysUint16:
		v.I = int64(binary.BigEndian.Uint16(key))
	case PhysInt32:
		v.I = int64(int32(binary.BigEndian.Uint32(key) ^ 1<<31))
	case PhysUint32:
		v.I = int64(binary.BigEndian.Uint32(key))
	case PhysInt64:
		v.I = int64At(0)
	case PhysUint64:
		v.I = int64(binary.BigEndian.Uint64(key))
	case PhysInt128:
		v.H, v.I = int64At(0), int64(binary.BigEndian.Uint64(key[8:]))
	case PhysFloat32, PhysFloat64:
		v.F = floatFromKey(binary.BigEndian.Uint64(key))
		if p == PhysFloat32 && v.F == v.F && float64(float32(v.F)) != v.F {
			return errKey
		}
	case PhysUUID:
		v.S = string(key)
	default:
		return v.setInterval(int64At(0), int64At(8), int64At(16))
	}
	return nil
}

func (v *Value) setInterval(months, days, micros int64) error {
	if days <= -30 || days >= 30 || micros <= -microsPerDay || micros >= microsPerDay {
		return errKey
	}
	// Months that do not fit go back to days, and days to microseconds.
	if over := months - min(max(months, math.MinInt32), math.MaxInt32); over != 0 {
		months -= over
		if days += over * 30; over > math.MaxInt32 || over < math.MinInt32 {
			return errKey
		}
	}
	if over := days - min(max(days, math.MinInt32), math.MaxInt32); over != 0 {
		days -= over
		const most = math.MaxInt64/microsPerDay - 1
		if over > most || over < -most {
			return errKey
		}
		micros += over * microsPerDay
	}
	v.V = IntervalValue{Months: int32(months), Days: int32(days), Micros: micros}
	return nil
}

func decodeKeyBytes(key []byte) (s string, rest []byte, err error) {
	var out []byte
	for i := 0; i < len(key); i++ {
		if key[i] != 0 {
			out = append(out, key[i])
			continue
		}
		if i++; i == len(key) {
			break
		}
		switch key[i] {
		case 0:
			return string(out), key[i+1:], nil
		case 0xff:
			out = append(out, 0)
		default:
			return "", nil, errKey
		}
	}
	return "", nil, errKey
}
