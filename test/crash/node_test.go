package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// node is one life of the program.
type node struct {
	cmd      *exec.Cmd
	http, pg string
	client   *http.Client
	ready    chan struct{} // closed when it takes requests
	dead     chan struct{} // closed when the process has ended
	exited   chan struct{} // closed when it ended by itself, or was asked to
	lines    chan string   // what it says, as far as somebody listens

	mu     sync.Mutex
	tail   []string
	killed bool
	trace  []string // of a panic or a data race
}

// waitMax is how long a node may take for what it has to do in the end; machines on which tests run are busy.
const waitMax = 3 * time.Minute

// tailLines of what the node says are kept for the report of a failure.
const tailLines = 60

// alarming lines are the beginning of what no node may ever say.
var alarming = regexp.MustCompile(`^(panic:|fatal error:|WARNING: DATA RACE|unexpected fault)`)

// startNode begins a life on a directory; it does not wait until the node is ready.
func startNode(binary, dir string, log io.Writer) (*node, error) {
	n := &node{ready: make(chan struct{}), dead: make(chan struct{}), exited: make(chan struct{}), lines: make(chan string, 64)}
	transport := &http.Transport{MaxIdleConnsPerHost: 32, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
	n.client = &http.Client{Transport: transport}
	n.cmd = exec.Command(binary, "serve", "--http", "127.0.0.1:0", "--pg", "127.0.0.1:0", "--data", dir)
	pipe, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go n.listen(pipe, log)
	return n, nil
}

func (n *node) listen(pipe io.Reader, log io.Writer) {
	in := bufio.NewScanner(pipe)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := in.Text()
		fmt.Fprintln(log, line)
		n.note(line)
		if rest, is := strings.CutPrefix(line, "ready "); is {
			for _, f := range strings.Fields(rest) {
				switch name, addr, _ := strings.Cut(f, "="); name {
				case "http":
					n.http = addr
				case "pg":
					n.pg = addr
				}
			}
			close(n.ready)
		}
		select {
		case n.lines <- line:
		default:
		}
	}
	_ = n.cmd.Wait() // how it ended is in ProcessState
	n.mu.Lock()
	if !n.killed {
		close(n.exited)
	}
	n.mu.Unlock()
	close(n.dead)
	n.client.CloseIdleConnections()
}

func (n *node) note(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tail = append(n.tail, line)
	if len(n.tail) > tailLines {
		n.tail = n.tail[1:]
	}
	if len(n.trace) > 0 && len(n.trace) < 40 || alarming.MatchString(line) {
		n.trace = append(n.trace, line)
	}
}

// said is the last of what the node said.
func (n *node) said() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.tail, "\n")
}

// alarm is a panic or data race that the node has reported.
func (n *node) alarm() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.trace, "\n")
}

// kill ends the process at once; with settled the caller has the last word before it is waited for.
func (n *node) kill(settled func()) {
	n.mu.Lock()
	n.killed = true
	n.mu.Unlock()
	_ = n.cmd.Process.Kill() // it may have ended by itself, which is seen elsewhere
	if settled != nil {
		settled()
	}
	<-n.dead
}

// stop asks the process to end and returns its exit code.
func (n *node) stop() (int, error) {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-n.dead:
		return n.cmd.ProcessState.ExitCode(), nil
	case <-time.After(30 * time.Second):
		return 0, errors.New("the node does not stop within 30 seconds")
	}
}

// isDead reports whether the process has ended or was told to: errors of connections mean nothing any more.
func (n *node) isDead() bool {
	select {
	case <-n.dead:
		return true
	default:
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.killed
}

// do sends a request. An error means that there was no whole answer.
func (n *node) do(ctx context.Context, method, path, contentType, body string, header ...string) (int, []byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.http+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := n.client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, text, res.Header, err
}

// refusal is an error that the node has answered with.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.status, r.code, r.message) }

// certain reports whether a refusal says that nothing was done: what is wrong with the request itself, or a conflict.
func certain(code string) bool {
	return len(code) == 5 && !strings.HasPrefix(code, "5") && !strings.HasPrefix(code, "XX") && !strings.HasPrefix(code, "08")
}

func readRefusal(status int, text []byte) error {
	var body struct {
		Error struct{ Code, Message, Detail string }
	}
	if err := json.Unmarshal(text, &body); err != nil || body.Error.Message == "" {
		return fmt.Errorf("status %d without an error in %.200q", status, text)
	}
	return &refusal{status: status, code: body.Error.Code, message: body.Error.Message + " " + body.Error.Detail}
}

// sql runs a statement over HTTP.
func (n *node) sql(ctx context.Context, query string) ([][]any, error) {
	status, text, _, err := n.do(ctx, "POST", "/v1/sql", "text/plain", query)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, readRefusal(status, text)
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	var a struct{ Rows [][]any }
	if err := dec.Decode(&a); err != nil {
		return nil, fmt.Errorf("%w in %.200q", err, text)
	}
	return a.Rows, nil
}

// connect opens a connection to the Postgres door.
func (n *node) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return pgx.Connect(ctx, "postgres://tester@"+n.pg+"/main?sslmode=disable")
}

func number(v any) int64 {
	j, is := v.(json.Number)
	if !is {
		return -1
	}
	i, err := j.Int64()
	if err != nil {
		return -1
	}
	return i
}

// buildNode makes the binary.
func buildNode(to string, race bool) error {
	args := []string{"build", "-o", to}
	if race {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "../../cmd/tidemill")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building: %w\n%s", err, out)
	}
	return nil
}
