package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/sql"
)

// errQuit ends the shell.
var errQuit = errors.New("quit")

const metaHelp = `Statements end with a semicolon and may take several lines. Tab completes, the arrow keys find earlier ones, Ctrl-C stops.

  \d             what there is
  \d NAME        the columns and the definition of a stream, table or view
  \ds \dt \dv    streams, tables, views
  \watch [S]     runs the last statement again every S seconds (2), until Ctrl-C
  \x             one line per value, or back
  \q             leaves

  SUBSCRIBE TO view WHERE column = value;   shows every change until Ctrl-C
`

const relationsQuery = `SELECT name, kind, comment FROM (
  SELECT name, 'stream' AS kind, comment FROM tidemill.streams UNION ALL
  SELECT name, 'table', comment FROM tidemill.tables UNION ALL
  SELECT name, CASE WHEN materialized THEN 'materialized view' ELSE 'view' END, comment FROM tidemill.views)
WHERE name NOT LIKE 'tidemill.%%' AND %s ORDER BY kind, name`

// meta runs a command that begins with a backslash.
func (s *shell) meta(ctx context.Context, line string) error {
	name, arg, _ := strings.Cut(strings.TrimRight(line, "; \t"), " ")
	arg = strings.TrimSpace(arg)
	switch name {
	case `\q`, `\quit`, `\exit`:
		return errQuit
	case `\?`, `\h`, `\help`:
		_, err := fmt.Fprint(s.out, metaHelp)
		return err
	case `\x`:
		s.style.expanded = !s.style.expanded
		fmt.Fprintln(s.out, map[bool]string{true: "one line per value", false: "one line per row"}[s.style.expanded])
		return nil
	case `\d`:
		if arg != "" {
			return s.describe(ctx, arg)
		}
		return s.request(ctx, fmt.Sprintf(relationsQuery, "true"), 0)
	case `\ds`, `\dt`, `\dv`, `\dm`:
		kind := map[string]string{`\ds`: "kind = 'stream'", `\dt`: "kind = 'table'", `\dv`: "kind LIKE '%view'", `\dm`: "kind = 'materialized view'"}[name]
		return s.request(ctx, fmt.Sprintf(relationsQuery, kind), 0)
	case `\watch`:
		return s.watch(ctx, arg)
	}
	return fmt.Errorf(`there is no command %s; \? lists them`, name)
}

// describe prints the columns of a relation and how it was made.
func (s *shell) describe(ctx context.Context, name string) error {
	if err := s.request(ctx, "DESCRIBE "+name, len("DESCRIBE ")); err != nil {
		return err
	}
	plain := sql.QuoteLiteral(strings.ToLower(strings.Trim(name, `"`)))
	var parts []string
	for _, k := range []string{"streams", "tables", "views"} {
		parts = append(parts, fmt.Sprintf("SELECT create_statement FROM tidemill.%s WHERE lower(name) = %s", k, plain))
	}
	a, err := s.client.sql(ctx, strings.Join(parts, " UNION ALL "))
	if err != nil || len(a.Rows) == 0 || s.accept != "" {
		return err
	}
	fmt.Fprintln(s.out, strings.TrimSpace(unquoted(a.Rows[0][0])))
	return nil
}

// watch runs the last statement again and again.
func (s *shell) watch(ctx context.Context, arg string) error {
	period := 2 * time.Second
	if arg != "" {
		f, err := strconv.ParseFloat(arg, 64)
		if err != nil || f < 0.1 || f > 86400 {
			return fmt.Errorf(`\watch takes a number of seconds from 0.1, got %q`, arg)
		}
		period = time.Duration(f * float64(time.Second))
	}
	if s.last == "" {
		return errors.New(`\watch runs the last statement again, and there is none yet`)
	}
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		if s.style.dim {
			fmt.Fprint(s.out, "\x1b[H\x1b[2J")
		}
		fmt.Fprintln(s.out, s.style.faint(time.Now().Format("15:04:05")+", every "+period.String()))
		if err := s.request(ctx, s.last, 0); err != nil {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
