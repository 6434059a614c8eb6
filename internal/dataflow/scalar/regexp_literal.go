package scalar

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// pattern is a regular expression that is looked for only where it can match. The regexp package looks for a literal that a match begins with before it
// starts its matcher; a pattern also uses one further on, if what comes before it has a bounded length: as in "(&|^)id=([^&]*)".
type pattern struct {
	*regexp.Regexp
	// literal is in each match, empty for none known, and begins within the first before bytes of it.
	literal string
	before  int
}

// beforeMax bounds how far from a match's begin a literal is worth looking for.
const beforeMax = 64

func newPattern(text string) (*pattern, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	p := &pattern{Regexp: re}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	parts := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		parts = tree.Sub
	}
	before := 0
	for _, part := range parts {
		if part.Op == syntax.OpLiteral && part.Flags&syntax.FoldCase == 0 {
			if text := string(part.Rune); utf8.ValidString(text) && !strings.ContainsRune(text, utf8.RuneError) && len(text) > len(p.literal) {
				p.literal, p.before = text, before
			}
		}
		n, ok := longest(part)
		if before += n; !ok || before > beforeMax {
			break
		}
	}
	return p, nil
}

// longest is the number of bytes that an expression matches at most, false if there is no small bound.
func longest(re *syntax.Regexp) (bytes int, ok bool) {
	sum := func(subs []*syntax.Regexp) (n int, ok bool) {
		for _, s := range subs {
			m, ok := longest(s)
			if n += m; !ok || n > beforeMax {
				return 0, false
			}
		}
		return n, true
	}
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpNoMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return 0, true
	case syntax.OpLiteral:
		return utf8.UTFMax * len(re.Rune), true
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return utf8.UTFMax, true
	case syntax.OpCapture, syntax.OpQuest, syntax.OpConcat:
		return sum(re.Sub)
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			n, ok := longest(s)
			if !ok {
				return 0, false
			}
			bytes = max(bytes, n)
		}
		return bytes, true
	}
	return 0, false
}

// tail returns an end of s in which a search finds what one in s finds, false if that is nothing.
//
// The first match begins at most before bytes before the first literal. The end begins by at least one character earlier, so
// that assertions see what precedes the match. Nothing can match where the end begins, as the literal is too far away, so the end's
// begin is not taken for the text's; nor within a character that the end begins in the middle of.
func (p *pattern) tail(s string) (string, bool) {
	if p.literal == "" {
		return s, true
	}
	at := strings.Index(s, p.literal)
	if at < 0 {
		return "", false
	}
	return s[max(at-p.before-utf8.UTFMax, 0):], true
}
