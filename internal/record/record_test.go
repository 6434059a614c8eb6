package record

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	for _, h := range []Header{
		{Ingested: time.UnixMicro(0)},
		{Schema: 1<<32 - 1, Ops: true, Ingested: time.UnixMicro(1_700_000_000_123_456), Tx: TxID{15: 1}, Final: true},
		{Ingested: time.UnixMicro(-5), Final: true},
	} {
		body := append(AppendHeader([]byte("before"), h), "rows"...)[len("before"):]
		got, rows, err := Parse(body)
		if err != nil || got != h || string(rows) != "rows" {
			t.Errorf("Parse = %+v, %q, %v; want %+v", got, rows, err, h)
		}
		if (len(body)-len(rows))%8 != 0 {
			t.Error("the rows are not aligned to 8 bytes")
		}
	}
}

func TestMalformed(t *testing.T) {
	good := AppendHeader(nil, Header{})
	for n := range good {
		if _, _, err := Parse(good[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	good[0] = 2
	if _, _, err := Parse(good); !errors.Is(err, ErrMalformed) {
		t.Errorf("version 2: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(AppendHeader(nil, Header{}))
	f.Add(append(AppendHeader(nil, Header{Schema: 3, Ops: true, Tx: TxID{1}, Final: true}), "rows"...))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, rows, err := Parse(body)
		if err != nil {
			return
		}
		again, same, err := Parse(append(AppendHeader(nil, h), rows...))
		if err != nil || again != h || !bytes.Equal(same, rows) {
			t.Errorf("%x is %+v, and written again %+v, %v", body, h, again, err)
		}
	})
}
