package duck

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// argsName is the table function that reads the arguments of a Func.
const argsName = "tidemill_args"

// Evaluator computes scalar expressions over columns in DuckDB, each on the thread that asks. It is safe for concurrent use.
type Evaluator struct {
	mu     sync.Mutex // guards all below
	db     *database
	admin  *conn
	funcs  map[string]*Func
	next   uint64
	closed bool
}

// OpenEvaluator opens an evaluator.
func OpenEvaluator() (*Evaluator, error) {
	e := &Evaluator{funcs: map[string]*Func{}}
	var err error
	if e.db, e.admin, err = e.open(); err != nil {
		return nil, fmt.Errorf("opening the evaluator: %w", err)
	}
	return e, nil
}

// open opens an instance for the evaluator.
func (e *Evaluator) open() (*database, *conn, error) {
	db, admin, err := openDatabase(access{threads: 1})
	if err != nil {
		return nil, nil, err
	}
	if err = boundValues(admin); err == nil {
		err = registerScan(admin, argsName, &scanFunction{bind: e.bindArgs})
	}
	if err != nil {
		admin.close()
		db.close()
		return nil, nil, err
	}
	return db, admin, nil
}

// reopen puts another instance in the place of one that has become unusable.
func (e *Evaluator) reopen(broken *database) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.db != broken {
		return nil
	}
	db, admin, err := e.open()
	if err != nil {
		return fmt.Errorf("opening the evaluator again: %w", err)
	}
	e.admin.close()
	e.db.close()
	e.db, e.admin = db, admin
	return nil
}

// Close frees the evaluator; Funcs must be closed by their owners.
func (e *Evaluator) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.admin.close()
	e.db.close()
	return nil
}

func (e *Evaluator) bindArgs(_ uint64, key string) (*boundScan, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.funcs[key]
	if f == nil {
		return nil, fmt.Errorf("the expression %s is closed", key)
	}
	return &boundScan{schema: f.schema, rows: -1, threads: 1, open: f.open}, nil
}

// Func is a compiled expression. It is for one goroutine at a time; any number of Funcs may run in parallel.
type Func struct {
	evaluator *Evaluator
	key       string
	schema    row.Schema // of the arguments, and a column for the number of rows
	types     []row.Type
	result    row.Type
	text      string // SQL, with the arguments as columns
	db        *database
	conn      *conn
	stmt      *stmt
	batch     *row.Batch // of the running Eval
}

// Compile prepares the SQL expression sql, in which $1, $2 … stand for columns of the types in args, and whose value is
// cast to result. The Func must be closed.
func (e *Evaluator) Compile(sql string, args []row.Type, result row.Type) (*Func, error) {
	if _, err := checkLimits(sql, nil); err != nil {
		return nil, err
	}
	f := &Func{evaluator: e, types: args, result: result}
	for i, t := range args {
		f.schema = append(f.schema, row.Column{Name: argName(i), Type: t})
	}
	// A table function needs a column, and the number of rows is wanted also without arguments.
	f.schema = append(f.schema, row.Column{Name: "$0", Type: row.T(row.Bool)})
	text, err := substituteArgs(sql, args)
	if err != nil {
		return nil, err
	}
	f.text = text
	e.register(f)
	err = f.prepare()
	if isUnusable(err) {
		err = f.renew()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (e *Evaluator) register(f *Func) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	f.key = strconv.FormatUint(e.next, 36)
	e.funcs[f.key] = f
}

// renew prepares the expression in another instance, after the one it was prepared in has become unusable.
func (f *Func) renew() error {
	if err := f.evaluator.reopen(f.db); err != nil {
		return err
	}
	f.free()
	return f.prepare()
}

func (f *Func) prepare() error {
	e := f.evaluator
	e.mu.Lock()
	f.db = e.db
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return errorf(KindClosed, "the evaluator is closed")
	}
	var err error
	if f.conn, err = f.db.connect(); err != nil {
		return err
	}
	value := columnExpr("("+f.text+"\n)", f.result)
	if f.stmt, err = f.conn.prepare("", "SELECT "+value+" FROM "+argsName+"("+quoteString(f.key)+")", ""); err != nil {
		return withoutPosition(err)
	}
	if f.stmt.kind() != capi.StatementTypeSelect || capi.PreparedStatementColumnCount(f.stmt.s) != 1 {
		return errorf(KindUnsupported, "not a scalar expression")
	}
	lt := capi.PreparedStatementColumnLogicalType(f.stmt.s, 0)
	defer capi.DestroyLogicalType(&lt)
	if got := typeOf(lt); lt.Ptr == nil || !arrivesAs(lt) || got.Phys() != f.result.Phys() || got.Kind == row.Decimal && got != f.result || !sameExchange(got, f.result) {
		return errorf(KindInternal, "the expression has type "+got.String()+" instead of "+f.result.String())
	}
	return nil
}

