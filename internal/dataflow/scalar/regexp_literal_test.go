package scalar

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestPatternsMatchInTails looks for random patterns in random texts and in their tails, which must find the same.
func TestPatternsMatchInTails(t *testing.T) {
	parts := []string{"a", "é", "ab", "aé", "(b|^)", "(a|é)?", ".", "[^a]", "^", "$", `\b`, `\B`, "b*", "(?:ab|c|)", "(?m:^)", "(?i:a)", "a{1,2}", "abc", "(c.?)", "\n"}
	letters := []string{"a", "b", "c", "A", "é", "\n", "日", " ", "\xff", "\xe6"}
	r, used, cut := rand.New(rand.NewPCG(7, 7)), 0, 0
	for range 4000 {
		var text strings.Builder
		for range 1 + r.IntN(4) {
			text.WriteString(parts[r.IntN(len(parts))])
		}
		p, err := newPattern(text.String())
		if err != nil {
			continue
		}
		if p.literal != "" {
			used++
		}
		for range 20 {
			var b strings.Builder
			for range r.IntN(20) {
				b.WriteString(letters[r.IntN(len(letters))])
			}
			s := b.String()
			want := p.FindStringSubmatchIndex(s)
			tail, ok := p.tail(s)
			var got []int
			if ok {
				got = p.FindStringSubmatchIndex(tail)
			}
			for i := range got {
				if got[i] >= 0 {
					got[i] += len(s) - len(tail)
				}
			}
			if len(tail) < len(s) {
				cut++
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%q in %q: %v, in its tail %q %v", text.String(), s, want, tail, got)
			}
		}
	}
	if used < 500 || cut < 5000 {
		t.Errorf("only %d patterns have a literal, only %d texts were cut", used, cut)
	}
}

func TestPatternLiterals(t *testing.T) {
	for text, want := range map[string]string{"(&|^)channel_id=([^&]*)": "channel_id=", "a.*bcd": "a", ".*abc": "", "(?i:abc)d": "d", "a|b": "", "x{2}abc": "", "ab": "ab"} {
		p, err := newPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		if p.literal != want {
			t.Errorf("%s: literal %q, want %q", text, p.literal, want)
		}
	}
}
