package duck

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	capi "github.com/duckdb/duckdb-go-bindings"
)

// setting is a configuration option given when an instance is opened.
type setting struct{ name, value string }

// access says what an instance may reach outside of memory.
type access struct {
	threads     int
	memoryLimit int64    // bytes; 0 leaves DuckDB's default
	tempDir     string   // empty: nothing is spilled
	tempBytes   int64    // of what is spilled; 0 leaves DuckDB's default
	dirs, files []string // readable; none without
	any         bool     // everything is reachable
}

// settings are given when the instance is opened.
func (a access) settings() []setting {
	return []setting{
		{"threads", fmt.Sprint(max(a.threads, 1))},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
	}
}

// statements set up what cannot be given on opening; external access has to be closed last.
func (a access) statements() []string {
	out := []string{"SET GLOBAL TimeZone = 'UTC'", "SET GLOBAL temp_directory = " + quoteString(a.tempDir)}
	if a.memoryLimit > 0 {
		out = append(out, fmt.Sprintf("SET GLOBAL memory_limit = '%dB'", a.memoryLimit))
	}
	if a.tempBytes > 0 {
		out = append(out, fmt.Sprintf("SET GLOBAL max_temp_directory_size = '%dB'", a.tempBytes))
	}
	if a.any {
		return out
	}
	if len(a.dirs) > 0 {
		out = append(out, "SET GLOBAL allowed_directories = "+quoteList(a.dirs))
	}
	if len(a.files) > 0 {
		out = append(out, "SET GLOBAL allowed_paths = "+quoteList(a.files))
	}
	return append(out, "SET GLOBAL enable_external_access = false")
}

func quoteList(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = quoteString(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// database is one DuckDB instance in memory.
type database struct {
	mu sync.Mutex
	db capi.Database
}

// openDatabase opens an instance and its first connection.
func openDatabase(a access) (*database, *conn, error) {
	var cfg capi.Config
	if capi.CreateConfig(&cfg) != capi.StateSuccess {
		return nil, nil, errorf(KindInternal, "DuckDB gave no configuration")
	}
	defer capi.DestroyConfig(&cfg)
	for _, s := range a.settings() {
		if capi.SetConfig(cfg, s.name, s.value) != capi.StateSuccess {
			return nil, nil, errorf(KindInternal, "DuckDB does not take the setting "+s.name+" = "+s.value)
		}
	}
	d := &database{}
	var text string
	if capi.OpenExt(":memory:", &d.db, cfg, &text) != capi.StateSuccess {
		return nil, nil, parseError(text, "", 0)
	}
	c, err := d.connect()
	if err == nil {
		err = c.execAll(a.statements())
	}
	if err != nil {
		if c != nil {
			c.close()
		}
		d.close()
		return nil, nil, err
	}
	return d, c, nil
}

// close frees the instance once its last connection is closed.
func (d *database) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	capi.Close(&d.db)
}

// connect opens a connection that reports errors as JSON.
func (d *database) connect() (*conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.db.Ptr == nil {
		return nil, errorf(KindClosed, "the DuckDB instance is closed")
	}
	c := &conn{}
	if capi.Connect(d.db, &c.c) != capi.StateSuccess {
		return nil, errorf(KindInternal, "DuckDB gave no connection")
	}
	var ctx capi.ClientContext
	capi.ConnectionGetClientContext(c.c, &ctx)
	c.id = uint64(capi.ClientContextGetConnectionId(ctx))
	capi.DestroyClientContext(&ctx)
	if err := c.exec("SET errors_as_json = true"); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// conn is a connection; only interrupt may be called while another goroutine uses it.
type conn struct {
	id uint64
	mu sync.Mutex // orders interrupt and close
	c  capi.Connection
}

func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	capi.Disconnect(&c.c)
}

func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c.Ptr != nil {
		capi.Interrupt(c.c)
	}
}

// interruptEvery is how often an interrupt is repeated until its query ends: one that arrives
// just before a query starts is forgotten by DuckDB.
const interruptEvery = 5 * time.Millisecond

// interruptOn interrupts the connection when the context ends. stop ends the watch and returns only when no
// interrupt can arrive any more, so that the connection can be given to somebody else.
func (c *conn) interruptOn(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	stopped, done := make(chan struct{}), make(chan struct{})
	unregister := context.AfterFunc(ctx, func() {
		defer close(done)
		for {
			c.interrupt()
			select {
			case <-stopped:
				return
			case <-time.After(interruptEvery):
			}
		}
	})
	return func() {
		close(stopped)
		if !unregister() {
			<-done
		}
	}
}

// exec runs one statement and drops its result.
func (c *conn) exec(sql string) error {
	var r capi.Result
	defer capi.DestroyResult(&r)
	if capi.Query(c.c, sql, &r) != capi.StateSuccess {
		return parseError(capi.ResultError(&r), sql, 0)
	}
	return nil
}

