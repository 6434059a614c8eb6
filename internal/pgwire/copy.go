package pgwire

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemill/tidemill/internal/fault"
)

// copyIn takes the data of a COPY … FROM STDIN. The connection is read here, so nobody watches it: a client that goes away
// is noticed by that.
func (c *conn) copyIn(p *portal) error {
	c.run.end()
	ctx := c.run.begin(false, false)
	in := p.result.Copy
	m := &pgproto3.CopyInResponse{ColumnFormatCodes: make([]uint16, len(in.Columns))}
	c.send(m)
	if err := c.flushRows(); err != nil {
		in.Abort()
		return err
	}
	err := c.copyData(ctx, p)
	if err != nil {
		in.Abort()
		return err
	}
	n, err := in.Finish(ctx)
	if err != nil {
		return err
	}
	p.tag = fmt.Sprintf("COPY %d", n)
	c.complete(p, n)
	return nil
}

// copyData passes the data on until it ends.
func (c *conn) copyData(ctx context.Context, p *portal) error {
	for {
		kind, data, err := c.in.message()
		if err != nil {
			return fmt.Errorf("%w: %w", errConnectionLost, err)
		}
		switch kind {
		case 'd':
			if err := p.result.Copy.Write(ctx, data); err != nil {
				return err
			}
		case 'c':
			return nil
		case 'f':
			b := body{data: data}
			return fault.New(fault.QueryCanceled, "COPY from stdin failed: %s", shorten(string(b.cstring())))
		case 'H', 'S': // a client of the extended protocol sends them along
		default:
			return fault.New(fault.ProtocolViolation, "unexpected message type %d during COPY from stdin", kind)
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
	}
}

// copyOut sends the rows of a COPY … TO STDOUT, a message for each.
func (c *conn) copyOut(ctx context.Context, p *portal) error {
	columns := p.result.Columns
	c.send(&pgproto3.CopyOutResponse{ColumnFormatCodes: make([]uint16, len(columns))})
	e := copyEncoder{format: *p.result.CopyOut, columns: columns, loc: c.settings.loc}
	if e.format.Header && e.format.Format != "json" {
		at := 0
		c.out, at = begin(c.out, 'd')
		c.out = end(e.appendHeader(c.out), at)
	}
	if p.stmt.endless {
		if err := c.flushRows(); err != nil {
			return err
		}
	}
	sent := int64(0)
	for {
		b, err := p.next(ctx)
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		for ; p.at < b.Len; p.at++ {
			at := 0
			c.out, at = begin(c.out, 'd')
			c.out = end(e.appendRow(c.out, b, p.at), at)
			sent++
			if len(c.out) >= outputHigh {
				if err := c.flushRows(); err != nil {
					return err
				}
			}
		}
		if p.stmt.endless {
			if err := c.flushRows(); err != nil {
				return err
			}
		}
	}
	c.out = appendEmpty(c.out, 'c')
	p.tag = fmt.Sprintf("COPY %d", sent)
	c.complete(p, sent)
	return nil
}
