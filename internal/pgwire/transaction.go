package pgwire

import (
	"strings"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/sql"
)

// savepointStatement is SAVEPOINT, RELEASE or ROLLBACK TO.
type savepointStatement struct {
	sql.Rollback
	verb, name string
}

// savepoint is a place in the transaction block that can be returned to.
type savepoint struct {
	name string
	mark int
	// writes is how many statements had written by then.
	writes int
}

// parseSavepoint reads SAVEPOINT name, RELEASE [SAVEPOINT] name and ROLLBACK [WORK] TO [SAVEPOINT] name; nil for anything else.
func parseSavepoint(text string) sql.Statement {
	words := strings.Fields(strings.TrimRight(strings.TrimSpace(text), "; \n\t"))
	if len(words) < 2 {
		return nil
	}
	s := &savepointStatement{verb: strings.ToUpper(words[0])}
	words = words[1:]
	drop := func(w string) bool {
		if len(words) > 1 && strings.EqualFold(words[0], w) {
			words = words[1:]
			return true
		}
		return false
	}
	switch s.verb {
	case "ROLLBACK", "ABORT":
		if !drop("WORK") {
			drop("TRANSACTION")
		}
		if !drop("TO") {
			return nil
		}
		s.verb = "ROLLBACK"
		drop("SAVEPOINT")
	case "RELEASE":
		drop("SAVEPOINT")
	}
	if len(words) != 1 {
		return nil
	}
	s.name = words[0]
	if n := len(s.name); n > 2 && s.name[0] == '"' && s.name[n-1] == '"' {
		s.name = s.name[1 : n-1]
	} else {
		s.name = sql.Normalize(s.name)
	}
	return s
}

// endsBlock reports the statements that a failed transaction block still takes.
func endsBlock(s *statement) bool {
	switch o := s.own.(type) {
	case *sql.Commit, *sql.Rollback:
		return true
	case *savepointStatement:
		return o.verb == "ROLLBACK"
	}
	return false
}

func (c *conn) runBegin(o *sql.Begin) error {
	if c.session.Tx() != session.TxIdle {
		c.notice("WARNING", fault.ActiveTransaction, "there is already a transaction in progress")
		return nil
	}
	c.forgetBlock()
	if err := c.controlInside("BEGIN"); err != nil {
		return err
	}
	if c.readOnly = c.settings.readOnly; o.Modes.ReadOnly != nil {
		c.readOnly = *o.Modes.ReadOnly
	}
	return nil
}

func (c *conn) runCommit(p *portal) error {
	switch c.status() {
	case session.TxIdle:
		c.notice("WARNING", fault.NoActiveTransaction, "there is no transaction in progress")
		return nil
	case session.TxFailed:
		p.tag = "ROLLBACK"
		return c.runRollback()
	}
	err := c.controlInside("COMMIT")
	if err == nil && c.session.Tx() == session.TxIdle {
		c.transactionEndedBy(p)
	}
	return err
}

func (c *conn) runRollback() error {
	if c.session.Tx() == session.TxIdle {
		c.notice("WARNING", fault.NoActiveTransaction, "there is no transaction in progress")
		return nil
	}
	return c.controlInside("ROLLBACK")
}

// transactionEndedBy is transactionEnded for a portal that has still to be answered.
func (c *conn) transactionEndedBy(p *portal) {
	c.forgetBlock()
	for name, other := range c.portals {
		if other != p && !other.hold {
			c.closePortal(name)
		}
	}
}

// controlInside is control within a statement that has already begun.
func (c *conn) controlInside(text string) error {
	ctx := c.run.ctx
	p, err := c.session.Prepare(ctx, text, nil)
	if err != nil {
		return err
	}
	r, err := c.session.Execute(ctx, p, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := r.Next(ctx); err != nil {
		return err
	}
	if t := r.Token(); t != "" {
		c.token = t
	}
	return nil
}

func (c *conn) runSavepoint(p *portal, o *savepointStatement) error {
	if c.session.Tx() == session.TxIdle {
		return fault.New(fault.NoActiveTransaction, "%s can only be used in transaction blocks", o.verb)
	}
	p.tag = o.verb
	if o.verb == "SAVEPOINT" {
		if len(c.savepoints) >= portalsMost {
			return fault.New(fault.LimitExceeded, "too many savepoints: at most %d", portalsMost)
		}
		c.savepoints = append(c.savepoints, savepoint{o.name, c.session.Mark(), c.writes})
		return nil
	}
	i := len(c.savepoints) - 1
	for i >= 0 && c.savepoints[i].name != o.name {
		i--
	}
	if i < 0 {
		return fault.New("3B001", "savepoint %q does not exist", o.name)
	}
	if o.verb == "RELEASE" {
		c.savepoints = c.savepoints[:i]
		return nil
	}
	c.session.ReturnTo(c.savepoints[i].mark)
	c.writes = c.savepoints[i].writes
	c.savepoints = c.savepoints[:i+1]
	return nil
}

func (c *conn) runSetTransaction(o *sql.SetTransaction) error {
	if o.Modes.ReadOnly == nil {
		return nil
	}
	if o.Session {
		if err := c.assign("default_transaction_read_only", onOff(*o.Modes.ReadOnly)); err != nil {
			return err
		}
		c.report("default_transaction_read_only")
		return nil
	}
	if c.status() == session.TxIdle {
		c.notice("WARNING", fault.NoActiveTransaction, "SET TRANSACTION can only be used in transaction blocks")
		return nil
	}
	if *o.Modes.ReadOnly && c.writes > 0 {
		return fault.New(fault.ActiveTransaction, "SET TRANSACTION READ ONLY must be called before the block writes")
	}
	c.readOnly = *o.Modes.ReadOnly
	return nil
}
