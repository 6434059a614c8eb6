package pgwire

import (
	"context"
	"strings"

	"github.com/tidemill/tidemill/internal/fault"
	pg "github.com/tidemill/tidemill/internal/pgwire/pgcatalog"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/sql"
)

// statement is a prepared statement.
type statement struct {
	text string
	// verb is the first word in upper case, empty for a text without a statement.
	verb string
	// own is set for a statement about the connection; prepared for one that the session executes.
	own      sql.Statement
	prepared *session.Prepared
	// inner is the query of a DECLARE.
	inner *statement
	// oids are the parameters' types as the client knows them, params as the statement wants them.
	oids    []uint32
	params  []row.Type
	columns row.Schema
	// moved says that the text is not the user's, so that positions in it mean nothing to the user.
	moved   bool
	endless bool // rows come until the statement is cancelled
	writes  bool
}

// firstWord returns the word a statement begins with, in upper case and without comments and brackets.
func firstWord(s string) string {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c-'\t' < 5 || c == '(' || c == ';':
			i++
		case strings.HasPrefix(s[i:], "--"):
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				return ""
			}
			i += n + 1
		case strings.HasPrefix(s[i:], "/*"):
			i = skipComment(s, i)
		default:
			end := i
			for end < len(s) && (s[end]|0x20-'a' < 26 || s[end] == '_') {
				end++
			}
			if end == i {
				return "?" // something, but no word
			}
			return strings.ToUpper(s[i:end])
		}
	}
	return ""
}

