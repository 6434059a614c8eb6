package pgwire

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

// runPortal executes a portal as far as most rows, all if it is 0. With describe the rows are described first.
func (c *conn) runPortal(p *portal, most int64, describe bool) error {
	ctx, done := c.begin(true, p.stmt.endless)
	defer done()
	err := c.runRows(ctx, p, most, describe)
	if err != nil {
		if p.result != nil { // what failed cannot go on
			p.result.Close()
			p.result = nil
		}
		p.started, p.done, p.batch = true, true, nil
	}
	return interrupted(ctx, err)
}

func (c *conn) runRows(ctx context.Context, p *portal, most int64, describe bool) error {
	if !p.started {
		if err := c.start(ctx, p); err != nil {
			return err
		}
	}
	if p.result != nil && p.result.Copy != nil {
		return c.copyIn(p)
	}
	if p.result != nil && p.result.CopyOut != nil {
		return c.copyOut(ctx, p)
	}
	if describe && p.stmt.columns != nil {
		c.out = appendRowDescription(c.out, p.stmt.columns, p.formats)
	}
	sent, ended, err := c.sendRows(ctx, p, most, p.formats)
	if err != nil {
		return err
	}
	if !ended {
		c.out = appendEmpty(c.out, 's')
		return nil
	}
	c.complete(p, sent)
	return nil
}

// start executes the portal's statement.
func (c *conn) start(ctx context.Context, p *portal) error {
	if c.status() == session.TxFailed && !endsBlock(p.stmt) {
		return errFailedBlock()
	}
	if err := c.refuseWrite(p.stmt); err != nil {
		return err
	}
	p.started = true
	if p.stmt.own != nil {
		return c.runOwn(ctx, p)
	}
	return c.startSession(ctx, p)
}

func (c *conn) startSession(ctx context.Context, p *portal) (err error) {
	if p.result, err = c.session.Execute(ctx, p.stmt.prepared, p.args); err != nil {
		p.result = nil
		return p.stmt.unplaced(err)
	}
	if p.result.Copy == nil && p.result.CopyOut == nil && !sameTypes(p.result.Columns, p.stmt.columns) {
		return fault.New(fault.FeatureNotSupported, "cached plan must not change result type").WithHint("Prepare the statement again.")
	}
	return nil
}

func sameTypes(a, b row.Schema) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true
	}
	for i := range a {
		if a[i].Type != b[i].Type {
			return false
		}
	}
	return true
}

// sendRows sends the next rows of a portal, at most as many as most unless that is 0. ended says that there are no more; it is left open when most rows were sent.
func (c *conn) sendRows(ctx context.Context, p *portal, most int64, f formats) (sent int64, ended bool, err error) {
	if p.stmt.endless {
		if err := c.flushRows(); err != nil {
			return 0, false, err
		}
	}
	loc := c.settings.loc
	for most == 0 || sent < most {
		b, err := p.next(ctx)
		if err != nil {
			return sent, false, err
		}
		if b == nil {
			return sent, true, nil
		}
		stop := b.Len
		if most > 0 && int64(stop-p.at) > most-sent {
			stop = p.at + int(most-sent)
		}
		sent += int64(stop - p.at)
		for ; p.at < stop; p.at++ {
			c.out = appendDataRow(c.out, b, p.at, f, loc)
			if len(c.out) >= outputHigh {
				if err := c.flushRows(); err != nil {
					return sent, false, err
				}
			}
		}
		if p.stmt.endless {
			if err := c.flushRows(); err != nil {
				return sent, false, err
			}
		}
	}
	return sent, false, nil
}

// flushRows sends what there is; an error ends the connection.
func (c *conn) flushRows() error {
	if err := c.flush(); err != nil {
		return fmt.Errorf("%w: %w", errConnectionLost, err)
	}
	return nil
}

// complete ends a statement whose rows have all been sent.
func (c *conn) complete(p *portal, sent int64) {
	tag := p.tag
	if p.result != nil {
		if tag == "" {
			tag = p.result.Tag()
		}
		if t := p.result.Token(); t != "" {
			c.token = t
		}
		if p.stmt.writes && c.session.Tx() != session.TxIdle {
			c.writes++
		}
		p.result.Close()
		p.result = nil
	}
	if tag == "" {
		tag = fmt.Sprintf("%s %d", p.stmt.verb, sent)
	}
	p.done = true
	c.out = appendComplete(c.out, tag)
}

// query is the simple protocol: a text of statements, each answered with all its rows.
func (c *conn) query(b *body) error {
	text := string(b.cstring())
	if err := b.end("Query"); err != nil {
		return err
	}
	c.unnamed = nil
	c.direct.close()
	if err := c.simple(text); err != nil {
		if fatal(err) {
			return err
		}
	}
	return c.ready()
}

func (c *conn) simple(text string) error {
	list, err := split(text)
	if err != nil {
		c.fail(err, "", 0)
		return err
	}
	if len(list) == 0 {
		c.out = appendEmpty(c.out, 'I')
		return nil
	}
	together := len(list) > 1 && c.status() == session.TxIdle && allWrites(list)
	if together {
		if err := c.control("BEGIN"); err != nil {
			c.fail(err, "", 0)
			return err
		}
	}
	for i, f := range list {
		err := c.simpleStatement(f.Text)
		if err == nil && together && i == len(list)-1 {
			err = c.control("COMMIT")
		}
		if err == nil {
			continue
		}
		if fatal(err) {
			return err
		}
		c.fail(err, text, f.Pos)
		if together && c.session.Tx() != session.TxIdle {
			_ = c.control("ROLLBACK")
		}
		return err
	}
	return nil
}

// allWrites reports whether all statements only change rows: those take effect together.
func allWrites(list []fragment) bool {
	for _, f := range list {
		switch firstWord(f.Text) {
		case "INSERT", "UPDATE", "DELETE", "MERGE":
		default:
			return false
		}
	}
	return true
}

func (c *conn) simpleStatement(text string) error {
	ctx, done := c.begin(true, false)
	s, err := c.prepare(ctx, text, nil)
	err = interrupted(ctx, err)
	done()
	if err != nil {
		return err
	}
	if len(s.oids) > 0 {
		return fault.New(fault.UndefinedParameter, "there is no parameter $1").WithHint("The simple query protocol has no parameters.")
	}
	p := &portal{stmt: s}
	defer p.close()
	return c.runPortal(p, 0, true)
}

// control runs a statement of transaction control in the session.
func (c *conn) control(text string) error {
	ctx, done := c.begin(true, false)
	defer done()
	p, err := c.session.Prepare(ctx, text, nil)
	if err != nil {
		return interrupted(ctx, err)
	}
	r, err := c.session.Execute(ctx, p, nil)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if err != nil {
			return interrupted(ctx, err)
		}
		if b == nil {
			break
		}
	}
	if t := r.Token(); t != "" && strings.HasPrefix(text, "COMMIT") {
		c.token = t
	}
	return nil
}
