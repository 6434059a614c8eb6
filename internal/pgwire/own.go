package pgwire

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/fault"
	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/sql"
)

// fragment is one statement of a text.
type fragment = sql.Fragment

func split(text string) ([]fragment, error) { return sql.Split(text) }

// parseOwn parses a statement that is about the connection into s.own. It reports false for those that are the session's.
func (c *conn) parseOwn(s *statement) (bool, error) {
	switch s.verb {
	case "SAVEPOINT", "RELEASE":
		s.own = parseSavepoint(s.text)
		return s.own != nil, nil
	case "ROLLBACK", "ABORT":
		if sp := parseSavepoint(s.text); sp != nil {
			s.own = sp
			return true, nil
		}
	case "BEGIN", "START", "COMMIT", "END", "SET", "RESET", "SHOW", "DISCARD", "UNLISTEN", "PREPARE", "EXECUTE", "DEALLOCATE", "DECLARE", "FETCH", "CLOSE":
	default:
		return false, nil
	}
	parsed, err := sql.Parse(s.text)
	if err != nil {
		return false, err
	}
	if show, ok := parsed.(*sql.Show); ok && show.Kind != sql.NoKind {
		return false, nil
	}
	if _, ok := parsed.(*sql.ShowCreate); ok {
		return false, nil
	}
	s.own = parsed
	return true, nil
}

// prepareOwn finds out what parameters and rows a statement of the connection's own has.
func (c *conn) prepareOwn(ctx context.Context, s *statement, declared []uint32) (err error) {
	if c.status() == session.TxFailed && !endsBlock(s) {
		return errFailedBlock()
	}
	switch o := s.own.(type) {
	case *sql.Show:
		if o.All {
			s.columns = textColumns("name", "setting", "description")
		} else {
			s.columns = textColumns(c.settingName(o.Setting))
		}
	case *sql.Declare:
		text := ""
		if o.Subscribe != nil {
			text = subscribeText(s.text)
		} else {
			text = o.Query.SQL
		}
		s.inner = &statement{text: text, verb: firstWord(text)}
		if err := c.prepareSession(ctx, s.inner, declared); err != nil {
			return dropPosition(err)
		}
		s.oids, s.params = s.inner.oids, s.inner.params
	case *sql.Fetch:
		p, err := c.cursor(o.Name.Name)
		if err != nil {
			return err
		}
		s.columns = p.stmt.columns
	case *sql.Execute:
		inner, err := c.statement([]byte(o.Name.Name))
		if err != nil {
			return err
		}
		s.columns, s.endless = inner.columns, inner.endless
	}
	return nil
}

func dropPosition(err error) error {
	var f *fault.Error
	if asFault(err, &f) && f.Position > 0 {
		return f.At(0)
	}
	return err
}

// settingName is the name of a setting as it is spelled.
func (c *conn) settingName(name string) string {
	if s, ok := c.server.settings[name]; ok {
		return s.Name
	}
	return name
}

// runOwn executes a statement of the connection's own.
func (c *conn) runOwn(ctx context.Context, p *portal) error {
	p.tag = p.stmt.own.Tag()
	switch o := p.stmt.own.(type) {
	case *savepointStatement:
		return c.runSavepoint(p, o)
	case *sql.Begin:
		return c.runBegin(o)
	case *sql.Commit:
		return c.runCommit(p)
	case *sql.Rollback:
		return c.runRollback()
	case *sql.Set:
		return c.runSet(o)
	case *sql.SetTransaction:
		return c.runSetTransaction(o)
	case *sql.Reset:
		if o.All {
			return c.resetAll()
		}
		err := c.resetSetting(o.Name)
		c.report(o.Name)
		return err
	case *sql.Show:
		return c.runShow(p, o)
	case *sql.Discard:
		return c.runDiscard(o)
	case *sql.Unlisten:
		return nil
	case *sql.Prepare:
		return c.runPrepare(ctx, o)
	case *sql.Execute:
		return c.runExecute(ctx, p, o)
	case *sql.Deallocate:
		return c.runDeallocate(o)
	case *sql.Declare:
		return c.runDeclare(ctx, p, o)
	case *sql.Fetch:
		return c.runFetch(ctx, p, o)
	case *sql.Close:
		return c.runClose(o)
	}
	panic(fmt.Sprintf("BUG: %T is not a statement of the connection", p.stmt.own))
}

func (c *conn) runSet(o *sql.Set) error {
	switch o.Scope {
	case sql.GlobalScope:
		return fault.New(fault.FeatureNotSupported, "settings of the whole node cannot be set by SQL").WithHint("Set them in the node's configuration.")
	case sql.LocalScope:
		if c.status() == session.TxIdle {
			c.notice("WARNING", fault.NoActiveTransaction, "SET LOCAL can only be used in transaction blocks")
			return nil
		}
		c.settings.setLocal(o.Name)
	}
	if o.Default {
		err := c.resetSetting(o.Name)
		c.report(o.Name)
		return err
	}
	if err := c.assign(o.Name, strings.Join(o.Values, ", ")); err != nil {
		return err
	}
	c.report(o.Name)
	return nil
}

