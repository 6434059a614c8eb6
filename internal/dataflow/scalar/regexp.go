package scalar

import (
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// regexpTable holds regular expressions with constant patterns and options. Go's regexp and DuckDB's RE2 have one syntax and one meaning, except that
// Go knows no \C; what Go does not take is DuckDB's to judge.
func regexpTable() registry {
	return registry{
		"regexp_matches":    regexpTest(false),
		"regexp_full_match": regexpTest(true),
		"regexp_extract":    regexpExtract,
		"regexp_replace":    regexpReplace,
	}
}

// compilePattern makes the regexp of the constant pattern at argument 1 and, if there is one, of the options at argument at.
func compilePattern(s *site, at int, whole bool) (re *pattern, global, ok bool) {
	text, ok := s.text(1)
	if !ok || s.kind(0) != row.String {
		return nil, false, false
	}
	flags := ""
	if at < len(s.args) {
		options, ok := s.text(at)
		if !ok {
			return nil, false, false
		}
		for _, c := range options {
			switch c {
			case 'c', ' ', '\t', '\n':
				flags = strings.ReplaceAll(flags, "i", "")
			case 'i':
				flags += "i"
			case 's':
				flags += "s"
			case 'm', 'n', 'p':
				flags = strings.ReplaceAll(flags, "s", "")
			case 'g':
				global = true
			default:
				return nil, false, false
			}
		}
	}
	if flags != "" {
		text = "(?" + flags + ":" + text + ")"
	}
	if whole {
		text = `\A(?:` + text + `)\z`
	}
	re, err := newPattern(text)
	return re, global, err == nil
}

func regexpTest(whole bool) builder {
	return func(s *site) (native, bool) {
		if len(s.args) < 2 || len(s.args) > 3 {
			return native{}, false
		}
		re, global, ok := compilePattern(s, 2, whole)
		if !ok || global {
			return native{}, false
		}
		return strict(fromText(func(s string) uint8 {
			tail, ok := re.tail(s)
			return b2u(ok && re.MatchString(tail))
		}).keepFirst())
	}
}

// regexpExtract is regexp_extract(text, pattern [, group [, options]]); no match and no such group are the empty text.
func regexpExtract(s *site) (native, bool) {
	if len(s.args) < 2 || len(s.args) > 4 || s.typ.Kind != row.String {
		return native{}, false
	}
	group := int64(0)
	if len(s.args) > 2 {
		if s.kind(2) != row.Int32 || s.konst[2] == nil || s.konst[2].Null || s.konst[2].I < 0 || s.konst[2].I > 9 {
			return native{}, false
		}
		group = s.konst[2].I
	}
	re, global, ok := compilePattern(s, 3, false)
	if !ok || global {
		return native{}, false
	}
	k := textToText(func(dst []byte, s string) []byte {
		s, ok := re.tail(s)
		if !ok || int(group) > re.NumSubexp() {
			return dst
		}
		if group == 0 {
			if at := re.FindStringIndex(s); at != nil {
				dst = append(dst, s[at[0]:at[1]]...)
			}
			return dst
		}
		if at := re.FindStringSubmatchIndex(s); at != nil && at[2*group] >= 0 {
			dst = append(dst, s[at[2*group]:at[2*group+1]]...)
		}
		return dst
	})
	return strict(k.keepFirst())
}

// regexpReplace is regexp_replace(text, pattern, constant replacement [, options]) of the first match, or with option g of all.
func regexpReplace(s *site) (native, bool) {
	if len(s.args) < 3 || len(s.args) > 4 || s.typ.Kind != row.String {
		return native{}, false
	}
	re, global, ok := compilePattern(s, 3, false)
	if !ok {
		return native{}, false
	}
	rewrite, ok := s.text(2)
	if !ok {
		return native{}, false
	}
	template, ok := parseRewrite(rewrite, re.NumSubexp())
	if !ok {
		return native{}, false
	}
	return strict(textToText(func(dst []byte, s string) []byte {
		if global {
			return append(dst, re.ReplaceAllString(s, template)...)
		}
		tail, ok := re.tail(s)
		if !ok {
			return append(dst, s...)
		}
		at := re.FindStringSubmatchIndex(tail)
		if at == nil {
			return append(dst, s...)
		}
		dst = append(append(dst, s[:len(s)-len(tail)]...), tail[:at[0]]...)
		dst = re.ExpandString(dst, template, tail, at)
		return append(dst, tail[at[1]:]...)
	}).keepFirst())
}

// parseRewrite turns RE2's \1 into Go's ${1}; ok is false for what RE2 refuses.
func parseRewrite(rewrite string, groups int) (template string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(rewrite); i++ {
		switch c := rewrite[i]; {
		case c == '$':
			b.WriteString("$$")
		case c != '\\':
			b.WriteByte(c)
		case i+1 == len(rewrite):
			return "", false
		default:
			i++
			d := rewrite[i]
			switch {
			case d == '\\':
				b.WriteByte('\\')
			case d >= '0' && d <= '9' && int(d-'0') <= groups:
				b.WriteString("${" + string(d) + "}")
			default:
				return "", false
			}
		}
	}
	return b.String(), true
}
