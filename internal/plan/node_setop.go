package plan

import (
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// SetOp is INTERSECT or EXCEPT of two inputs with equal types; rows are compared as by DISTINCT.
type SetOp struct {
	// Except is EXCEPT instead of INTERSECT.
	Except bool
	// All keeps repeated rows: as often as the side that has fewer of them (INTERSECT ALL), or as often as the left side has more
	// (EXCEPT ALL). Without it every row comes once.
	All         bool
	Left, Right Node
}

// Inputs implements Node.
func (n *SetOp) Inputs() []Node { return []Node{n.Left, n.Right} }

// Types implements Node.
func (n *SetOp) Types() []row.Type { return n.Left.Types() }

// String is the operation in the words of SQL.
func (n *SetOp) String() string {
	s := "INTERSECT"
	if n.Except {
		s = "EXCEPT"
	}
	if n.All {
		s += " ALL"
	}
	return s
}

// setOp decodes INTERSECT and EXCEPT.
func (d *decoder) setOp(o object, in []Node) Node {
	l, r := d.pair(in)
	if len(l.Types()) != len(r.Types()) {
		d.fail("the sides of %s have different widths", word(o.str("type")))
	}
	return &SetOp{Except: strings.HasSuffix(o.str("type"), "EXCEPT"), All: o.flag("setop_all"), Left: l, Right: r}
}

// ofSetOp finds the unique keys: no row comes more often than on the left, and that of an INTERSECT than on the right.
func (u *uniqueness) ofSetOp(n *SetOp) [][]int {
	keys := u.keys[n.Left]
	if !n.Except {
		for _, k := range u.keys[n.Right] {
			keys = addKey(keys, k)
		}
	}
	if !n.All {
		keys = addKey(keys, upTo(len(n.Types())))
	}
	return keys
}
