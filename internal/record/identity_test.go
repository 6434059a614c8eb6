package record

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

func testIdentities() []Identities {
	return []Identities{
		{Events: []Identity{{1}, {2, 15: 3}}},
		{Request: &Request{Key: Identity{4}, Content: Identity{5}, Answer: []byte(`{"accepted":1}`)}},
		{Events: []Identity{{1}}, Request: &Request{Key: Identity{6}, Answer: []byte("x")}},
	}
}

func TestIdentities(t *testing.T) {
	h := Header{Schema: 3, Ingested: time.UnixMicro(7)}
	for _, ids := range testIdentities() {
		body := append(AppendIdentified([]byte("12345678"), h, &ids), "rows"...)[8:]
		got, rows, err := Parse(body)
		if err != nil || got != h || string(rows) != "rows" || (len(body)-len(rows))%8 != 0 {
			t.Errorf("Parse = %+v, %q, %v", got, rows, err)
		}
		if again, err := ParseIdentities(body); err != nil || !reflect.DeepEqual(again, ids) {
			t.Errorf("ParseIdentities = %+v, %v; want %+v", again, err, ids)
		}
		for n := range len(body) - len("rows") {
			if _, err := ParseIdentities(body[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%d of %d bytes: %v", n, len(body), err)
			}
		}
	}
	none := AppendIdentified(nil, h, &Identities{})
	if !bytes.Equal(none, AppendHeader(nil, h)) {
		t.Error("no identities take room")
	}
	none[1] |= 1 << 7
	if _, _, err := Parse(none); !errors.Is(err, ErrMalformed) {
		t.Errorf("an unknown flag: %v", err)
	}
}

func FuzzParseIdentities(f *testing.F) {
	for _, ids := range testIdentities() {
		f.Add(append(AppendIdentified(nil, Header{}, &ids), "rows"...))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ids, err := ParseIdentities(body)
		if err != nil || ids.Empty() {
			return
		}
		h, rows, err := Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		again := append(AppendIdentified(nil, h, &ids), rows...)
		got, err := ParseIdentities(again)
		if err != nil || len(got.Events) != len(ids.Events) || (got.Request == nil) != (ids.Request == nil) {
			t.Errorf("%x is %+v, and written again %+v, %v", body, ids, got, err)
		}
	})
}
