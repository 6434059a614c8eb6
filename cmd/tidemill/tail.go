package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/fault"
)

func newTail() *cobra.Command {
	var server, format, resume string
	var where []string
	var snapshot bool
	cmd := &cobra.Command{Use: "tail RELATION", Short: "Follow the changes of a view, table or stream",
		Long: "Tail prints every change of a relation as it happens, inserts with + and deletes with −; an update is a delete and an insert. It comes back by\n" +
			"itself when the connection is lost, and goes on where it was.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("tail takes the name of one view, table or stream, got %q", args)}
			}
			return nil
		}}
	fs := cmd.Flags()
	fs.StringVar(&server, "server", "", "the node's HTTP address (default http://"+defaultHTTP+", or TIDEMILL_SERVER)")
	fs.StringArrayVar(&where, "where", nil, "column=value that rows must have; may be repeated")
	fs.StringVar(&format, "format", "table", "table, or json: one change a line")
	fs.StringVar(&resume, "resume", "", "go on after the change with this token")
	fs.BoolVar(&snapshot, "snapshot", false, "begin with the rows that are there")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if format != "table" && format != "json" {
			return usageError{fmt.Errorf("format is %q, want table or json", format)}
		}
		q := url.Values{}
		for _, w := range where {
			column, value, ok := strings.Cut(w, "=")
			if !ok || column == "" {
				return usageError{fmt.Errorf("where is %q, want column=value", w)}
			}
			q.Add(strings.TrimSpace(column), value)
		}
		if !snapshot && resume == "" {
			q.Set("snapshot", "false")
		}
		c, err := newClient(server)
		if err != nil {
			return err
		}
		defer c.close()
		out := cmd.OutOrStdout()
		p := &changePrinter{out: out, json: format == "json", changesOnly: q.Get("snapshot") == "false", style: style{dim: isTerminal(out)}}
		f := &follower{client: c, path: "/v1/live/" + url.PathEscape(args[0]) + "?" + q.Encode(), token: resume, printer: p, log: cmd.ErrOrStderr()}
		return f.run(cmd.Context())
	}
	return cmd
}

// follower follows a live query and comes back when the connection is lost.
type follower struct {
	client  *client
	path    string
	token   string // of the last frame
	printer *changePrinter
	log     io.Writer
	wait    time.Duration // the first pause, which then doubles; 0 is followWaitMin
}

// Between attempts to come back.
const (
	followWaitMin = 250 * time.Millisecond
	followWaitMax = 10 * time.Second
)

