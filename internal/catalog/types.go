package catalog

import (
	"cmp"
	"slices"

	"github.com/tidemill/tidemill/internal/row"
)

// Type is a name for a type. It stands for the type wherever one is written; what is made with it has the type itself.
type Type struct {
	Name string
	Type row.Type
}

// Type returns the type of a name, or nil.
func (c *Catalog) Type(name string) *Type {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.types[Fold(name)]
}

// Types lists the named types by name.
func (c *Catalog) Types() []*Type {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]*Type, 0, len(c.types))
	for _, t := range c.types {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *Type) int { return cmp.Compare(Fold(a.Name), Fold(b.Name)) })
	return out
}
