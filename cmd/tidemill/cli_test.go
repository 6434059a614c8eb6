package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/node"
)

// startNode runs a node in this process and returns its HTTP address.
func startNode(t *testing.T) string {
	t.Helper()
	n, err := node.Start(t.Context(), node.Config{HTTP: "127.0.0.1:0", PG: "127.0.0.1:0", Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n.HTTPAddress()
}

// cli runs the command line against a node.
type cli struct {
	t    *testing.T
	addr string
}

func newCLI(t *testing.T) *cli {
	t.Setenv("TIDEMILL_SERVER", "")
	return &cli{t, startNode(t)}
}

// run runs a command and returns what it says.
func (c *cli) run(args ...string) (code int, out, errOut string) {
	c.t.Helper()
	var o, e bytes.Buffer
	code = run(append(args, "--server", c.addr), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// sql runs statements that must succeed and returns rows as CSV.
func (c *cli) sql(text string) string {
	c.t.Helper()
	code, out, errOut := c.run("sql", "--format", "csv", "-c", text)
	if code != 0 {
		c.t.Fatalf("%s: %s", text, errOut)
	}
	return out
}

// buffer is a writer that can be watched while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// waitFor returns when the text appears.
func (b *buffer) waitFor(t *testing.T, text string) {
	t.Helper()
	waitUntil(t, func() bool { return strings.Contains(b.String(), text) }, func() string { return "want " + text + " in:\n" + b.String() })
}

func waitUntil(t *testing.T, ok func() bool, say func() string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal(say())
		}
		time.Sleep(2 * time.Millisecond) // polling a condition
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"nonsense"}, {"sql", "extra"}, {"sql", "--format", "xml", "-c", "SELECT 1"}, {"sql", "--server", "ftp://x", "-c", "SELECT 1"},
		{"tail"}, {"tail", "a", "--where", "b"}, {"load", "x"}, {"load", "x", "-"}, {"load", "x", "y.csv", "--columns", "a"}, {"load", "x", "y.csv", "--parallel", "0"},
		{"demo", "--speed", "0.1", "--http", ""}, {"demo", "extra"}} {
		var out, errOut bytes.Buffer
		if code := run(args, strings.NewReader(""), &out, &errOut); code != 2 || !strings.HasPrefix(errOut.String(), "error: ") {
			t.Errorf("%q: exit code %d, %q", args, code, errOut.String())
		}
	}
}

func TestNoServer(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run([]string{"sql", "-c", "SELECT 1", "--server", "127.0.0.1:1"}, strings.NewReader(""), &out, &errOut); code != 1 || !strings.Contains(errOut.String(), "tidemill serve") {
		t.Errorf("exit code %d, %s", code, errOut.String())
	}
}
