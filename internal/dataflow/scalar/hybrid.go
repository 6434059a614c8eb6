package scalar

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/plan"
)

// hybrid is an instruction whose kernel leaves rows that are hard to the fallback, which is prepared when the first one comes.
type hybrid struct {
	name    string
	run     kernel
	prepare func() error
	foreign *foreign

	mask   []uint8
	choice choice
}

// hybrid makes the code of e, for which a partial kernel computes what it can from args.
func (as *assembly) hybrid(sc *scope, e *plan.Expr, nat native, args []*vec) (*vec, error) {
	body := *e
	body.Args = make([]*plan.Expr, len(e.Args))
	at := map[int]*vec{}
	for i, a := range e.Args {
		if body.Args[i] = a; a.Kind != plan.Constant {
			body.Args[i] = plan.Col(i, a.Type)
			at[i] = args[i]
		}
	}
	h := &hybrid{name: e.Name, run: nat.run, foreign: &foreign{result: e.Type}}
	text, columns, err := plan.SQLOf(&body)
	if err != nil {
		return nil, fmt.Errorf("writing %s as SQL: %w", e.Name, err)
	}
	h.foreign.sql = text
	for _, c := range columns {
		h.foreign.from = append(h.foreign.from, at[c])
	}
	compiler := as.c
	h.prepare = func() (err error) {
		if compiler.Fallback == nil {
			return fmt.Errorf("%s is not available here", e.Name)
		}
		h.foreign.whole, err = compiler.Fallback.Compile(text, typesOf(h.foreign.from), e.Type)
		return err
	}
	as.closers = append(as.closers, h.foreign)
	out := native{run: h.eval}
	return sc.emit(out, args, e.Type), nil
}

func (h *hybrid) eval(b *block, args []*vec, out *vec) {
	b.hard = b.hard[:0]
	h.run(b, args, out)
	if len(b.hard) == 0 {
		return
	}
	if h.foreign.whole == nil {
		if err := h.prepare(); err != nil {
			b.stop(fmt.Errorf("preparing %s: %w", h.name, err))
			return
		}
	}
	easy := *out
	rest := &vec{Vec: h.foreign.rows(b, b.hard)}
	h.mask = grow(h.mask, b.n)
	fill(h.mask, 1)
	for _, i := range b.hard {
		h.mask[i] = 0
	}
	h.choice.start(b.n)
	h.choice.take(&easy, false, h.mask)
	for i := range h.mask {
		h.mask[i] ^= 1
	}
	h.choice.take(rest, true, h.mask)
	// The kernel's column is read while out is written, so out must take other memory for once.
	*out = vec{Vec: easy.Vec, escapes: easy.escapes}
	out.Valid = nil
	h.choice.finish(b, out)
}
