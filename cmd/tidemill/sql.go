package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/sql"
)

func newSQL() *cobra.Command {
	var commands, files []string
	var server, format string
	var quiet, expanded bool
	cmd := &cobra.Command{Use: "sql", Short: "Run SQL on a node, or talk to it", Args: noArgs,
		Long: "Sql runs the statements of -c and -f, or of the standard input, and prints what they return. On a terminal it is a shell; \\? lists its commands."}
	fs := cmd.Flags()
	fs.StringArrayVarP(&commands, "command", "c", nil, "statements to run; may be repeated")
	fs.StringArrayVarP(&files, "file", "f", nil, "file with statements to run, - for the standard input; may be repeated")
	fs.StringVar(&server, "server", "", "the node's HTTP address (default http://"+defaultHTTP+", or TIDEMILL_SERVER)")
	fs.StringVar(&format, "format", "table", "table, csv, ndjson or json")
	fs.BoolVarP(&quiet, "quiet", "q", false, "print rows only, no tags and times")
	fs.BoolVarP(&expanded, "expanded", "x", false, "one line per value")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		accept, ok := acceptOf(format)
		if !ok {
			return usageError{fmt.Errorf("format is %q, want table, csv, ndjson or json", format)}
		}
		c, err := newClient(server)
		if err != nil {
			return err
		}
		defer c.close()
		out := cmd.OutOrStdout()
		s := &shell{client: c, out: out, errOut: cmd.ErrOrStderr(), accept: accept, quiet: quiet, style: style{expanded: expanded, dim: isTerminal(out)}}
		switch {
		case len(commands)+len(files) > 0:
			return s.runAll(cmd.Context(), commands, files, cmd.InOrStdin())
		case isTerminal(cmd.InOrStdin()):
			return s.interactive(cmd.Context())
		}
		return s.runAll(cmd.Context(), nil, []string{"-"}, cmd.InOrStdin())
	}
	return cmd
}

// acceptOf is the content type of a format; empty for tables.
func acceptOf(format string) (string, bool) {
	switch format {
	case "table":
		return "", true
	case "csv":
		return "text/csv", true
	case "ndjson":
		return "application/x-ndjson", true
	case "json":
		return "application/json", true
	}
	return "", false
}

// isTerminal tells whether a reader or writer is a terminal.
func isTerminal(x any) bool {
	f, ok := x.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// runAll runs texts and then files, up to the first error.
func (s *shell) runAll(ctx context.Context, commands, files []string, stdin io.Reader) error {
	for _, text := range commands {
		if err := s.runScript(ctx, "", text); err != nil {
			return err
		}
	}
	for _, name := range files {
		var text []byte
		var err error
		if name == "-" {
			name = "standard input"
			text, err = io.ReadAll(stdin)
		} else {
			text, err = os.ReadFile(name)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if err := s.runScript(ctx, name, string(text)); err != nil {
			return err
		}
	}
	return nil
}

// runScript runs the statements of a text, named for messages, up to the first error. A line that begins with a backslash where a statement could begin is a
// command of the shell.
func (s *shell) runScript(ctx context.Context, name, text string) error {
	s.script, s.block = true, nil
	whole := text
	for text != "" {
		text = strings.TrimLeft(text, " \t\r\n\f")
		line := 1 + strings.Count(whole[:len(whole)-len(text)], "\n")
		meta, rest := cutMeta(text)
		if meta != "" {
			if err := s.meta(ctx, meta); err != nil {
				return err
			}
			text = rest
			continue
		}
		end, err := statementEnd(text)
		if err != nil {
			return positioned(err, name, line, text)
		}
		stmt := text[:end]
		text = text[end:]
		if err := s.statement(ctx, stmt); err != nil {
			return positioned(err, name, line, stmt)
		}
	}
	if s.block != nil {
		return errors.New("the transaction block has no COMMIT, nothing of it was run")
	}
	return nil
}

// cutMeta cuts the shell's command from the beginning of a text; command is empty if there is none.
func cutMeta(text string) (command, rest string) {
	trimmed := strings.TrimLeft(text, " \t\r\n;")
	if !strings.HasPrefix(trimmed, `\`) {
		return "", text
	}
	command, rest, _ = strings.Cut(trimmed, "\n")
	return strings.TrimSpace(command), rest
}

// statementEnd is where the first statement of a text ends, its semicolon included. Where a line that follows it begins with a backslash, the statement is only
// known to end because of the semicolon.
func statementEnd(text string) (int, error) {
	// Grow by semicolon: a text that is cut within a string or comment does not split.
	for from := 0; ; {
		i := strings.IndexByte(text[from:], ';')
		if i < 0 {
			if _, err := sql.Split(text); err != nil {
				return 0, asFault(err)
			}
			return len(text), nil
		}
		end := from + i + 1
		parts, err := sql.Split(text[:end])
		if err == nil {
			if len(parts) > 0 {
				if last := parts[0]; strings.HasPrefix(strings.TrimLeft(text[last.Pos+len(last.Text):end], " \t\r\n\f"), ";") {
					return end, nil
				}
			} else if !openComment(text[:end]) {
				return end, nil
			}
		}
		from = end
	}
}

// openComment tells whether a text without a statement ends within a line comment.
func openComment(text string) bool {
	line := text[strings.LastIndexByte(text, '\n')+1:]
	return strings.Contains(line, "--")
}

// asFault is an error of the package sql in the form that is shown.
func asFault(err error) error {
	var e *sql.Error
	if errors.As(err, &e) {
		return &fault.Error{Code: fault.Code(e.Code), Message: e.Message, Detail: e.Detail, Hint: e.Hint, Position: e.Position}
	}
	return err
}

// sqlError is an error that shows the place in a statement.
type sqlError struct {
	fault *fault.Error
	file  string // empty for what was typed
	text  string // of the statement
	line  int    // of the statement in the file, 1-based
}

// Error is the error without the place.
func (e *sqlError) Error() string { return e.fault.Error() }

// Unwrap returns the error without the place.
func (e *sqlError) Unwrap() error { return e.fault }

// positioned adds the text to an error that has a position in it. line is where the text begins in the file.
func positioned(err error, file string, line int, text string) error {
	if f := faultIn(err); f != nil && f.Position > 0 {
		return &sqlError{f, file, text, line}
	}
	return err
}

// place writes the line of the position with a caret under it.
func (e *sqlError) place() string {
	runes := []rune(e.text)
	at := min(max(0, e.fault.Position-1), len(runes))
	first, last := at, at
	for first > 0 && runes[first-1] != '\n' {
		first--
	}
	for last < len(runes) && runes[last] != '\n' {
		last++
	}
	number := 1 + strings.Count(strings.TrimLeft(string(runes[:first]), " \t\r\n"), "\n")
	where := ""
	if e.file != "" {
		number = e.line + strings.Count(string(runes[:first]), "\n")
		where = "in " + e.file + "\n"
	}
	// A long line is shown around the position.
	const most = 100
	prefix, suffix := "", ""
	if at-first > most/2 && last-first > most {
		first, prefix = at-most/2, "…"
	}
	if last-first > most {
		last, suffix = first+most, "…"
	}
	head := fmt.Sprintf("LINE %d: %s", number, prefix)
	line := strings.Map(func(r rune) rune {
		if r == '\t' || r == '\r' {
			return ' '
		}
		return r
	}, string(runes[first:last]))
	return where + head + line + suffix + "\n" + strings.Repeat(" ", displayWidth(head+string(runes[first:at]))) + "^"
}
