package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tidemill/tidemill/internal/fault"
)

const (
	// chunkBytes is about how large a request is.
	chunkBytes = 8 << 20
	// parallelMax bounds the requests in flight.
	parallelMax = 64
	// errorsShown bounds the refused events that the summary describes.
	errorsShown = 10
)

// errRejected says that some events were refused; the summary has told which.
var errRejected = errors.New("some events were refused; --allow-rejects takes that as a success")

// loadOptions are the flags of load.
type loadOptions struct {
	server, format, state, delimiter   string
	columns                            []string
	parallel, chunk                    int
	resume, again, allowRejects, quiet bool
	retryWait                          time.Duration
}

func newLoad() *cobra.Command {
	o := &loadOptions{retryWait: retryWait}
	cmd := &cobra.Command{Use: "load RELATION FILE…", Short: "Load files into a stream or table",
		Long: "Load sends files to a node in requests of about 8 MB, several at a time: CSV with a header line, NDJSON, JSON, Parquet and Arrow, the text formats also\n" +
			"compressed with gzip or zstd; - is the standard input, with --format. Every request carries an Idempotency-Key that follows from the file, so one that is\n" +
			"repeated within the node's window (10 minutes) changes nothing, also when the whole load is repeated; --again loads a file a second time on purpose.\n" +
			"Rows arrive in no particular order. Events that do not fit are refused one by one, and the others are stored.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError{fmt.Errorf("load takes the name of a stream or table and at least one file, got %q", args)}
			}
			return nil
		}}
	fs := cmd.Flags()
	fs.StringVar(&o.server, "server", "", "the node's HTTP address (default http://"+defaultHTTP+", or TIDEMILL_SERVER)")
	fs.StringVar(&o.format, "format", "", "csv, ndjson, json, parquet or arrow; by default the file's name tells")
	fs.StringSliceVar(&o.columns, "columns", nil, "name-in-the-file=column,… for names that differ")
	fs.StringVar(&o.delimiter, "delimiter", "", "what is between the fields of CSV; tab in .tsv files, else a comma")
	fs.IntVar(&o.parallel, "parallel", 4, "requests in flight")
	fs.IntVar(&o.chunk, "chunk-bytes", chunkBytes, "how large a request is, about")
	fs.BoolVar(&o.resume, "resume", false, "go on where an interrupted load ended, and note how far this one gets in FILE.tidemill-load")
	fs.StringVar(&o.state, "state", "", "the file to note that in; implies --resume")
	fs.BoolVar(&o.again, "again", false, "load the file although it may have been loaded a moment ago")
	fs.BoolVar(&o.allowRejects, "allow-rejects", false, "succeed although events were refused")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "no progress bar")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1:]) }
	return cmd
}

func (o *loadOptions) run(cmd *cobra.Command, relation string, files []string) error {
	switch {
	case o.parallel < 1 || o.parallel > parallelMax:
		return usageError{fmt.Errorf("parallel is %d, want 1 to %d", o.parallel, parallelMax)}
	case o.chunk < 1<<10 || o.chunk > 48<<20:
		return usageError{fmt.Errorf("chunk-bytes is %d, want 1024 to %d", o.chunk, 48<<20)}
	case o.state != "" && len(files) > 1:
		return usageError{errors.New("--state is for one file; with several, use --resume")}
	}
	renames, err := parseRenames(o.columns)
	if err != nil {
		return err
	}
	c, err := newClient(o.server)
	if err != nil {
		return err
	}
	defer c.close()
	rejected := 0
	for _, name := range files {
		l := &loading{opts: o, client: c, relation: relation, name: name, renames: renames, stdin: cmd.InOrStdin(), out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr()}
		n, err := l.run(cmd.Context())
		rejected += n
		if f := faultIn(err); f != nil && f.Code == fault.UndefinedColumn {
			err = f.WithHint("--columns name-in-the-file=column says which is which; DESCRIBE %s lists the columns", relation)
		}
		if err != nil {
			return fmt.Errorf("loading %s: %w", name, err)
		}
	}
	if rejected > 0 && !o.allowRejects {
		return errRejected
	}
	return nil
}

// parseRenames reads a=b pairs.
func parseRenames(pairs []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range pairs {
		from, to, ok := strings.Cut(p, "=")
		if from, to = strings.TrimSpace(from), strings.TrimSpace(to); !ok || from == "" || to == "" {
			return nil, usageError{fmt.Errorf("columns has %q, want name-in-the-file=column", p)}
		}
		out[strings.ToLower(from)] = to
	}
	return out, nil
}

// loading is the load of one file.
type loading struct {
	opts           *loadOptions
	client         *client
	relation, name string
	renames        map[string]string // by lower-case name in the file
	stdin          io.Reader
	out, errOut    io.Writer

	source   *source
	identity string
	state    *loadState
	progress *loadProgress

	mu                 sync.Mutex
	accepted, rejected int
	refused            []refusedEvent
	tokens             []string // of the last writes, one for each request that may have been in flight
}

// refusedEvent is an event that the node did not take.
type refusedEvent struct {
	chunk, index   int
	where, message string
}

// run loads the file and returns how many events were refused.
func (l *loading) run(ctx context.Context) (rejected int, err error) {
	if l.source, err = l.open(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.source.Close()) }()
	if err := l.openState(); err != nil {
		return 0, err
	}
	l.accepted, l.rejected = l.state.Accepted, l.state.Rejected
	before, start := l.accepted+l.rejected, time.Now()
	l.progress = startProgress(l.errOut, l.source.size, l.opts.quiet || !isTerminal(l.errOut))
	err = l.sendAll(ctx)
	if err == nil {
		err = l.awaitVisible(ctx)
	}
	l.progress.stop()
	l.summary(before, time.Since(start), err)
	if err == nil {
		err = l.state.remove()
	}
	return l.rejected, err
}

