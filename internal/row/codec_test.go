package row

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"
)

func mustCodec(t testing.TB, s Schema) *Codec {
	t.Helper()
	c, err := NewCodec(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCodecRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for round := range 200 {
		types := make([]Type, r.IntN(len(allTypes)+1))
		for i := range types {
			types[i] = allTypes[r.IntN(len(allTypes))]
		}
		if round < len(allTypes) {
			types = allTypes[round : round+1]
		}
		c := mustCodec(t, schemaOf(types))
		for _, n := range []int{0, 1, 7, 8, 9, 64, 65, 300} {
			b := randomBatch(r, types, n)
			if n > 2 && r.IntN(3) == 0 {
				lo := r.IntN(n)
				b = b.Slice(lo, lo+r.IntN(n-lo+1))
			}
			body, err := c.Encode(b)
			if err != nil {
				t.Fatal(err)
			}
			for shift := range 3 { // not aligned, too
				buf := append(make([]byte, shift, len(body)+shift), body...)
				got, err := c.Decode(buf[shift:])
				if err != nil {
					t.Fatal(err)
				}
				mustBeSame(t, got, b)
			}
		}
	}
}

func TestCodecSharesMemory(t *testing.T) {
	c := mustCodec(t, Schema{{Name: "n", Type: T(Int64)}, {Name: "s", Type: T(String)}})
	b := NewBatchBuilder(c.types, 2)
	for range 2 {
		b.Cols[0].AppendInt(7)
		b.Cols[1].AppendString("some text")
	}
	body, err := c.Encode(b.Finish(2))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(body, []byte("some text"))
	body[at] = 'S'
	if s := got.Cols[1].Str(0); s != "Some text" {
		t.Errorf("%q: the text has been copied", s)
	}
}

func TestCodecConcurrently(t *testing.T) {
	c := mustCodec(t, schemaOf(allTypes))
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range 100 {
				b := randomBatch(r, allTypes, r.IntN(20))
				body, err := c.Encode(b)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := c.Decode(body)
				if err != nil {
					t.Error(err)
					return
				}
				if got.Len != b.Len || len(got.Cols) != len(b.Cols) {
					t.Errorf("%d rows, want %d", got.Len, b.Len)
				}
			}
		})
	}
	wg.Wait()
}

func TestCodecRejectsOtherBatches(t *testing.T) {
	c := mustCodec(t, Schema{{Name: "n", Type: T(Int64)}})
	for _, b := range []*Batch{
		{},
		{Cols: []Vec{NullVec(T(Int32), 1)}, Len: 1},
		{Cols: []Vec{NullVec(T(Int64), 2)}, Len: 1},
	} {
		if _, err := c.Encode(b); err == nil {
			t.Errorf("encoded %+v", b)
		}
	}
}

// A record is what follows the schema message in an Arrow stream.
func TestCodecIsArrow(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	s := schemaOf(allTypes)
	c := mustCodec(t, s)
	stream, err := MarshalSchema(s)
	if err != nil {
		t.Fatal(err)
	}
	var batches []*Batch
	for range 3 {
		b := randomBatch(r, allTypes, 10)
		b.Weights = nil
		body, err := c.Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		batches, stream = append(batches, b), append(stream, body...)
	}
	reader, err := ipc.NewReader(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range batches {
		if !reader.Next() {
			t.Fatal(reader.Err())
		}
		got, err := FromArrow(reader.RecordBatch())
		if err != nil {
			t.Fatal(err)
		}
		mustBeSame(t, got, want)
	}
}

func TestSchemaRoundTrip(t *testing.T) {
	s := schemaOf(allTypes)
	message, err := MarshalSchema(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := UnmarshalSchema(message)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(s) {
		t.Errorf("got %v\nwant %v", got, s)
	}
	for i := range message {
		if _, err := UnmarshalSchema(message[:i]); err == nil {
			t.Fatalf("%d of %d bytes decoded", i, len(message))
		}
	}
}

// Damaged records give errors or other values, never a panic or a value outside the record.
func TestCodecDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 36))
	for _, n := range []int{1, 5, 100} {
		c := mustCodec(t, schemaOf(allTypes))
		body, err := c.Encode(randomBatch(r, allTypes, n))
		if err != nil {
			t.Fatal(err)
		}
		for i := range min(len(body), 4000) {
			if _, err := c.Decode(body[:i]); err == nil {
				t.Fatalf("%d of %d bytes decoded", i, len(body))
			}
		}
		for range 2_000 {
			bad := bytes.Clone(body)
			for range 1 + r.IntN(3) {
				at := r.IntN(len(bad))
				if r.IntN(2) == 0 {
					at = r.IntN(min(len(bad), 3000)) // the metadata
				}
				bad[at] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(r.Uint32())}[r.IntN(6)]
			}
			if b, err := c.Decode(bad); err == nil {
				touch(b)
			}
		}
	}
}