func (c *conn) runShow(p *portal, o *sql.Show) error {
	p.tag = "SHOW"
	if o.All {
		p.local = values(p.stmt.columns, c.allSettings())
		return nil
	}
	v, ok := c.setting(o.Setting)
	if !ok {
		return fault.New(fault.UndefinedObject, "unrecognized configuration parameter %q", o.Setting).WithHint("SHOW ALL lists the settings.")
	}
	p.local = values(p.stmt.columns, [][]string{{v}})
	return nil
}

func (c *conn) runDiscard(o *sql.Discard) error {
	if o.What != "all" {
		return nil
	}
	if c.session.Tx() != session.TxIdle {
		return fault.New(fault.ActiveTransaction, "DISCARD ALL cannot run inside a transaction block")
	}
	for name := range c.portals {
		c.closePortal(name)
	}
	c.statements = map[string]*statement{}
	return c.resetAll()
}

func (c *conn) runPrepare(ctx context.Context, o *sql.Prepare) error {
	name := o.Name.Name
	if _, taken := c.statements[name]; taken {
		return fault.New(fault.DuplicateStatement, "prepared statement %s already exists", strconv.Quote(name))
	}
	if len(c.statements) >= statementsMost {
		return fault.New(fault.LimitExceeded, "too many prepared statements: at most %d per connection", statementsMost)
	}
	declared := make([]uint32, len(o.Types))
	for i, t := range o.Types {
		if parsed, ok := row.ParseType(t.SQL); ok {
			declared[i] = pg.TypeOf(parsed).OID
		}
	}
	s, err := c.prepare(ctx, o.Text.SQL, declared)
	if err != nil {
		return dropPosition(err)
	}
	c.statements[name] = s
	return nil
}

// runExecute executes a prepared statement in the place of the portal.
func (c *conn) runExecute(ctx context.Context, p *portal, o *sql.Execute) error {
	inner, err := c.statement([]byte(o.Name.Name))
	if err != nil {
		return err
	}
	if inner.verb == "" {
		return nil
	}
	if len(o.Args) != len(inner.params) {
		return fault.New(fault.SyntaxError, "wrong number of parameters for prepared statement %s", strconv.Quote(o.Name.Name)).
			WithDetail("Expected %d parameters but got %d.", len(inner.params), len(o.Args))
	}
	if _, again := inner.own.(*sql.Execute); again {
		return fault.New(fault.FeatureNotSupported, "a prepared statement cannot execute another")
	}
	args, err := c.evaluate(ctx, o.Args, inner.params)
	if err != nil {
		return err
	}
	if err := c.refuseWrite(inner); err != nil {
		return err
	}
	p.stmt, p.args, p.tag = inner, args, ""
	if inner.own != nil {
		return c.runOwn(ctx, p)
	}
	return c.startSession(ctx, p)
}

// evaluate computes the arguments of an EXECUTE.
func (c *conn) evaluate(ctx context.Context, args []sql.Text, want []row.Type) ([]row.Value, error) {
	if len(args) == 0 {
		return nil, nil
	}
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = a.SQL
	}
	s := &statement{text: "SELECT " + strings.Join(parts, ", "), verb: "SELECT"}
	if err := c.prepareSession(ctx, s, nil); err != nil {
		return nil, dropPosition(err)
	}
	p := &portal{stmt: s}
	defer p.close()
	if err := c.startSession(ctx, p); err != nil {
		return nil, dropPosition(err)
	}
	b, err := p.next(ctx)
	if err != nil {
		return nil, err
	}
	if b == nil || len(b.Cols) != len(args) {
		return nil, fault.New(fault.SyntaxError, "invalid parameters of EXECUTE")
	}
	out := make([]row.Value, len(args))
	for i := range out {
		v := b.Cols[i].Value(0)
		switch {
		case want[i].Kind == row.Invalid || v.Type == want[i]:
		case v.Null:
			v = row.NullValue(want[i])
		default:
			if v, err = convert(v, want[i]); err != nil {
				return nil, inParameter(err, i)
			}
		}
		out[i] = v
	}
	return out, nil
}

func (c *conn) runDeallocate(o *sql.Deallocate) error {
	if o.All {
		c.statements = map[string]*statement{}
		return nil
	}
	if _, err := c.statement([]byte(o.Name.Name)); err != nil {
		return err
	}
	delete(c.statements, o.Name.Name)
	return nil
}
