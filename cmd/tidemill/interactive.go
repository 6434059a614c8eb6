package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/chzyer/readline"

	"github.com/tidemill/tidemill/internal/sql"
)

// lineReader reads lines from a user.
type lineReader interface {
	// Readline returns the next line; readline.ErrInterrupt for Ctrl-C, io.EOF for Ctrl-D.
	Readline() (string, error)
	SetPrompt(string)
	SaveHistory(string) error
}

// interactive is the shell on a terminal.
func (s *shell) interactive(ctx context.Context) error {
	words := &completer{client: s.client}
	rl, err := readline.NewEx(&readline.Config{Prompt: s.prompt(""), HistoryFile: historyFile(), HistorySearchFold: true, DisableAutoSaveHistory: true,
		AutoComplete: words, InterruptPrompt: "^C", EOFPrompt: `\q`})
	if err != nil {
		return fmt.Errorf("opening the terminal: %w", err)
	}
	defer func() { _ = rl.Close() }() // the process ends
	// A signal other than Ctrl-C ends the shell also while it waits for a line.
	ending := make(chan os.Signal, 1)
	signal.Notify(ending, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(ending)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-ending:
			_ = rl.Close()
		case <-done:
		}
	}()
	if _, err := s.client.sql(ctx, "SELECT 1"); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "Tidemill at %s. Statements end with ;  \\? is help, \\d what there is, \\q leaves.\n", s.client.base)
	words.refresh(ctx)
	// Ctrl-C ends a statement, not the shell: each statement has a context of its own.
	return s.loop(context.WithoutCancel(ctx), rl, func(ctx context.Context) { words.refresh(ctx) })
}

// loop reads and runs statements until the lines end.
func (s *shell) loop(ctx context.Context, lines lineReader, changed func(context.Context)) error {
	buffer := ""
	for {
		lines.SetPrompt(s.prompt(buffer))
		line, err := lines.Readline()
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			if buffer == "" && s.block != nil {
				s.block = nil
				fmt.Fprintln(s.errOut, "the transaction block was dropped, nothing of it was run")
			}
			buffer = ""
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading a line: %w", err)
		}
		if buffer == "" && strings.TrimSpace(line) == "" {
			continue
		}
		buffer += line + "\n"
		var quit bool
		if buffer, quit = s.runBuffer(ctx, buffer, lines); quit {
			return nil
		}
		if s.changed {
			s.changed = false
			changed(ctx)
		}
	}
}

// runBuffer runs what is complete and returns the rest.
func (s *shell) runBuffer(ctx context.Context, buffer string, lines lineReader) (rest string, quit bool) {
	for strings.TrimSpace(buffer) != "" {
		var run func(context.Context) error
		var shown string
		if meta, after := cutMeta(buffer); meta != "" {
			shown, buffer = meta, after
			run = func(ctx context.Context) error { return s.meta(ctx, meta) }
		} else if bare := strings.TrimSpace(buffer); bare == "quit" || bare == "exit" {
			return "", true
		} else {
			end, err := statementEnd(buffer)
			if err != nil && strings.HasPrefix(err.Error(), "unterminated") || err == nil && !complete(buffer[:end]) {
				return buffer, false
			}
			if err != nil {
				end = len(buffer)
			}
			stmt := strings.TrimLeft(buffer[:end], " \t\r\n")
			shown, buffer = stmt, buffer[end:]
			run = func(ctx context.Context) error { return positioned(s.statement(ctx, stmt), "", 1, stmt) }
		}
		_ = lines.SaveHistory(strings.Join(strings.Fields(shown), " ")) // the shell works without
		if err := s.interruptible(ctx, run); errors.Is(err, errQuit) {
			return "", true
		} else if err != nil {
			printError(s.errOut, err)
		}
	}
	return "", false
}

// interruptible runs something until Ctrl-C; being stopped is no error.
func (s *shell) interruptible(ctx context.Context, run func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	err := run(ctx)
	if ctx.Err() != nil {
		fmt.Fprintln(s.errOut, "stopped")
		return nil
	}
	return err
}

// complete tells whether a text is a whole statement: it has its semicolon.
func complete(text string) bool {
	parts, err := sql.Split(text)
	if err != nil {
		return false
	}
	if len(parts) == 0 {
		return true
	}
	p := parts[0]
	return strings.HasPrefix(strings.TrimLeft(text[p.Pos+len(p.Text):], " \t\r\n\f"), ";")
}

// prompt tells what the next line is for.
func (s *shell) prompt(buffer string) string {
	switch {
	case buffer != "":
		return "      -> "
	case s.block != nil:
		return "tidemill*> "
	}
	return "tidemill> "
}

// historyFile is where earlier statements are kept, empty if there is no place.
func historyFile() string {
	if f, ok := os.LookupEnv("TIDEMILL_HISTORY"); ok {
		return f
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".tidemill_history")
}
