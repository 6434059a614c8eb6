package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/demo"
	"github.com/tidemill/tidemill/internal/node"
)

// TestMain lets the test binary be the program, so that scripts can call it.
func TestMain(m *testing.M) {
	if os.Getenv("TIDEMILL_TEST_PROGRAM") != "" {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// block is a fenced block of a document. A live one shows data that is another each time.
type block struct {
	language, text string
	line           int
	live           bool
}

func blocksOf(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllSubmatchIndex(text, -1) {
		out = append(out, block{string(text[m[2]:m[3]]), string(text[m[4]:m[5]]), 1 + bytes.Count(text[:m[0]], []byte("\n")),
			bytes.HasSuffix(text[:m[0]], []byte("<!-- live -->\n"))})
	}
	if fences := bytes.Count(append([]byte("\n"), text...), []byte("\n```")); fences != 2*len(out) {
		t.Fatalf("%s has %d fences and %d blocks", file, fences, len(out))
	}
	return out
}

// varying matches what is another each time: tokens and durations.
var varying = regexp.MustCompile(`AQRtYWlu[\w-]+|[\d.]+(ms|µs|s| ms)\b|[\d,]+ rows/s`)

// sameAnswer reports whether an answer is the one that the document shows.
func sameAnswer(got, want string) bool {
	plain := func(s string) string {
		s = regexp.MustCompile(`(?m)^\d+ rows?( \(.*\))?$`).ReplaceAllString(varying.ReplaceAllString(s, "…"), "")
		return strings.Join(strings.Fields(s), " ")
	}
	return strings.Contains(plain(got), plain(want))
}

// endless matches commands that run until they are stopped.
var endless = regexp.MustCompile(`(?m)^(curl -N|tidemill tail)`)

// Every command of the tutorial works, in the order in which it is written there, and answers what stands behind it.
func TestTutorial(t *testing.T) {
	out, errOut := &buffer{}, &buffer{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- runDemo(ctx, node.Config{HTTP: "127.0.0.1:0", PG: "127.0.0.1:0", Workers: 2}, demo.Options{Seed: 1}, out, errOut)
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	out.waitFor(t, "Ctrl-C")
	http := regexp.MustCompile(`page +http://([0-9.:]+)/`).FindStringSubmatch(out.String())[1]
	pg := regexp.MustCompile(`-p (\d+)`).FindStringSubmatch(out.String())[1]
	t.Setenv("TIDEMILL_SERVER", http)
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := "#!/bin/sh\nTIDEMILL_TEST_PROGRAM=1 exec '" + self + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "tidemill"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	ran, said, compared := map[string]int{}, "", 0
	for _, b := range blocksOf(t, "../../docs/tutorial.md") {
		text := strings.ReplaceAll(strings.ReplaceAll(b.text, "127.0.0.1:8080", http), "-p 5433", "-p "+pg)
		ran[b.language]++
		switch {
		case b.language == "sql":
			var o, e bytes.Buffer
			if code := run([]string{"sql"}, strings.NewReader(text), &o, &e); code != 0 {
				t.Fatalf("line %d: exit code %d: %s", b.line, code, e.String())
			}
			said = o.String()
		case b.language == "sh" && strings.HasPrefix(text, "tidemill demo"):
		case b.language == "sh":
			said = runScript(t, dir, b.line, text)
		case b.language == "text" && !b.live && said != "":
			if line, answer, typed := strings.Cut(b.text, "\n"); typed && strings.HasPrefix(line, "tidemill> ") {
				var o, e bytes.Buffer
				run([]string{"sql"}, strings.NewReader(strings.TrimPrefix(line, "tidemill> ")), &o, &e)
				b.text, said = answer, strings.Replace(o.String()+e.String(), "in standard input\n", "", 1)
			}
			compared++
			if !sameAnswer(said, b.text) {
				t.Errorf("line %d: the document says\n%s\nthe answer is\n%s", b.line, b.text, said)
			}
		case b.language != "text":
			t.Errorf("line %d: a block of %q", b.line, b.language)
		}
	}
	if ran["sql"] < 8 || ran["sh"] < 6 || compared < 6 {
		t.Errorf("the tutorial has only %v, of which %d answers were compared", ran, compared)
	}
}

// runScript runs a block of shell commands. Those that would run for ever are stopped once they have said something. It
// returns what they said, nothing if there is no such program here.
func runScript(t *testing.T, dir string, line int, text string) string {
	t.Helper()
	name := strings.Fields(text)[0]
	if _, err := exec.LookPath(name); err != nil && (name == "psql" || name == "curl") {
		t.Logf("line %d: there is no %s here", line, name)
		return ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-e")
	cmd.Dir = dir
	said := &buffer{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("set -f\n"+endless.ReplaceAllString(text, "exec $1")), said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if endless.MatchString(text) {
		waitUntil(t, func() bool {
			return strings.Contains(said.String(), "data: ") || strings.Contains(said.String(), "│")
		}, said.String)
		cancel()
		_ = cmd.Wait() // it was stopped
		return said.String()
	}
	if err := cmd.Wait(); err != nil || said.String() == "" {
		t.Fatalf("line %d: %v\n%s", line, err, said.String())
	}
	return said.String()
}
