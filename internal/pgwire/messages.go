package pgwire

import (
	"encoding/binary"
	"time"

	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
)

// The messages that are sent for every statement or row. Each function appends one to dst.

func begin(dst []byte, kind byte) ([]byte, int) {
	return append(dst, kind, 0, 0, 0, 0), len(dst) + 1
}

// end sets the length of the message whose length field is at.
func end(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst
}

func appendEmpty(dst []byte, kind byte) []byte { return append(dst, kind, 0, 0, 0, 4) }

func appendComplete(dst []byte, tag string) []byte {
	dst, at := begin(dst, 'C')
	dst = append(dst, tag...)
	return end(append(dst, 0), at)
}

func appendReady(dst []byte, status byte) []byte { return append(dst, 'Z', 0, 0, 0, 5, status) }

// formats are the format codes of a Bind: none for text, one for all, or one for each.
type formats []int16

func (f formats) binary(i int) bool {
	switch len(f) {
	case 0:
		return false
	case 1:
		return f[0] == 1
	}
	return i < len(f) && f[i] == 1
}

func appendRowDescription(dst []byte, columns row.Schema, f formats) []byte {
	dst, at := begin(dst, 'T')
	be := binary.BigEndian
	dst = be.AppendUint16(dst, uint16(len(columns)))
	for i := range columns {
		t := pg.TypeOf(columns[i].Type)
		dst = append(dst, columns[i].Name...)
		dst = append(dst, 0, 0, 0, 0, 0, 0, 0) // end of the name, no table, no column number
		dst = be.AppendUint32(dst, t.OID)
		dst = be.AppendUint16(dst, uint16(t.Size))
		dst = be.AppendUint32(dst, uint32(t.Modifier))
		code := uint16(0)
		if f.binary(i) {
			code = 1
		}
		dst = be.AppendUint16(dst, code)
	}
	return end(dst, at)
}

func appendParameterDescription(dst []byte, oids []uint32) []byte {
	dst, at := begin(dst, 't')
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(oids)))
	for _, o := range oids {
		dst = binary.BigEndian.AppendUint32(dst, o)
	}
	return end(dst, at)
}

// appendDataRow appends row i of a batch.
func appendDataRow(dst []byte, b *row.Batch, i int, f formats, loc *time.Location) []byte {
	dst, at := begin(dst, 'D')
	be := binary.BigEndian
	dst = be.AppendUint16(dst, uint16(len(b.Cols)))
	for c := range b.Cols {
		v := &b.Cols[c]
		if v.Null(i) {
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		dst = append(dst, 0, 0, 0, 0)
		start := len(dst)
		if f.binary(c) {
			dst = appendBinary(dst, v, i)
		} else {
			dst = appendText(dst, v, i, loc)
		}
		be.PutUint32(dst[start-4:], uint32(len(dst)-start))
	}
	return end(dst, at)
}
