package pgwire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/fault"
	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
)

// arrayBinary reads an array into the JSON text that a list is carried as.
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
	out := []byte{'['}
	for i := range size {
		if i > 0 {
			out = append(out, ',')
		}
		n := b.int32()
		if n == -1 {
			out = append(out, "null"...)
			continue
		}
		item := b.take(n)
		if b.bad {
			return row.Value{}, invalidParam(oid)
		}
		v, err := decodeParam(element, true, item, row.Type{})
		if err != nil {
			return row.Value{}, err
		}
		out = appendJSONValue(out, v)
	}
	return row.Value{Type: paramType(oid), S: string(append(out, ']'))}, nil
}

func appendJSONValue(dst []byte, v row.Value) []byte {
	if v.Type.IsNumeric() && v.F == v.F && !math.IsInf(v.F, 0) {
		return append(dst, v.Text()...)
	}
	if v.Type.Kind == row.Bool {
		return strconv.AppendBool(dst, v.I != 0)
	}
	return appendJSONString(dst, []byte(v.Text()))
}

// arrayText reads {a,"b c",NULL}.
func arrayText(s string, want row.Type) (row.Value, error) {
	element, _ := row.ParseType(strings.TrimSuffix(want.Name, "[]"))
	bare := element.IsNumeric() || element.Kind == row.Bool
	bad := fault.New(fault.InvalidText, "malformed array literal: %q", shorten(s))
	out := []byte{'['}
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
		if !first {
			out = append(out, ',')
		}
		switch {
		case !quoted && strings.EqualFold(string(item), "null"):
			out = append(out, "null"...)
		case bare:
			v, err := decodeText(item, element)
			if err != nil {
				return row.Value{}, err
			}
			out = appendJSONValue(out, v)
		default:
			out = appendJSONString(out, item)
		}
		if i = next; s[i] == '}' {
			break
		}
		i++
	}
	if strings.TrimSpace(s[i+1:]) != "" {
		return row.Value{}, bad
	}
	return row.Value{Type: want, S: string(append(out, ']'))}, nil
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

// jsonItem takes the next member off the text of a JSON array, behind its opening bracket. A string comes decoded; ok is false at the end.
func jsonItem(s []byte) (item []byte, isString bool, rest []byte, ok bool) {
	s = bytes.TrimLeft(s, " \n\r\t,")
	if len(s) == 0 || s[0] == ']' {
		return nil, false, nil, false
	}
	if s[0] != '"' {
		end := bytes.IndexAny(s, ",]")
		if end < 0 {
			end = len(s)
		}
		return bytes.TrimSpace(s[:end]), false, s[end:], true
	}
	end := 1
	for end < len(s) && s[end] != '"' {
		if s[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end+1, len(s))
	if bytes.IndexByte(s[:end], '\\') < 0 {
		return s[1 : end-1], true, s[end:], true
	}
	var text string
	if json.Unmarshal(s[:end], &text) != nil {
		return s[1 : end-1], true, s[end:], true
	}
	return []byte(text), true, s[end:], true
}

// appendArrayText writes a list, which is carried as JSON text, as Postgres writes an array.
func appendArrayText(dst, list []byte, element row.Type) []byte {
	dst = append(dst, '{')
	rest := bytes.TrimPrefix(bytes.TrimSpace(list), []byte("["))
	for first := true; ; first = false {
		item, isString, next, ok := jsonItem(rest)
		if !ok {
			return append(dst, '}')
		}
		rest = next
		if !first {
			dst = append(dst, ',')
		}
		switch {
		case !isString && string(item) == "null":
			dst = append(dst, "NULL"...)
		case !isString && element.Kind == row.Bool && len(item) > 0:
			dst = append(dst, item[0])
		default:
			dst = appendArrayItem(dst, item)
		}
	}
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

// appendArrayBinary writes a list in the binary format of an array of one dimension.
func appendArrayBinary(dst, list []byte, element row.Type) []byte {
	be := binary.BigEndian
	start := len(dst)
	dst = be.AppendUint32(dst, 1)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, pg.TypeOf(element).OID)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, 1)
	n := uint32(0)
	rest := bytes.TrimPrefix(bytes.TrimSpace(list), []byte("["))
	for {
		item, isString, next, ok := jsonItem(rest)
		if !ok {
			break
		}
		rest = next
		n++
		v, err := row.ParseValue(element, string(item))
		if err != nil || !isString && string(item) == "null" {
			be.PutUint32(dst[start+4:], 1) // has nulls
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		one := v.Repeat(1)
		dst = append(dst, 0, 0, 0, 0)
		at := len(dst)
		dst = appendBinary(dst, &one, 0)
		be.PutUint32(dst[at-4:], uint32(len(dst)-at))
	}
	if n == 0 {
		be.PutUint32(dst[start:], 0)
		return dst[:start+12]
	}
	be.PutUint32(dst[start+12:], n)
	return dst
}
