package sqlgen

import (
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// kind says how a node may be made smaller.
type kind uint8

const (
	fixed  kind = iota // only its children
	list               // by leaving out children, down to one
	clause             // by leaving it out
	terms              // by leaving out children, and all of it with its text
	scalar             // by a constant, or a child of its type
	source             // by one of the children that are sources: a join by one side
	query              // by one of the children that are queries
)

// Node is a part of a query. Its text has {0}, {1} … where its children stand; a list's children stand at {*}, joined by sep.
type Node struct {
	kind kind
	text string
	sep  string
	typ  row.Type // of a scalar
	kids []*Node
	gone bool
}

// String writes the query.
func (n *Node) String() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *Node) write(b *strings.Builder) {
	if n.gone {
		return
	}
	text := n.text
	for {
		at := strings.IndexByte(text, '{')
		if at < 0 {
			b.WriteString(text)
			return
		}
		end := at + strings.IndexByte(text[at:], '}')
		if end < at {
			b.WriteString(text)
			return
		}
		b.WriteString(text[:at])
		name := text[at+1 : end]
		i, err := strconv.Atoi(name)
		switch {
		case name == "*":
			for k, kid := range n.kids {
				if k > 0 {
					b.WriteString(n.sep)
				}
				kid.write(b)
			}
		case err == nil && i < len(n.kids):
			n.kids[i].write(b)
		default:
			b.WriteString(text[at : end+1])
		}
		text = text[end+1:]
	}
}

func leaf(text string) *Node { return &Node{text: text} }

func form(k kind, text string, kids ...*Node) *Node { return &Node{kind: k, text: text, kids: kids} }

func expr(t row.Type, text string, kids ...*Node) *Node {
	return &Node{kind: scalar, text: text, typ: t, kids: kids}
}

func listOf(k kind, text, sep string, kids []*Node) *Node {
	return &Node{kind: k, text: text, sep: sep, kids: kids}
}

// Size is the number of nodes that are written.
func (n *Node) Size() int {
	if n.gone {
		return 0
	}
	size := 1
	for _, k := range n.kids {
		size += k.Size()
	}
	return size
}

// Shrink makes the query as small as it can while fails reports that it still fails. It asks at most budget times.
func (n *Node) Shrink(fails func(sql string) bool, budget int) {
	s := &shrinker{root: n, fails: fails, left: budget}
	for s.left > 0 && s.visit(n) {
	}
}

type shrinker struct {
	root  *Node
	fails func(string) bool
	left  int
}

// keeps tries the tree as it is now.
func (s *shrinker) keeps() bool {
	if s.left <= 0 {
		return false
	}
	s.left--
	return s.fails(s.root.String())
}

// visit makes a subtree smaller, from the top down, and reports whether it did.
func (s *shrinker) visit(n *Node) bool {
	if n.gone {
		return false
	}
	any := s.reduce(n)
	for _, k := range n.kids {
		any = s.visit(k) || any
	}
	return any
}

func (s *shrinker) reduce(n *Node) bool {
	any := false
	switch n.kind {
	case clause, terms:
		n.gone = true
		if s.keeps() {
			return true
		}
		n.gone = false
	case scalar:
		if s.replace(n) {
			return true
		}
	case source, query:
		for _, k := range n.kids {
			if k.kind == n.kind && !k.gone && s.become(n, k) {
				return true
			}
		}
	}
	if n.kind == list || n.kind == terms {
		for i := 0; i < len(n.kids) && len(n.kids) > 1; {
			all := n.kids
			n.kids = append(append([]*Node{}, all[:i]...), all[i+1:]...)
			if s.keeps() {
				any = true
				continue
			}
			n.kids = all
			i++
		}
	}
	return any
}

// become puts a child in the place of its parent.
func (s *shrinker) become(n, child *Node) bool {
	old := *n
	*n = *child
	if s.keeps() {
		return true
	}
	*n = old
	return false
}

// replace tries a child of the same type, or a constant, instead of an expression.
func (s *shrinker) replace(n *Node) bool {
	if len(n.kids) == 0 {
		return false
	}
	for _, k := range n.kids {
		if k.kind == scalar && k.typ == n.typ && s.become(n, k) {
			return true
		}
	}
	for _, text := range []string{constantOf(n.typ), "CAST(NULL AS " + n.typ.String() + ")"} {
		if s.become(n, expr(n.typ, text)) {
			return true
		}
	}
	return false
}
