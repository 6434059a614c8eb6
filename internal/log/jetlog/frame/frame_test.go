package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

func records(t testing.TB, f Frame, first int, to log.Offset) []log.Record {
	t.Helper()
	var rs []log.Record
	if err := f.Each(first, to, func(r log.Record) error { rs = append(rs, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return rs
}

func randomGroups(r *rand.Rand) [][]log.Entry {
	groups := make([][]log.Entry, 1+r.IntN(5))
	for i := range groups {
		groups[i] = make([]log.Entry, 1+r.IntN(6))
		for j := range groups[i] {
			n := 0
			switch r.IntN(4) {
			case 1:
				n = r.IntN(20)
			case 2:
				n = bigBody - 2 + r.IntN(4)
			case 3:
				n = r.IntN(10_000)
			}
			b := make([]byte, n)
			for k := range b {
				b[k] = byte(r.Uint32())
			}
			groups[i][j] = log.Entry{Partition: uint16(r.UintN(1024)), Body: b}
		}
	}
	return groups
}

func TestFrameRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for number := uint64(1); number < 300; number++ {
		groups := randomGroups(r)
		at := time.Unix(int64(r.Uint32()), int64(r.IntN(1e9)))
		size := HeaderBytes
		for _, g := range groups {
			size += Bound(g)
		}
		f := Encode(number, at, groups)
		if len(f.Bytes) > size {
			t.Fatalf("a frame of %d bytes, the bound of its groups is %d", len(f.Bytes), size)
		}
		buf := make([]byte, len(f.Bytes)+1)[r.IntN(2):][:len(f.Bytes)]
		copy(buf, f.Bytes)
		d, err := Decode(buf)
		if err != nil {
			t.Fatal(err)
		}
		if d.Number != number || !d.At.Equal(at) {
			t.Fatalf("frame %d of %v became %d of %v", number, at, d.Number, d.At)
		}
		rs := records(t, d, 0, math.MaxUint64)
		i := 0
		for _, g := range groups {
			for j, e := range g {
				r := rs[i]
				if r.Partition != e.Partition || r.Last != (j == len(g)-1) || r.Offset != Offset(number, i) ||
					!r.Appended.Equal(at) || !bytes.Equal(r.Body, e.Body) {
					t.Fatalf("record %d is %v", i, r)
				}
				i++
			}
		}
		if len(rs) != i {
			t.Fatalf("%d records, want %d", len(rs), i)
		}
		k := r.IntN(i)
		if n := len(records(t, d, k, math.MaxUint64)); n != i-k {
			t.Errorf("%d records from index %d of %d", n, k, i)
		}
		if n := len(records(t, d, 0, Offset(number, k))); n != k {
			t.Errorf("%d records before index %d", n, k)
		}
	}
}

// TestFrameLayout pins the bytes of docs/formats/log-frame.md.
func TestFrameLayout(t *testing.T) {
	f := Encode(0x0102030405060708, time.Unix(0, 0x1112131415161718), [][]log.Entry{
		{{Partition: 3, Body: []byte("abc")}, {Partition: 0x0102, Body: nil}},
		{{Partition: 4, Body: bytes.Repeat([]byte{0xee}, 1024)}},
	})
	want := append([]byte("TMLF\x01\x00\x00\x00"+
		"\x08\x07\x06\x05\x04\x03\x02\x01"+
		"\x18\x17\x16\x15\x14\x13\x12\x11"+
		"\x03\x00\x00\x00"), f.Bytes[28:32]...)
	want = append(want, "\x03\x00\x00\x00\x03\x00\x00\x00"+
		"\x02\x01\x01\x00\x00\x00\x00\x00"+
		"\x04\x00\x01\x00\x00\x04\x00\x00"+
		"abc\x00\x00\x00\x00\x00"...)
	want = append(want, bytes.Repeat([]byte{0xee}, 1024)...)
	if !bytes.Equal(f.Bytes, want) {
		t.Errorf("got\n%x\nwant\n%x", f.Bytes, want)
	}
	if got := binary.LittleEndian.Uint32(f.Bytes[28:]); got != 0xae369188 {
		t.Errorf("checksum %08x", got)
	}
}

// TestFrameDamage flips every bit of a frame and cuts it at every length.
func TestFrameDamage(t *testing.T) {
	f := Encode(7, time.Unix(1, 2), [][]log.Entry{
		{{Body: []byte("some")}, {Partition: 1, Body: []byte("thing longer")}}, {{Body: nil}},
	})
	for bit := range len(f.Bytes) * 8 {
		b := bytes.Clone(f.Bytes)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := Decode(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("bit %d flipped: %v", bit, err)
		}
	}
	for n := range f.Bytes {
		if _, err := Decode(bytes.Clone(f.Bytes[:n])); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := Decode(append(bytes.Clone(f.Bytes), 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a byte appended: %v", err)
	}
}

// TestLargestFrame checks that the largest group in its worst shape fits a message.
func TestLargestFrame(t *testing.T) {
	group := make([]log.Entry, log.MaxGroupRecords)
	big := log.MaxGroupBytes/bigBody - 8
	for i := range group {
		switch {
		case i%10 == 0 && i/10 < big:
			group[i].Body = make([]byte, bigBody)
		case i%8 == 1:
			group[i].Body = make([]byte, 1)
		}
	}
	f := Encode(1, time.Unix(0, 0), [][]log.Entry{group})
	if len(f.Bytes) > MaxBytes || MaxBytes > 8<<20-4096 {
		t.Errorf("a frame of %d bytes, the bound is %d, a message has %d", len(f.Bytes), MaxBytes, 8<<20)
	}
}

func FuzzDecodeFrame(f *testing.F) {
	for _, groups := range [][][]log.Entry{
		{{{Body: nil}}},
		{{{Body: []byte("a")}, {Partition: 1, Body: []byte("bcdefghij")}}, {{Body: []byte("k")}}},
		{{{Body: make([]byte, bigBody)}}},
	} {
		f.Add(Encode(77, time.Unix(12, 34), groups).Bytes)
	}
	f.Add([]byte("TMLF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= HeaderBytes { // let the checks behind the checksum be reached
			binary.LittleEndian.PutUint32(b[offSum:], checksum(b))
		}
		d, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v", err)
			}
			return
		}
		rs := records(t, d, 0, math.MaxUint64)
		if len(rs) != d.Count || d.Number < 1<<48 && rs[0].Offset != Offset(d.Number, 0) {
			t.Fatalf("%d records of %d", len(rs), d.Count)
		}
		groups := [][]log.Entry{nil}
		for i, r := range rs {
			g := &groups[len(groups)-1]
			*g = append(*g, log.Entry{Partition: r.Partition, Body: r.Body})
			if r.Last && i < len(rs)-1 {
				groups = append(groups, nil)
			}
		}
		again := Encode(d.Number, d.At, groups)
		if e, err := Decode(again.Bytes); err != nil || e.Count != d.Count || len(e.Bytes) != len(b) {
			t.Fatalf("encoding again: %v", err)
		}
	})
}