// sameExchange reports whether values that arrive as got can be read as values of t, as far as they are nested.
func sameExchange(got, t row.Type) bool {
	if !got.Nested() && !t.Nested() && t.Kind != row.Enum {
		return true
	}
	ex, _ := exchanged(t)
	return got == ex
}

func argName(i int) string { return "$" + strconv.Itoa(i+1) }

// substituteArgs puts the argument columns in the place of $1, $2 …
func substituteArgs(sql string, args []row.Type) (string, error) {
	var b strings.Builder
	lex, from := lexer{s: sql}, 0
	for t, ok := lex.next(); ok; t, ok = lex.next() {
		if t.kind != tokenParam {
			continue
		}
		i, err := strconv.Atoi(strings.TrimPrefix(t.text, "$"))
		if err != nil || i < 1 || i > len(args) {
			return "", &Error{Kind: KindParameter, Message: "there is no argument " + t.text, Position: charPosition(sql, t.pos)}
		}
		b.WriteString(sql[from:t.pos])
		from = t.pos + len(t.text)
		b.WriteString(importExpr(quoteIdent(argName(i-1)), args[i-1]))
	}
	return b.String() + sql[from:], nil
}

func withoutPosition(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.Position = 0
	}
	return err
}

// open lends the running Eval's arguments to DuckDB.
func (f *Func) open(columns []int) (Iterator, error) {
	if f.batch == nil {
		return nil, errorf(KindInternal, "the expression is not being evaluated")
	}
	return &oneBatch{batch: f.batch, columns: columns}, nil
}

// oneBatch yields the asked-for columns of a batch.
type oneBatch struct {
	batch   *row.Batch
	columns []int
}

func (o *oneBatch) Next() (*row.Batch, error) {
	b := o.batch
	if b == nil {
		return nil, nil
	}
	o.batch = nil
	out := &row.Batch{Len: b.Len, Cols: make([]row.Vec, len(o.columns))}
	for i, c := range o.columns {
		if c >= 0 {
			out.Cols[i] = b.Cols[c]
		}
	}
	return out, nil
}

func (o *oneBatch) Close() {}

// Eval computes the expression for n rows of arguments, which have the types it was compiled for. If it fails for any
// row it fails as a whole, with an *Error.
func (f *Func) Eval(args []row.Vec, n int) (row.Vec, error) {
	if f.stmt == nil {
		return row.Vec{}, errorf(KindClosed, "the expression is closed")
	}
	if len(args) != len(f.types) {
		return row.Vec{}, errorf(KindParameter, fmt.Sprintf("the expression has %d arguments, %d are given", len(f.types), len(args)))
	}
	if n == 0 {
		out := newColumn(f.result)
		return out.finish(), nil
	}
	v, err := f.eval(args, n)
	if isUnusable(err) && f.renew() == nil {
		v, err = f.eval(args, n)
	}
	return v, err
}

func (f *Func) eval(args []row.Vec, n int) (row.Vec, error) {
	out := newColumn(f.result)
	f.batch = &row.Batch{Len: n, Cols: append(args[:len(args):len(args)], row.FromValues(row.T(row.Bool), make([]bool, n), nil))}
	defer func() { f.batch = nil }()
	r, err := f.stmt.execute(true, "", 0)
	if err != nil {
		return row.Vec{}, withoutPosition(err)
	}
	defer capi.DestroyResult(r)
	for {
		chunk, ok, err := fetch(r)
		if err != nil {
			return row.Vec{}, withoutPosition(err)
		}
		if !ok {
			break
		}
		rows := int(capi.DataChunkGetSize(chunk))
		err = out.append(capi.DataChunkGetVector(chunk, 0), rows)
		capi.DestroyDataChunk(&chunk)
		if err != nil {
			return row.Vec{}, err
		}
		if rows == 0 {
			break
		}
	}
	if out.n != n {
		return row.Vec{}, errorf(KindInternal, fmt.Sprintf("the expression made %d values of %d rows", out.n, n))
	}
	return out.finish(), nil
}

// Close frees the expression.
func (f *Func) Close() {
	f.free()
	f.evaluator.mu.Lock()
	delete(f.evaluator.funcs, f.key)
	f.evaluator.mu.Unlock()
}

func (f *Func) free() {
	if f.stmt != nil {
		f.stmt.close()
		f.stmt = nil
	}
	if f.conn != nil {
		f.conn.close()
		f.conn = nil
	}
}
