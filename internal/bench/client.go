package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// Client is the command line of a program that runs ServeClient with its standard input and output: the load comes from it, so that its CPU time
// is not the node's. Empty runs the load in this process, where it counts as the node's.
type Client []string

// job is what a client is asked to do; one of the pointers is set.
type job struct {
	Ingest    *ingestJob    `json:"ingest,omitempty"`
	Freshness *freshnessJob `json:"freshness,omitempty"`
	PointRead *pointReadJob `json:"pointread,omitempty"`
}

// load is a job that is ready to run.
type load interface {
	// prepare does what is not to be measured.
	prepare(ctx context.Context) error
	// run does the job and returns its result.
	run(ctx context.Context) (any, error)
	// close frees what prepare made.
	close()
}

func (j *job) load() (load, error) {
	switch {
	case j.Ingest != nil:
		return &ingestLoad{job: *j.Ingest}, nil
	case j.Freshness != nil:
		return &freshnessLoad{job: *j.Freshness}, nil
	case j.PointRead != nil:
		return &pointReadLoad{job: *j.PointRead}, nil
	}
	return nil, errors.New("the job says nothing to do")
}

// answer is a client's result with its CPU time, or what went wrong.
type answer struct {
	Error  string          `json:"error,omitempty"`
	CPU    time.Duration   `json:"cpu"`
	Wall   time.Duration   `json:"wall"`
	Result json.RawMessage `json:"result,omitempty"`
}

// ServeClient is the client's side: it reads a job from in, writes a line when it is prepared, waits for a line, runs the job and writes
// the result.
func ServeClient(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return errors.Join(errors.New("no job on the standard input"), lines.Err())
	}
	var j job
	if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	l, err := j.load()
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.prepare(ctx); err != nil {
		return json.NewEncoder(out).Encode(answer{Error: err.Error()})
	}
	if err := json.NewEncoder(out).Encode(answer{}); err != nil {
		return err
	}
	if !lines.Scan() {
		return errors.Join(errors.New("the standard input ended"), lines.Err())
	}
	return json.NewEncoder(out).Encode(runLoad(ctx, l))
}

func runLoad(ctx context.Context, l load) answer {
	var result any
	took, err := measure(func() (err error) {
		result, err = l.run(ctx)
		return err
	})
	a := answer{CPU: took.cpu, Wall: took.wall}
	if err == nil {
		a.Result, err = json.Marshal(result)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// usage is what a job cost: the client's side and, over the same time, this process's.
type usage struct {
	client, node span
}

// do lets the client do a job and stores its result. The node's share is measured from the end of the client's preparations on.
func (c Client) do(ctx context.Context, j job, result any) (usage, error) {
	var a answer
	var u usage
	var err error
	if len(c) == 0 {
		a, u.node, err = doHere(ctx, j)
	} else {
		a, u.node, err = c.doInChild(ctx, j)
	}
	switch {
	case err != nil:
		return u, err
	case a.Error != "":
		return u, fmt.Errorf("the client failed: %s", a.Error)
	}
	u.client = span{a.CPU, a.Wall}
	if err := json.Unmarshal(a.Result, result); err != nil {
		return u, fmt.Errorf("reading the client's result: %w", err)
	}
	return u, nil
}

func doHere(ctx context.Context, j job) (a answer, node span, err error) {
	l, err := j.load()
	if err != nil {
		return a, node, err
	}
	defer l.close()
	if err := l.prepare(ctx); err != nil {
		return a, node, err
	}
	node, err = measure(func() error {
		a = runLoad(ctx, l)
		return nil
	})
	return a, node, err
}

func (c Client) doInChild(ctx context.Context, j job) (a answer, node span, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, c[0], c[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return a, node, fmt.Errorf("starting the client: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return a, node, fmt.Errorf("starting the client: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return a, node, fmt.Errorf("starting the client: %w", err)
	}
	defer func() {
		cancel() // an error: it is not needed any more
		_ = cmd.Wait()
	}()
	if err := json.NewEncoder(in).Encode(j); err != nil {
		return a, node, fmt.Errorf("giving the client its job: %w", err)
	}
	answers := json.NewDecoder(out)
	if err := answers.Decode(&a); err != nil || a.Error != "" {
		return a, node, wrapped("waiting for the client", err)
	}
	node, err = measure(func() error {
		if _, err := io.WriteString(in, "go\n"); err != nil {
			return err
		}
		return answers.Decode(&a)
	})
	return a, node, wrapped("waiting for the client", err)
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
