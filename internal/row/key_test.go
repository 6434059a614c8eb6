package row

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"testing"
)

func TestKeyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	for _, typ := range allTypes {
		v := randomVec(r, typ, 400)
		keys := make([][]byte, v.Len)
		for i := range keys {
			keys[i] = AppendKey(nil, &v, i)
		}
		for i := range keys {
			for range 100 {
				j := r.IntN(v.Len)
				if got, want := bytes.Compare(keys[i], keys[j]), cmp.Compare(Compare(&v, i, &v, j), 0); got != want {
					t.Fatalf("%s: keys of %s and %s compare as %d, the values as %d", typ, v.Value(i).Text(), v.Value(j).Text(), got, want)
				}
				if i != j && len(keys[i]) < len(keys[j]) && bytes.HasPrefix(keys[j], keys[i]) {
					t.Fatalf("%s: the key of %s begins that of %s", typ, v.Value(i).Text(), v.Value(j).Text())
				}
			}
		}
	}
}

func TestKeyRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(43, 44))
	for range 300 {
		types := make([]Type, 1+r.IntN(5))
		for i := range types {
			types[i] = allTypes[r.IntN(len(allTypes))]
		}
		b := randomBatch(r, types, 10)
		cols := make([]int, len(types))
		for i := range cols {
			cols[i] = i
		}
		for i := range b.Len {
			key := AppendRowKey([]byte("prefix"), b, cols, i)[len("prefix"):]
			values, err := DecodeKey(types, key)
			if err != nil {
				t.Fatalf("row %d of %v: %v", i, types, err)
			}
			for c := range values {
				one := values[c].Repeat(1)
				if !Equal(&one, 0, &b.Cols[c], i) {
					t.Fatalf("%s came back as %s", b.Cols[c].Value(i).Text(), values[c].Text())
				}
			}
			if _, err := DecodeKey(types, key[:len(key)-1]); err == nil {
				t.Fatal("a cut key decodes")
			}
			if _, err := DecodeKey(types, append(key, 0)); err == nil {
				t.Fatal("a key with more behind it decodes")
			}
		}
	}
}

func FuzzDecodeKey(f *testing.F) {
	r := rand.New(rand.NewPCG(45, 46))
	b := randomBatch(r, allTypes, 3)
	for i := range b.Len {
		for c := range b.Cols {
			f.Add(c, AppendKey(nil, &b.Cols[c], i))
		}
	}
	f.Fuzz(func(t *testing.T, c int, key []byte) {
		typ := allTypes[uint(c)%uint(len(allTypes))]
		values, err := DecodeKey([]Type{typ}, key)
		if err != nil {
			return
		}
		one := values[0].Repeat(1)
		again, err := DecodeKey([]Type{typ}, AppendKey(nil, &one, 0))
		if err != nil {
			t.Fatal(err)
		}
		two := again[0].Repeat(1)
		if !Equal(&one, 0, &two, 0) {
			t.Fatalf("%s came back as %s", values[0].Text(), again[0].Text())
		}
	})
}