// run prints changes until ctx ends. It ends with an error if the node refuses the query.
func (f *follower) run(ctx context.Context) error {
	first := cmp.Or(f.wait, followWaitMin)
	wait, lost := first, false
	for {
		err := f.client.live(ctx, f.path, f.token, func(fr frame) error {
			if lost {
				fmt.Fprintln(f.log, "connected again")
			}
			wait, lost = first, false
			if err := f.printer.frame(fr); err != nil {
				return err
			}
			if fr.id != "" {
				f.token = fr.id
			}
			return nil
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case !transient(err) || (f.token == "" && !errors.Is(err, errLiveEnded)):
			return err
		case !lost:
			lost = true
			fmt.Fprintf(f.log, "%v; trying again\n", err)
		}
		select {
		case <-time.After(wait + rand.N(wait)):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, followWaitMax)
	}
}

// transient tells whether trying again can help.
func transient(err error) bool {
	var s *statusError
	if errors.As(err, &s) {
		return s.status == http.StatusTooManyRequests || s.status == http.StatusServiceUnavailable
	}
	var unreachable *unreachableError
	if errors.As(err, &unreachable) || errors.Is(err, errLiveEnded) {
		return true
	}
	f := faultIn(err)
	return f != nil && (f.Code == fault.AdminShutdown || f.Code == fault.CannotConnectNow)
}

// faultIn is the fault that an error is or wraps, nil without.
func faultIn(err error) *fault.Error {
	var f *fault.Error
	errors.As(err, &f)
	return f
}

// changePrinter writes the rows of a live query. It is for one goroutine.
type changePrinter struct {
	out   io.Writer
	style style
	json  bool
	// changesOnly leaves out the rows of a snapshot that nobody asked for: the one that follows when the history does not reach back.
	changesOnly bool
	names       []string
	widths      []int
}

// frame prints one frame.
func (p *changePrinter) frame(f frame) error {
	if f.event == "progress" {
		return nil
	}
	var c change
	if err := json.Unmarshal(f.data, &c); err != nil {
		return fmt.Errorf("reading a frame: %w", err)
	}
	if f.event == "snapshot" && p.changesOnly {
		c.Rows = nil
	}
	if p.json {
		return p.writeJSON(f.id, c)
	}
	if c.Reset && p.changesOnly {
		fmt.Fprintln(p.out, p.style.faint("-- the history does not reach back: changes may be missing here"))
	} else if c.Reset {
		fmt.Fprintln(p.out, p.style.faint("-- starting over: what was shown before is void"))
	}
	p.fit(c.Rows, c.Inserts, c.Deletes)
	var b strings.Builder
	p.rows(&b, "−", "\x1b[31m", c.Deletes)
	p.rows(&b, "+", "\x1b[32m", c.Rows)
	p.rows(&b, "+", "\x1b[32m", c.Inserts)
	if f.event == "snapshot" && !c.More && !p.changesOnly {
		fmt.Fprintln(&b, p.style.faint("-- the rows that were there; from here on, the changes"))
	}
	_, err := io.WriteString(p.out, b.String())
	return err
}

func (p *changePrinter) writeJSON(token string, c change) error {
	enc := json.NewEncoder(p.out)
	type line struct {
		Op    string          `json:"op"`
		Row   json.RawMessage `json:"row,omitempty"`
		Token string          `json:"token,omitempty"`
	}
	if c.Reset {
		if err := enc.Encode(line{Op: "reset", Token: token}); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		op   string
		rows []object
	}{{"delete", c.Deletes}, {"snapshot", c.Rows}, {"insert", c.Inserts}} {
		for _, r := range part.rows {
			if err := enc.Encode(line{part.op, r.text, token}); err != nil {
				return err
			}
		}
	}
	return nil
}

// fit widens the columns for rows, and writes the head again when that was necessary.
func (p *changePrinter) fit(parts ...[]object) {
	head := false
	for _, rows := range parts {
		for _, r := range rows {
			if len(p.names) != len(r.names) {
				p.names, head = r.names, true
				p.widths = make([]int, len(r.names))
				for i, n := range r.names {
					p.widths[i] = displayWidth(printable(n))
				}
			}
			for i, v := range r.values {
				if w := displayWidth(cellOf(v).text); w > p.widths[i] {
					p.widths[i], head = w, true
				}
			}
		}
	}
	if !head {
		return
	}
	cells := make([]string, len(p.names))
	lines := make([]string, len(p.names))
	for i, n := range p.names {
		cells[i] = pad(cell{text: printable(n)}, p.widths[i])
		lines[i] = strings.Repeat("─", p.widths[i]+2)
	}
	fmt.Fprintf(p.out, "  %s\n%s\n", strings.Join(cells, p.style.faint(" │ ")), p.style.faint("─"+strings.Join(lines, "┼")))
}

func (p *changePrinter) rows(b *strings.Builder, sign, color string, rows []object) {
	for _, r := range rows {
		cells := make([]string, len(r.values))
		for i, v := range r.values {
			cells[i] = pad(cellOf(v), p.widths[i])
		}
		mark := sign
		if p.style.dim {
			mark = color + sign + "\x1b[0m"
		}
		fmt.Fprintf(b, "%s %s\n", mark, strings.Join(cells, p.style.faint(" │ ")))
	}
}
