package duck

import (
	"context"
	"fmt"
	"sync"

	"github.com/tidemill/tidemill/internal/row"
)

// OracleOptions tune an Oracle; zero values stand for the defaults given.
type OracleOptions struct {
	// Threads is the number of threads that compute queries (1).
	Threads int
	// MemoryLimitBytes bounds what tables and queries may hold (DuckDB's default).
	MemoryLimitBytes int64
	// Files allows statements to read and write files.
	Files bool
}

// Oracle is an ordinary DuckDB in memory: what tests hold answers against, and the batch
// baseline of benchmarks. It takes any SQL and is not for statements of strangers. It is safe for concurrent use.
type Oracle struct {
	db    *database
	mu    sync.Mutex // guards admin, loads and idle
	admin *conn
	loads map[string]*loading
	idle  []*readerConn
	done  bool
}

// loading are the rows a Load hands to DuckDB.
type loading struct {
	schema  row.Schema
	batches []*row.Batch
}

const loadName = "tidemill_load"

// OpenOracle opens an oracle without tables.
func OpenOracle(opts OracleOptions) (*Oracle, error) {
	db, admin, err := openDatabase(access{threads: opts.Threads, memoryLimit: opts.MemoryLimitBytes, any: opts.Files})
	if err != nil {
		return nil, fmt.Errorf("opening the oracle: %w", err)
	}
	o := &Oracle{db: db, admin: admin, loads: map[string]*loading{}}
	if err := admin.execAll(windowMacros(false)); err != nil {
		o.Close()
		return nil, fmt.Errorf("opening the oracle: %w", err)
	}
	if err := registerScan(admin, loadName, &scanFunction{bind: o.bindLoad}); err != nil {
		o.Close()
		return nil, fmt.Errorf("opening the oracle: %w", err)
	}
	return o, nil
}

// Close frees the oracle.
func (o *Oracle) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return nil
	}
	o.done = true
	for _, c := range o.idle {
		c.close()
	}
	o.admin.close()
	o.db.close()
	return nil
}

// bindLoad runs while Load holds the lock.
func (o *Oracle) bindLoad(_ uint64, key string) (*boundScan, error) {
	l := o.loads[key]
	if l == nil {
		return nil, fmt.Errorf("nothing is being loaded as %s", key)
	}
	return &boundScan{schema: l.schema, rows: -1, threads: 1, open: func(columns []int) (Iterator, error) {
		return &manyBatches{batches: l.batches, columns: columns}, nil
	}}, nil
}

// manyBatches yields the asked-for columns of batches.
type manyBatches struct {
	batches []*row.Batch
	columns []int
}

func (m *manyBatches) Next() (*row.Batch, error) {
	for len(m.batches) > 0 {
		one := oneBatch{batch: m.batches[0], columns: m.columns}
		m.batches = m.batches[1:]
		if one.batch != nil && one.batch.Len > 0 {
			return one.Next()
		}
	}
	return nil, nil
}

func (m *manyBatches) Close() {}

// Load makes name a table with the rows of the batches, replacing a table of that name. A row of weight n is there n times; negative
// weights are an error. "tidemill.x" is x in the schema tidemill, which has to exist.
func (o *Oracle) Load(name string, schema row.Schema, batches []*row.Batch) error {
	q, err := qualified(name)
	if err != nil {
		return err
	}
	l := &loading{schema: schema, batches: make([]*row.Batch, 0, len(batches))}
	for _, b := range batches {
		if b, err = spreadWeights(b); err != nil {
			return fmt.Errorf("loading %s: %w", name, err)
		}
		l.batches = append(l.batches, b)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return errorf(KindClosed, "the oracle is closed")
	}
	key := foldName(name)
	o.loads[key] = l
	defer delete(o.loads, key)
	err = o.admin.exec("CREATE OR REPLACE TABLE " + q + " AS SELECT " + columnNames(schema) + " FROM " + loadName + "(" + quoteString(key) + ")")
	if err != nil {
		return fmt.Errorf("loading %s: %w", name, err)
	}
	return nil
}

// spreadWeights repeats rows by their weight.
func spreadWeights(b *row.Batch) (*row.Batch, error) {
	if b == nil || b.Weights == nil {
		return b, nil
	}
	at := make([]int32, 0, b.Len)
	for i, w := range b.Weights[:b.Len] {
		if w < 0 {
			return nil, errorf(KindInvalidInput, fmt.Sprintf("row %d has the weight %d", i, w))
		}
		for range w {
			at = append(at, int32(i))
		}
	}
	out := b.Gather(at)
	out.Weights = nil
	return out, nil
}

// Exec runs one or more statements and drops their results.
func (o *Oracle) Exec(sql string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return errorf(KindClosed, "the oracle is closed")
	}
	return o.admin.exec(sql)
}

// Query starts a single SELECT with the arguments for $1, $2 … and returns its rows as they are computed.
func (o *Oracle) Query(ctx context.Context, sql string, args ...row.Value) (*Rows, error) {
	c, err := o.acquire()
	if err != nil {
		return nil, err
	}
	return startRows(ctx, c, planning{}, sql, args, func() { o.release(c) })
}

func (o *Oracle) acquire() (*readerConn, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return nil, errorf(KindClosed, "the oracle is closed")
	}
	if n := len(o.idle); n > 0 {
		c := o.idle[n-1]
		o.idle = o.idle[:n-1]
		return c, nil
	}
	c, err := o.db.connect()
	if err != nil {
		return nil, err
	}
	return &readerConn{conn: c}, nil
}

// release keeps the connection, but not its statements: tables change under them.
func (o *Oracle) release(c *readerConn) {
	c.cache.clear()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		c.close()
		return
	}
	o.idle = append(o.idle, c)
}
