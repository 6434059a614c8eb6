package nexmark

import "math/bits"

// random is a small generator of random numbers whose whole state is one word: an event's own.
type random struct{ state uint64 }

// step is odd, so that multiples of it by different event numbers differ in all bits.
const step = 0x9e3779b97f4a7c15

// mix64 scatters the bits of x; it is a bijection.
func mix64(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// randomOf is the source of randomness of one thing, an event or a channel.
func randomOf(seed, n uint64) random { return random{mix64(n*step + seed)} }

func (r *random) next() uint64 {
	r.state += step
	return mix64(r.state)
}

// below returns a number in [0, n), n > 0.
func (r *random) below(n uint64) uint64 {
	hi, _ := bits.Mul64(r.next(), n)
	return hi
}

// unit returns a number in [0, 1).
func (r *random) unit() float64 { return float64(r.next()>>11) / (1 << 53) }

// appendWord appends 3 to most−1 characters, each of which is special with probability 1/13, else one of a to z.
func (r *random) appendWord(dst []byte, most int, special byte) []byte {
	n := 3 + int(r.below(uint64(most-3)))
	for range n {
		if r.below(13) == 0 {
			dst = append(dst, special)
		} else {
			dst = append(dst, 'a'+byte(r.below(26)))
		}
	}
	return dst
}

// appendLetters appends n letters. It makes eight letters of one random word.
func (r *random) appendLetters(dst []byte, n int) []byte {
	for n > 0 {
		x := r.next()
		for range min(n, 8) {
			hi, lo := bits.Mul64(x, 26)
			dst = append(dst, 'a'+byte(hi))
			x = lo
		}
		n -= 8
	}
	return dst
}

// appendPad appends the letters that bring a row of have bytes to want bytes on average, ±20 % of what is missing.
func (r *random) appendPad(dst []byte, have, want int) []byte {
	if have >= want {
		return dst
	}
	want -= have
	delta := (want + 2) / 5
	n := want - delta
	if delta > 0 {
		n += int(r.below(uint64(2 * delta)))
	}
	return r.appendLetters(dst, n)
}