// skipComment returns the end of the comment, which may hold others, that begins at i.
func skipComment(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(s[i:], "*/"):
			i++
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// prepare parses a statement. declared are the types of its first parameters as the client gives them.
func (c *conn) prepare(ctx context.Context, text string, declared []uint32) (*statement, error) {
	if err := checkText([]byte(text)); err != nil {
		return nil, err
	}
	s := &statement{text: text, verb: firstWord(text)}
	if s.verb == "" {
		return s, nil
	}
	if own, err := c.parseOwn(s); own || err != nil {
		if err != nil {
			return nil, err
		}
		return s, c.prepareOwn(ctx, s, declared)
	}
	if c.status() == session.TxFailed {
		return nil, errFailedBlock()
	}
	return s, c.prepareSession(ctx, s, declared)
}

func errFailedBlock() error {
	return fault.New(fault.FailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")
}

func (c *conn) prepareSession(ctx context.Context, s *statement, declared []uint32) (err error) {
	switch s.verb {
	case "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "COMMENT", "TRUNCATE":
		s.writes = true
	case "SUBSCRIBE":
		s.endless = true
	case "COPY":
		if parsed, err := sql.Parse(s.text); err == nil {
			if cp, ok := parsed.(*sql.Copy); ok {
				s.writes, s.endless = cp.From, cp.Subscribe != nil
			}
		}
	}
	switch s.verb {
	case "CREATE", "ALTER", "DROP", "COMMENT", "SUBSCRIBE": // what these keep is the user's text
	default:
		s.text, s.moved = c.server.rewriter.Rewrite(s.text, &c.names)
	}
	types := make([]row.Type, len(declared))
	for i, oid := range declared {
		types[i] = paramType(oid)
	}
	if s.prepared, err = c.prepareTyped(ctx, s.text, types); err != nil {
		return s.unplaced(err)
	}
	if s.verb != "COPY" {
		s.columns = s.prepared.Columns
	}
	s.params = s.prepared.Params
	s.oids = make([]uint32, len(s.params))
	for i, t := range s.params {
		if i < len(declared) && declared[i] != 0 && declared[i] != pg.UnknownOID {
			s.oids[i] = declared[i]
		} else {
			s.oids[i] = pg.TypeOf(t).OID
		}
	}
	return nil
}

// retypeMost bounds how often the types of parameters are tried anew.
const retypeMost = 64

// prepareTyped prepares a text. Clients declare the types of the values that they have, which need not be those of the place: a parameter whose
// type does not come out is tried without the declaration, and then as text, which is what Postgres takes an undeclared one for.
func (c *conn) prepareTyped(ctx context.Context, text string, types []row.Type) (*session.Prepared, error) {
	var tried map[int]bool
	for range retypeMost {
		p, err := c.session.Prepare(ctx, text, types)
		n := untypedParameter(err)
		if n == 0 {
			return p, err
		}
		mark := c.session.Mark()
		for len(types) < n {
			types = append(types, row.Type{})
		}
		if tried[n] || types[n-1] == row.T(row.String) {
			return nil, err
		}
		c.session.ReturnTo(mark) // the block has not failed yet
		switch {
		case types[n-1].Kind != row.Invalid:
			types[n-1] = row.Type{}
		default:
			types[n-1] = row.T(row.String)
			if tried == nil {
				tried = map[int]bool{}
			}
			tried[n] = true
		}
	}
	return nil, fault.New(fault.UndefinedParameter, "the types of the parameters cannot be found").WithHint("Write them with the parameters: $1::BIGINT.")
}

// untypedParameter returns the number of the parameter whose type an error says cannot be found, else 0.
func untypedParameter(err error) int {
	var f *fault.Error
	if err == nil || !asFault(err, &f) || f.Code != fault.UndefinedParameter {
		return 0
	}
	_, rest, found := strings.Cut(f.Message, "parameter $")
	n := 0
	for i := 0; found && i < len(rest) && rest[i]-'0' < 10 && n < 65535; i++ {
		n = n*10 + int(rest[i]-'0')
	}
	if n > 65535 {
		return 0
	}
	return n
}

// unplaced drops the position of an error in a text that the user did not write.
func (s *statement) unplaced(err error) error {
	if f := new(fault.Error); s.moved && asFault(err, &f) && f.Position > 0 {
		return f.At(0)
	}
	return err
}

// portal is a statement with its parameters, on its way through its rows. A cursor is one with a name.
type portal struct {
	stmt    *statement
	args    []row.Value
	formats formats
	hold    bool
	// stop ends the context that a cursor's statement runs in.
	stop context.CancelFunc

	started bool
	done    bool
	result  *session.Result
	local   *row.Batch // the rows of a statement of the connection's own
	tag     string
	// batch[at:] are the next rows.
	batch *row.Batch
	at    int
}

// close ends the portal's statement; the portal can be used for another.
func (p *portal) close() {
	if p.result != nil {
		p.result.Close()
		p.result = nil
	}
	if p.stop != nil {
		p.stop()
	}
	*p = portal{args: p.args[:0], formats: p.formats[:0]}
}

func (c *conn) closePortal(name string) {
	if p, ok := c.portals[name]; ok {
		p.close()
		delete(c.portals, name)
	}
}

// next returns the rows that come next, at least one, without taking them; nil at the end.
func (p *portal) next(ctx context.Context) (*row.Batch, error) {
	for {
		switch {
		case p.batch != nil && p.at < p.batch.Len:
			return p.batch, nil
		case p.done:
			return nil, nil
		case p.local != nil:
			p.batch, p.at, p.local = p.local, 0, nil
			continue
		case p.result == nil:
			p.done = true
			continue
		}
		b, err := p.result.Next(ctx)
		if err != nil {
			return nil, p.stmt.unplaced(err)
		}
		if b == nil {
			p.done, p.batch = true, nil
			continue
		}
		if p.result.CopyOut == nil && !fitsColumns(b, p.stmt.columns) {
			return nil, fault.New(fault.FeatureNotSupported, "the result has other columns than were announced").WithHint("Prepare the statement again.")
		}
		if b.Weights != nil && !p.stmt.endless {
			b = repeat(b)
		}
		p.batch, p.at = b, 0
	}
}

// fitsColumns reports whether rows are of the types that the client was told: values of another would be read as garbage.
func fitsColumns(b *row.Batch, columns row.Schema) bool {
	if len(b.Cols) != len(columns) {
		return false
	}
	for i := range columns {
		if t := columns[i].Type; b.Cols[i].Type != t && pg.TypeOf(b.Cols[i].Type).OID != pg.TypeOf(t).OID {
			return false
		}
	}
	return true
}

// repeat writes each row out as often as its weight says.
func repeat(b *row.Batch) *row.Batch {
	at := make([]int32, 0, b.Len)
	for i := range b.Len {
		for range b.Weights[i] {
			at = append(at, int32(i))
		}
	}
	if len(at) == b.Len {
		return b
	}
	return b.Gather(at)
}