func (c *conn) execAll(statements []string) error {
	for _, sql := range statements {
		if err := c.exec(sql); err != nil {
			return fmt.Errorf("running %q: %w", sql, err)
		}
	}
	return nil
}

// prepare prepares sql, which must be one statement: prefix ++ user's text ++ suffix. An error's position is
// one in the user's text.
func (c *conn) prepare(prefix, sql, suffix string) (*stmt, error) {
	if err := checkText(sql); err != nil {
		return nil, err
	}
	var ext capi.ExtractedStatements
	defer capi.DestroyExtracted(&ext)
	n := capi.ExtractStatements(c.c, prefix+sql+suffix, &ext)
	switch {
	case ext.Ptr == nil:
		return nil, errorf(KindInternal, "DuckDB did not parse the statement")
	case n == 0:
		if text := capi.ExtractStatementsError(ext); text != "" {
			return nil, parseError(text, sql, len(prefix))
		}
		return nil, errorf(KindParser, "there is no statement")
	case n > 1:
		return nil, severalStatements(sql)
	}
	s := &stmt{}
	if capi.PrepareExtractedStatement(c.c, ext, 0, &s.s) != capi.StateSuccess {
		text := "DuckDB did not prepare the statement"
		if s.s.Ptr != nil {
			text = capi.PrepareError(s.s)
		}
		s.close()
		return nil, parseError(text, sql, len(prefix))
	}
	return s, nil
}

// severalStatements is the error for a text that is more than one statement to DuckDB. A single one is that only if it is a PIVOT that has to look at its rows first.
func severalStatements(sql string) *Error {
	e := errorf(KindUnsupported, "more than one statement at once")
	if strings.Contains(strings.ToUpper(sql), "PIVOT") {
		e.Message, e.Hint = "a PIVOT without the values of its column cannot be planned", "list the values: PIVOT sales ON product IN ('leek', 'tomato') USING sum(kg)"
	}
	return e
}

// checkText refuses what cannot be handed to the C API as text.
func checkText(sql string) error {
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return &Error{Kind: KindParser, Message: "a statement cannot hold a NUL character", Position: charPosition(sql, i)}
	}
	if !utf8.ValidString(sql) {
		return errorf(KindParser, "a statement must be valid UTF-8")
	}
	return nil
}

// stmt is a prepared statement; it was prepared without error.
type stmt struct {
	s capi.PreparedStatement
}

func (s *stmt) close() { capi.DestroyPrepare(&s.s) }

func (s *stmt) kind() capi.StatementType { return capi.PreparedStatementType(s.s) }

// execute starts the statement. A streaming result is computed as it is fetched.
func (s *stmt) execute(streaming bool, sql string, shift int) (*capi.Result, error) {
	var pending capi.PendingResult
	defer capi.DestroyPending(&pending)
	start := capi.PendingPrepared
	if streaming {
		start = capi.PendingPreparedStreaming
	}
	if start(s.s, &pending) != capi.StateSuccess {
		text := "DuckDB did not start the statement"
		if pending.Ptr != nil {
			text = capi.PendingError(pending)
		}
		return nil, parseError(text, sql, shift)
	}
	r := &capi.Result{}
	if capi.ExecutePending(pending, r) != capi.StateSuccess {
		err := parseError(capi.ResultError(r), sql, shift)
		capi.DestroyResult(r)
		return nil, err
	}
	return r, nil
}

// fetch returns the next rows of a result, false at its end. The caller destroys the chunk.
func fetch(r *capi.Result) (capi.DataChunk, bool, error) {
	chunk := capi.FetchChunk(*r)
	if chunk.Ptr == nil {
		if text := capi.ResultError(r); text != "" {
			return chunk, false, parseError(text, "", 0)
		}
		return chunk, false, nil
	}
	return chunk, true, nil
}

// relationName splits the name of a relation into schema and name: "tidemill.x" is x in the
// schema tidemill, anything else is a name in main, dots included.
func relationName(name string) (schema, rel string, err error) {
	schema, rel = "main", name
	const system = "tidemill."
	if len(name) > len(system) && strings.EqualFold(name[:len(system)], system) {
		schema, rel = "tidemill", name[len(system):]
	}
	if rel == "" || strings.IndexByte(rel, 0) >= 0 || !utf8.ValidString(rel) {
		return "", "", errorf(KindCatalog, fmt.Sprintf("%q cannot be the name of a relation", name))
	}
	return schema, rel, nil
}

// qualified is the relation's name as SQL writes it.
func qualified(name string) (string, error) {
	schema, rel, err := relationName(name)
	if err != nil {
		return "", err
	}
	return schema + "." + quoteIdent(rel), nil
}

// foldName is the form of a relation's name under which names are the same to DuckDB.
func foldName(name string) string { return strings.ToLower(name) }
