package pgwire

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
)

// arrayBinary reads an array of one dimension as a list.
func arrayBinary(oid uint32, data []byte) (row.Value, error) {
	b := body{data: data}
	dimensions, _, element := b.int32(), b.int32(), uint32(b.int32())
	size := 0
	if dimensions > 0 {
		size = b.int32()
		b.int32()
	}
	if b.bad || dimensions < 0 || dimensions > 1 || size < 0 || size > len(data) {
		return row.Value{}, fault.New(fault.FeatureNotSupported, "only arrays of one dimension are accepted")
	}
	list := paramType(oid)
	if list.Kind != row.List {
		return row.Value{}, fault.New(fault.FeatureNotSupported, "arrays of type %d are not accepted in the binary format", oid)
	}
	items := make([]row.Value, size)
	for i := range items {
		n := b.int32()
		if n == -1 {
			items[i] = row.NullValue(list.Elem())
			continue
		}
		item := b.take(n)
		if b.bad {
			return row.Value{}, invalidParam(oid)
		}
		var err error
		if items[i], err = decodeParam(element, true, item, list.Elem()); err != nil {
			return row.Value{}, err
		}
	}
	return row.ListValue(list, items...), nil
}

// arrayText reads {a,"b c",NULL} as a list of type want.
func arrayText(s string, want row.Type) (row.Value, error) {
	bad := fault.New(fault.InvalidText, "malformed array literal: %q", shorten(s))
	var items []row.Value
	i := 1
	for first := true; ; first = false {
		for i < len(s) && s[i] == ' ' {
			i++
		}
		if i < len(s) && s[i] == '}' && first {
			break
		}
		item, quoted, next := arrayItem(s, i)
		if next < 0 {
			return row.Value{}, bad
		}
		v := row.NullValue(want.Elem())
		if quoted || !strings.EqualFold(string(item), "null") {
			var err error
			if v, err = decodeText(item, want.Elem()); err != nil {
				return row.Value{}, err
			}
		}
		items = append(items, v)
		if i = next; s[i] == '}' {
			break
		}
		i++
	}
	if size := want.ArraySize(); strings.TrimSpace(s[i+1:]) != "" || size > 0 && size != len(items) {
		return row.Value{}, bad
	}
	return row.ListValue(want, items...), nil
}

// arrayItem reads the member at s[i] and returns where the comma or bracket behind it is, -1 if there is none.
func arrayItem(s string, i int) (item []byte, quoted bool, next int) {
	if i < len(s) && s[i] == '"' {
		for i++; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' {
				if i++; i == len(s) {
					return nil, true, -1
				}
			}
			item = append(item, s[i])
		}
		for i++; i < len(s) && s[i] == ' '; i++ {
		}
		quoted = true
	} else {
		for ; i < len(s) && s[i] != ',' && s[i] != '}' && s[i] != '{' && s[i] != '"'; i++ {
			if s[i] == '\\' {
				if i++; i == len(s) {
					return nil, false, -1
				}
			}
			item = append(item, s[i])
		}
		item = bytes.TrimRight(item, " ")
		if len(item) == 0 {
			return nil, false, -1
		}
	}
	if i >= len(s) || s[i] != ',' && s[i] != '}' {
		return nil, quoted, -1
	}
	return item, quoted, i
}

// appendArrayText writes list i of v as Postgres writes an array.
func appendArrayText(dst []byte, v *row.Vec, i int, loc *time.Location) []byte {
	dst = append(dst, '{')
	one := row.NewBuilder(v.Type.Elem(), 1)
	var text []byte
	first := true
	for it := row.ElementsOf(v, i); it.Next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		if it.Null() {
			dst = append(dst, "NULL"...)
			continue
		}
		it.AppendTo(one)
		item := one.Finish()
		text = appendText(text[:0], &item, 0, loc)
		dst = appendArrayItem(dst, text)
	}
	return append(dst, '}')
}

func appendArrayItem(dst, item []byte) []byte {
	if len(item) > 0 && !bytes.ContainsAny(item, "{}\",\\ \t\n\r\v\f") && !strings.EqualFold(string(item), "null") {
		return append(dst, item...)
	}
	dst = append(dst, '"')
	for _, c := range item {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// appendArrayBinary writes list i of v in the binary format of an array of one dimension.
func appendArrayBinary(dst []byte, v *row.Vec, i int) []byte {
	be := binary.BigEndian
	start := len(dst)
	dst = be.AppendUint32(dst, 1)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, pg.TypeOf(v.Type.Elem()).OID)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, 1)
	one := row.NewBuilder(v.Type.Elem(), 1)
	n := uint32(0)
	for it := row.ElementsOf(v, i); it.Next(); n++ {
		if it.Null() {
			be.PutUint32(dst[start+4:], 1) // has nulls
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		it.AppendTo(one)
		item := one.Finish()
		dst = append(dst, 0, 0, 0, 0)
		at := len(dst)
		dst = appendBinary(dst, &item, 0)
		be.PutUint32(dst[at-4:], uint32(len(dst)-at))
	}
	if n == 0 {
		be.PutUint32(dst[start:], 0)
		return dst[:start+12]
	}
	be.PutUint32(dst[start+12:], n)
	return dst
}
