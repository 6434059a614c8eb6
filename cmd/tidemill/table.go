package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// nullText is how a null is shown.
const nullText = "NULL"

// cell is a value as text.
type cell struct {
	text  string
	right bool // numbers stand at the right
	null  bool
}

// cellOf is a JSON value as it is shown.
func cellOf(v json.RawMessage) cell {
	switch {
	case bytes.Equal(v, []byte("null")):
		return cell{text: nullText, null: true}
	case len(v) > 0 && v[0] == '"':
		var s string
		if json.Unmarshal(v, &s) == nil {
			return cell{text: printable(s)}
		}
	case len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9'):
		return cell{text: string(v), right: true}
	}
	return cell{text: printable(string(v))}
}

// printable writes control characters in a way that a terminal does not obey.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// displayWidth is the number of terminal cells that text takes.
func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case isWide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

func isWide(r rune) bool {
	k := width.LookupRune(r).Kind()
	return k == width.EastAsianWide || k == width.EastAsianFullwidth
}

// pad fills text up to a width.
func pad(c cell, to int) string {
	space := strings.Repeat(" ", max(0, to-displayWidth(c.text)))
	if c.right {
		return space + c.text
	}
	return c.text + space
}

// style says how a table is drawn.
type style struct {
	expanded bool // one line per value
	dim      bool // nulls and lines are drawn faintly
}

func (s style) faint(text string) string {
	if s.dim {
		return "\x1b[2m" + text + "\x1b[0m"
	}
	return text
}

// drawTable writes rows as a table with a frame.
func drawTable(w io.Writer, names []string, rows [][]cell, s style) {
	if s.expanded {
		drawExpanded(w, names, rows, s)
		return
	}
	widths := make([]int, len(names))
	for i, n := range names {
		widths[i] = displayWidth(printable(n))
	}
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], displayWidth(c.text))
		}
	}
	rule := func(left, mid, right string) string {
		parts := make([]string, len(widths))
		for i, n := range widths {
			parts[i] = strings.Repeat("─", n+2)
		}
		return s.faint(left+strings.Join(parts, mid)+right) + "\n"
	}
	var b strings.Builder
	b.WriteString(rule("┌", "┬", "┐"))
	heads := make([]cell, len(names))
	for i, n := range names {
		heads[i] = cell{text: printable(n), right: numeric(rows, i)}
	}
	writeRow(&b, heads, widths, s)
	b.WriteString(rule("├", "┼", "┤"))
	for _, r := range rows {
		writeRow(&b, r, widths, s)
	}
	b.WriteString(rule("└", "┴", "┘"))
	_, _ = io.WriteString(w, b.String()) // a closed output is found at exit
}

// numeric tells whether the first value of a column that is not null is a number.
func numeric(rows [][]cell, i int) bool {
	for _, r := range rows {
		if !r[i].null {
			return r[i].right
		}
	}
	return false
}

func writeRow(b *strings.Builder, cells []cell, widths []int, s style) {
	bar := s.faint("│")
	for i, c := range cells {
		b.WriteString(bar + " ")
		text := pad(c, widths[i])
		if c.null {
			text = s.faint(text)
		}
		b.WriteString(text + " ")
	}
	b.WriteString(bar + "\n")
}

func drawExpanded(w io.Writer, names []string, rows [][]cell, s style) {
	most := 0
	for _, n := range names {
		most = max(most, displayWidth(printable(n)))
	}
	var b strings.Builder
	for i, r := range rows {
		b.WriteString(s.faint(fmt.Sprintf("── row %d %s", i+1, strings.Repeat("─", max(4, most)))) + "\n")
		for k, c := range r {
			text := c.text
			if c.null {
				text = s.faint(text)
			}
			fmt.Fprintf(&b, "%s %s %s\n", pad(cell{text: printable(names[k])}, most), s.faint("│"), text)
		}
	}
	_, _ = io.WriteString(w, b.String()) // a closed output is found at exit
}
