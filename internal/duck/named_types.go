package duck

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/row"
)

// typeKey is the key of a named type among definitions: no relation has it.
func typeKey(name string) string { return "type " + foldName(name) }

func createType(name string, t row.Type) func(*conn) error {
	return func(c *conn) error { return c.exec("CREATE TYPE " + quoteIdent(name) + " AS " + t.String()) }
}

func dropType(name string) func(*conn) error {
	return func(c *conn) error { return c.exec("DROP TYPE " + quoteIdent(name)) }
}

// DefineType makes a name that is not in use stand for a type.
func (p *Planner) DefineType(name string, t row.Type) error {
	p.ddl.Lock()
	defer p.ddl.Unlock()
	if p.isClosed() {
		return errorf(KindClosed, "the planner is closed")
	}
	if err := p.change(createType(name, t)); err != nil {
		return fmt.Errorf("defining type %s: %w", name, err)
	}
	p.defs.put(typeKey(name), createType(name, t))
	return nil
}

// DropType forgets what a name of a type stands for.
func (p *Planner) DropType(name string) error {
	p.ddl.Lock()
	defer p.ddl.Unlock()
	if p.isClosed() {
		return errorf(KindClosed, "the planner is closed")
	}
	if err := p.change(dropType(name)); err != nil {
		return fmt.Errorf("dropping type %s: %w", name, err)
	}
	p.defs.drop(typeKey(name))
	return nil
}

// DefineType makes a name that is not in use stand for a type.
func (r *Reader) DefineType(name string, t row.Type) error {
	r.ddl.Lock()
	defer r.ddl.Unlock()
	if err := r.define(typeKey(name), createType(name, t)); err != nil {
		return fmt.Errorf("defining type %s: %w", name, err)
	}
	return nil
}

// DropType forgets what a name of a type stands for.
func (r *Reader) DropType(name string) error {
	r.ddl.Lock()
	defer r.ddl.Unlock()
	if err := r.change(dropType(name)); err != nil {
		return fmt.Errorf("dropping type %s: %w", name, err)
	}
	r.defs.drop(typeKey(name))
	return nil
}