// touch reads every value.
func touch(b *Batch) {
	hashes := make([]uint64, b.Len)
	Hash(b.Cols, hashes)
	var text []byte
	for i := range b.Len {
		for c := range b.Cols {
			text = AppendText(text[:0], &b.Cols[c], i)
			text = AppendJSON(text[:0], &b.Cols[c], i)
			text = AppendKey(text[:0], &b.Cols[c], i)
		}
		if b.Weight(i) == 0 {
			panic("a weight of 0")
		}
	}
}

func TestConversion(t *testing.T) {
	from := Schema{{Name: "a", Type: T(Int32)}, {Name: "gone", Type: T(String)}, {Name: "C", Type: T(Float32)}}
	to := Schema{{Name: "c", Type: T(Float64)}, {Name: "A", Type: T(Int64)}, {Name: "new", Type: T(String)}, {Name: "other", Type: T(Date)}}
	b := NewBatchBuilder(from.Types(), 2)
	for i := range 2 {
		b.Cols[0].AppendInt(int64(i) - 5)
		b.Cols[1].AppendString("x")
		b.Cols[2].AppendFloat(float64(i) + 0.5)
	}
	in := b.Finish(2)
	in.Weights = []int64{1, -1}
	c := Conversion{To: to, From: []int{2, 0, -1, -1}, Fill: []Value{{}, {}, StringValue("dflt")}}
	out := c.Apply(in)
	var got []string
	for i := range out.Len {
		for c := range out.Cols {
			got = append(got, out.Cols[c].Value(i).Text())
		}
		got = append(got, fmt.Sprint(out.Weight(i)))
	}
	if want := "0.5 -5 dflt NULL 1 1.5 -4 dflt NULL -1"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, " "), want)
	}
}

func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(37, 38))
	c := mustCodec(f, schemaOf(allTypes))
	for _, n := range []int{0, 1, 10} {
		body, err := c.Encode(randomBatch(r, allTypes, n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if b, err := c.Decode(body); err == nil {
			touch(b)
		}
		if s, err := UnmarshalSchema(body); err == nil {
			_ = ArrowSchema(s)
		}
	})
}

func benchBatch(n int) (Schema, *Batch) {
	r := rand.New(rand.NewPCG(39, 40))
	s := Schema{{Name: "id", Type: T(Int64)}, {Name: "price", Type: T(Float64)}, {Name: "ts", Type: T(TimestampTZ)}, {Name: "url", Type: T(String)}, {Name: "ok", Type: T(Bool)}}
	b := NewBatchBuilder(s.Types(), n)
	for i := range n {
		b.Cols[0].AppendInt(int64(i))
		b.Cols[1].AppendFloat(r.Float64() * 1000)
		b.Cols[2].AppendInt(1_700_000_000_000_000 + int64(i)*1000)
		b.Cols[3].AppendString("https://example.com/item/1234"[:6+i%20])
		b.Cols[4].AppendBool(i%2 == 0)
	}
	return s, b.Finish(n)
}

func BenchmarkCodec(b *testing.B) {
	for _, n := range []int{1, 1000, 64_000} {
		s, batch := benchBatch(n)
		c := mustCodec(b, s)
		body, err := c.Encode(batch)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("encode/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Encode(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(body)), "body-bytes")
		})
		b.Run(fmt.Sprintf("decode/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
