package token

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"reflect"
	"strings"
	"testing"
)

var examples = []Token{
	{},
	{Database: "main", Epoch: 1, Tick: 2},
	{Database: "main", Positions: []Position{{1, 2}, {math.MaxUint64, math.MaxUint64}}},
	{Database: strings.Repeat("d", 255), Epoch: math.MaxUint64, Tick: math.MaxUint64, Positions: make([]Position, positionsMax)},
}

func TestRoundTrip(t *testing.T) {
	for _, want := range examples {
		text := want.String()
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Parse(%.40s…) = %+v, %v", text, got, err)
		}
		if strings.ContainsAny(text, "+/= \n") {
			t.Errorf("%.40s… is not safe in a URL", text)
		}
	}
}

// sealed is a token of any body, with a right checksum.
func sealed(body ...byte) string {
	return base64.RawURLEncoding.EncodeToString(binary.LittleEndian.AppendUint32(body, crc32.ChecksumIEEE(body)))
}

func TestMalformed(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "not base64": "%%%", "short": "AQ", "too long": strings.Repeat("A", textMax+4),
		"version":                sealed(9, 0, 0, 0, 0),
		"name beyond the end":    sealed(1, 200, 'a'),
		"no positions":           sealed(1, 0, 0, 0, 3),
		"too many positions":     sealed(binary.AppendUvarint([]byte{1, 0, 0, 0}, positionsMax+1)...),
		"endless number":         sealed(1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1),
		"something behind":       sealed(1, 0, 0, 0, 0, 7),
		"cut off":                Token{Database: "main"}.String()[:8],
		"another one's checksum": Token{Database: "a"}.String()[:4] + Token{Database: "b"}.String()[4:],
	} {
		if _, err := Parse(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, e := range examples[:3] {
		f.Add(e.String())
	}
	f.Add(sealed(1, 200, 'a'))
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(tok.String())
		if err != nil || !reflect.DeepEqual(tok, again) {
			t.Errorf("%q is %+v, and written again %+v, %v", text, tok, again, err)
		}
	})
}
