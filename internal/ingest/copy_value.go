package ingest

import (
	"bytes"
	"encoding/hex"
)

// textValue reads a value of the text format.
func (p *CopyParser) textValue(text []byte) (value []byte, null bool, rest []byte, more bool) {
	d := p.format.Delimiter
	end, escapes := 0, false
	for end < len(text) && text[end] != d {
		if text[end] == '\\' {
			escapes = true
			end++
		}
		end++
	}
	end = min(end, len(text))
	if value = text[:end]; end < len(text) {
		rest, more = text[end+1:], true
	}
	switch {
	case string(value) == p.format.Null:
		return nil, true, rest, more
	case escapes:
		p.scratch = appendUnescaped(p.scratch[:0], value)
		value = p.scratch
	}
	return value, false, rest, more
}

// appendUnescaped resolves backslashes: \b \f \n \r \t \v, one to three octal digits, x and one or two hexadecimal digits, else the character itself.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			continue
		}
		if i++; i == len(s) {
			break
		}
		c := s[i]
		switch {
		case c >= '0' && c <= '7':
			v := c - '0'
			for n := 1; n < 3 && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '7'; n++ {
				i++
				v = v<<3 | (s[i] - '0')
			}
			c = v
		case c == 'x' && i+1 < len(s) && hexDigit(s[i+1]) < 16:
			v := byte(0)
			for n := 0; n < 2 && i+1 < len(s) && hexDigit(s[i+1]) < 16; n++ {
				i++
				v = v<<4 | hexDigit(s[i])
			}
			c = v
		default:
			if at := bytes.IndexByte([]byte("bfnrtv"), c); at >= 0 {
				c = "\b\f\n\r\t\v"[at]
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// hexDigit returns the value of a hexadecimal digit, or 16 and more.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// csvValue reads a value of the csv format. Quotes may open and close within it.
func (p *CopyParser) csvValue(text []byte) (value []byte, null bool, rest []byte, more bool) {
	d, quote, escape := p.format.Delimiter, p.format.Quote, p.format.Escape
	end := 0
	for end < len(text) && text[end] != d && text[end] != quote {
		end++
	}
	if end == len(text) || text[end] == d {
		if value = text[:end]; end < len(text) {
			rest, more = text[end+1:], true
		}
		if string(value) == p.format.Null {
			return nil, true, rest, more
		}
		return value, false, rest, more
	}
	dst := append(p.scratch[:0], text[:end]...)
	inQuote := false
	for ; end < len(text); end++ {
		c := text[end]
		switch {
		case !inQuote && c == d:
			p.scratch = dst
			return dst, false, text[end+1:], true
		case !inQuote && c == quote:
			inQuote = true
		case inQuote && c == escape && end+1 < len(text) && (text[end+1] == escape || text[end+1] == quote):
			end++
			dst = append(dst, text[end])
		case inQuote && c == quote:
			inQuote = false
		default:
			dst = append(dst, c)
		}
	}
	p.scratch = dst
	return dst, false, nil, false
}

// hexBytes reads a blob as Postgres writes it: \x and pairs of hexadecimal digits.
func (p *CopyParser) hexBytes(text []byte) (raw []byte, is bool) {
	digits, is := bytes.CutPrefix(text, []byte(`\x`))
	if !is || len(digits)%2 != 0 {
		return nil, false
	}
	raw, err := hex.AppendDecode(nil, digits)
	return raw, err == nil
}
