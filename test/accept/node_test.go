package accept

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tidemill-accept-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "tidemill")
		build := exec.Command("go", "build", "-o", binary, "../../cmd/tidemill")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// process is a node in a process of its own.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	http, pg string
	stderr   *lockedBuffer
	exited   chan error
}

type lockedBuffer struct {
	ch  chan struct{}
	buf bytes.Buffer
}

func newLockedBuffer() *lockedBuffer {
	b := &lockedBuffer{ch: make(chan struct{}, 1)}
	b.ch <- struct{}{}
	return b
}

func (b *lockedBuffer) write(line string) {
	<-b.ch
	b.buf.WriteString(line + "\n")
	b.ch <- struct{}{}
}

func (b *lockedBuffer) String() string {
	<-b.ch
	defer func() { b.ch <- struct{}{} }()
	return b.buf.String()
}

// start runs `tidemill serve` and waits for its ready line.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command(binary, serveArgs(args)...))
}

// startLimited is start under a shell command that sets limits.
func startLimited(t *testing.T, limits string, args ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command("sh", append([]string{"-c", limits + ` && exec "$0" "$@"`, binary}, serveArgs(args)...)...))
}

func serveArgs(args []string) []string {
	return append([]string{"serve", "--http", "127.0.0.1:0", "--pg", "127.0.0.1:0"}, args...)
}

func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, stderr: newLockedBuffer(), exited: make(chan error, 1), cmd: cmd}
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			p.stderr.write(lines.Text())
			if strings.HasPrefix(lines.Text(), "ready ") {
				ready <- lines.Text()
			}
		}
		p.exited <- p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	select {
	case line := <-ready:
		for _, f := range strings.Fields(line)[1:] {
			name, addr, _ := strings.Cut(f, "=")
			switch name {
			case "http":
				p.http = addr
			case "pg":
				p.pg = addr
			}
		}
	case err := <-p.exited:
		t.Fatalf("the node ended: %v\n%s", err, p.stderr)
	case <-time.After(time.Minute):
		t.Fatalf("the node is not ready after a minute\n%s", p.stderr)
	}
	return p
}

// kill ends the process at once, like a power cut for it.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		<-p.exited
		p.exited <- nil
	}
}

// stop asks the process to end and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.exited:
		p.exited <- nil
	case <-time.After(30 * time.Second):
		p.t.Fatalf("the node does not stop\n%s", p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// request sends a request and returns status and body.
func (p *process) request(method, path, contentType string, body string, header ...string) (int, string, http.Header) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.http+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

// answer is what /v1/sql answers.
type answer struct {
	Rows  [][]any
	Token string
	Error *struct {
		Code, Message, Detail, Hint string
		Position                    int
	}
}

// sql runs SQL over HTTP; after, if not empty, is a token that it must see.
func (p *process) sql(query, after string) answer {
	p.t.Helper()
	body, err := json.Marshal(map[string]string{"sql": query})
	if err != nil {
		p.t.Fatal(err)
	}
	var header []string
	if after != "" {
		header = []string{"Tidemill-After", after}
	}
	_, text, _ := p.request("POST", "/v1/sql", "application/json", string(body), header...)
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var a answer
	if err := dec.Decode(&a); err != nil {
		p.t.Fatalf("%v in %s", err, text)
	}
	return a
}

// must is sql that has to succeed.
func (p *process) must(query string) answer {
	p.t.Helper()
	a := p.sql(query, "")
	if a.Error != nil {
		p.t.Fatalf("%s: %+v", query, *a.Error)
	}
	return a
}
