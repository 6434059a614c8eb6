package admission

import (
	"context"
	"fmt"
	"io"
)

// step is by how much a lease grows at a time while a body comes whose size is not known, or is large: what a client only says it will send takes
// nothing from others.
const step = 256 << 10

// Body reads what a client sends and grows the lease with it, before the bytes are read. said is how much there will be, 0 if that is not known. What the lease
// has grown by is Taken.
type Body struct {
	ctx   context.Context // of the request that the body belongs to
	from  io.Reader
	lease *Lease
	taken int64
	left  int64 // of what was taken
	said  int64
}

// NewBody returns a reader of from that ends with an error when the lease does not grow.
func NewBody(ctx context.Context, from io.Reader, lease *Lease, said int64) *Body {
	return &Body{ctx: ctx, from: from, lease: lease, said: said}
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if b.left == 0 && len(p) > 0 {
		n := int64(step)
		if b.taken == 0 && b.said > 0 {
			n = min(n, b.said+1) // a byte more, for the end
		}
		if err := b.lease.Grow(b.ctx, n); err != nil {
			return 0, err
		}
		b.taken += n
		b.left = n
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Len is about how many bytes are left: as many as the reader below says, as a bytes.Reader does, else what was said, but for large bodies, of which nothing is there yet.
func (b *Body) Len() int {
	if sized, is := b.from.(interface{ Len() int }); is {
		return sized.Len()
	}
	return int(min(b.said, 4*step))
}

// Taken is by how much the lease has grown.
func (b *Body) Taken() int64 { return b.taken }

// size writes a number of bytes in the largest unit it is at least one of.
func size(n int64) string {
	units := [...]string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	u, f := 0, float64(n)
	for f >= 1024 && u < len(units)-1 {
		u, f = u+1, f/1024
	}
	if f == float64(int64(f)) {
		return fmt.Sprintf("%d %s", int64(f), units[u])
	}
	return fmt.Sprintf("%.1f %s", f, units[u])
}