// sendAll reads chunks and sends them, several at a time.
func (l *loading) sendAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	chunks := make(chan *chunk)
	g.Go(func() error {
		defer close(chunks)
		for n := 0; ; n++ {
			c, err := l.source.next(ctx)
			if c == nil || err != nil {
				return err
			}
			c.number = n
			l.mu.Lock()
			done := l.state.done(n)
			l.mu.Unlock()
			if done {
				l.progress.add(c.read, c.rows, 0)
				continue
			}
			select {
			case chunks <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	for range l.opts.parallel {
		g.Go(func() error {
			for c := range chunks {
				if err := l.sendChunk(ctx, c); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// awaitVisible returns when reads see what was loaded.
func (l *loading) awaitVisible(ctx context.Context) error {
	for _, t := range l.tokens {
		c := client{base: l.client.base, http: l.client.http, after: t}
		if _, err := c.sql(ctx, "SELECT 1"); err != nil {
			return fmt.Errorf("waiting until the rows are visible: %w", err)
		}
	}
	return nil
}

// verdict is the node's answer to a request of events.
type verdict struct {
	Accepted int    `json:"accepted"`
	Rejected int    `json:"rejected"`
	Token    string `json:"token"`
	Errors   []struct {
		Index   int    `json:"index"`
		Message string `json:"message"`
	} `json:"errors"`
}

func (l *loading) sendChunk(ctx context.Context, c *chunk) error {
	v, err := l.post(ctx, c)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted += v.Accepted
	l.rejected += v.Rejected
	for _, e := range v.Errors {
		l.refused = append(l.refused, refusedEvent{c.number, e.Index, c.where(e.Index), e.Message})
	}
	slices.SortFunc(l.refused, func(a, b refusedEvent) int {
		return cmp.Or(cmp.Compare(a.chunk, b.chunk), cmp.Compare(a.index, b.index))
	})
	l.refused = l.refused[:min(len(l.refused), errorsShown)]
	if l.tokens = append(l.tokens, v.Token); len(l.tokens) > l.opts.parallel {
		l.tokens = l.tokens[1:]
	}
	l.progress.add(c.read, v.Accepted+v.Rejected, v.Rejected)
	return l.state.note(c.number, v)
}

// summary says what was loaded, before rows of it in an earlier run.
func (l *loading) summary(before int, took time.Duration, err error) {
	rows := l.accepted + l.rejected
	if rows == 0 && err != nil {
		return
	}
	text := fmt.Sprintf("%s into %s: %s accepted, %s rejected in %s", l.name, l.relation, thousands(l.accepted), thousands(l.rejected), took.Round(time.Millisecond))
	if s := took.Seconds(); s > 0 {
		text += fmt.Sprintf(" (%s rows/s)", thousands(int(float64(rows-before)/s)))
	}
	fmt.Fprintln(l.out, text)
	for _, r := range l.refused {
		fmt.Fprintf(l.out, "  %s: %s\n", r.where, r.message)
	}
	if more := l.rejected - len(l.refused); more > 0 && len(l.refused) > 0 {
		fmt.Fprintf(l.out, "  and %s more; SELECT * FROM tidemill.rejects shows them\n", thousands(more))
	}
	if err != nil && l.state.path != "" {
		fmt.Fprintf(l.errOut, "the load is noted in %s; run it again with --resume to go on\n", l.state.path)
	}
}

// loadState says which chunks of a file have been loaded. It is guarded by the loading.
type loadState struct {
	path string // empty: it is not kept

	Identity string `json:"identity"`
	// Next is the first chunk that is not loaded; Beyond are those after it that are.
	Next     int   `json:"next"`
	Beyond   []int `json:"beyond,omitempty"`
	Accepted int   `json:"accepted"`
	Rejected int   `json:"rejected"`
}

// openState reads the state that an interrupted load has left, if there is one and it is wanted.
func (l *loading) openState() error {
	s := &loadState{Identity: l.identity}
	l.state = s
	switch {
	case l.opts.state != "":
		s.path = l.opts.state
	case l.opts.resume && l.name != "-":
		s.path = l.name + ".tidemill-load"
	case l.opts.resume:
		return usageError{errors.New("the standard input cannot be read a second time; --resume is for files")}
	default:
		return nil
	}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil {
		return fmt.Errorf("reading how far the last load got: %w", err)
	}
	if s.Identity != l.identity {
		return fmt.Errorf("%s is of another load: the file, its columns or the relation have changed since; remove it to load everything", s.path)
	}
	return nil
}

func (s *loadState) done(n int) bool { return n < s.Next || slices.Contains(s.Beyond, n) }

// note adds a chunk and writes the state.
func (s *loadState) note(n int, v verdict) error {
	s.Accepted += v.Accepted
	s.Rejected += v.Rejected
	s.Beyond = append(s.Beyond, n)
	slices.Sort(s.Beyond)
	for len(s.Beyond) > 0 && s.Beyond[0] == s.Next {
		s.Next++
		s.Beyond = s.Beyond[1:]
	}
	if s.path == "" {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("noting how far the load got: %w", err)
	}
	temp := filepath.Join(filepath.Dir(s.path), "."+filepath.Base(s.path)+".new")
	if err := os.WriteFile(temp, text, 0o644); err != nil {
		return fmt.Errorf("noting how far the load got: %w", err)
	}
	if err := os.Rename(temp, s.path); err != nil {
		return fmt.Errorf("noting how far the load got: %w", err)
	}
	return nil
}

// remove takes the state away after a whole load.
func (s *loadState) remove() error {
	if s.path == "" {
		return nil
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the note of the load: %w", err)
	}
	return nil
}
