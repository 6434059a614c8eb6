package duck

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// scanName is the table function behind the relations of a Reader.
const scanName = "tidemill_scan"

// scanFunction is the table function of an instance that reads Go rows.
type scanFunction struct {
	// bind resolves the function's argument for a connection.
	bind func(conn uint64, arg string) (*boundScan, error)
}

// boundScan is one use of the table function in a statement.
type boundScan struct {
	schema row.Schema
	rows   int64 // estimate, negative if unknown
	// open starts reading; the columns are positions in schema, or -1. It is called once per execution.
	open func(columns []int) (Iterator, error)
	// threads is the number of threads that may read at once.
	threads int
}

// Iterator yields the rows of a scan. Its methods are called by one goroutine at a time.
type Iterator interface {
	// Next returns the next rows, nil at the end. A batch has one column per column asked for, in that
	// order; the column for -1 is ignored. Weights are not looked at: every row counts once. The batch
	// must stay unchanged until the iterator is closed.
	Next() (*row.Batch, error)
	// Close is called once when the query no longer reads.
	Close()
}

// scan is a running scan; it hangs on DuckDB's init data.
type scan struct {
	types []row.Type // per output column; Invalid for -1
	names []string

	mu    sync.Mutex
	it    Iterator
	batch *row.Batch
	cols  []lentColumn // of the batch
	at    int
	pins  runtime.Pinner
	err   error
}

func (s *scan) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.it != nil {
		s.it.Close()
		s.it = nil
	}
	s.batch, s.cols = nil, nil
	s.pins.Unpin()
}

// take returns the next up to vectorSize rows: a batch's columns, where the rows start and how many they are; none at the end.
func (s *scan) take() ([]lentColumn, int, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && (s.batch == nil || s.at >= s.batch.Len) {
		if s.it == nil {
			return nil, 0, 0, nil
		}
		b, err := s.it.Next()
		if err == nil && b != nil {
			err = s.admit(b)
		}
		if err != nil {
			s.err = err
			break
		}
		if b == nil {
			s.it.Close()
			s.it, s.batch, s.cols = nil, nil, nil
			return nil, 0, 0, nil
		}
		s.batch, s.at = b, 0
	}
	if s.err != nil {
		return nil, 0, 0, s.err
	}
	from := s.at
	s.at = min(from+vectorSize, s.batch.Len)
	return s.cols, from, s.at - from, nil
}

// admit checks that a batch has the shape that was asked for, so that nothing is read past its memory, and pins its text.
func (s *scan) admit(b *row.Batch) error {
	if len(b.Cols) < len(s.types) && !(len(b.Cols) == 0 && s.countsOnly()) {
		return fmt.Errorf("a batch has %d columns, %d were asked for", len(b.Cols), len(s.types))
	}
	s.cols = make([]lentColumn, len(s.types)) // other threads may still write the columns of the batch before
	for i, t := range s.types {
		if t.Kind == row.Invalid {
			continue
		}
		var err error
		if s.cols[i], err = lend(&b.Cols[i], t, b.Len, &s.pins); err != nil {
			return fmt.Errorf("column %s: %w", s.names[i], err)
		}
	}
	return nil
}

func (s *scan) countsOnly() bool {
	for _, t := range s.types {
		if t.Kind != row.Invalid {
			return false
		}
	}
	return true
}

func scanBind(info capi.BindInfo) error {
	f := handleValue[scanFunction](capi.BindGetExtraInfo(info))
	if f == nil {
		return errors.New("the scan has lost its function")
	}
	var ctx capi.ClientContext
	capi.TableFunctionGetClientContext(info, &ctx)
	id := uint64(capi.ClientContextGetConnectionId(ctx))
	capi.DestroyClientContext(&ctx)
	arg := capi.BindGetParameter(info, 0)
	if arg.Ptr == nil {
		return errors.New("the scan has lost its argument")
	}
	name := capi.GetVarchar(arg)
	capi.DestroyValue(&arg)
	b, err := f.bind(id, name)
	if err != nil {
		return err
	}
	for _, c := range b.schema {
		lt, ok := newLogicalType(c.Type)
		if !ok {
			return fmt.Errorf("column %s has no type", c.Name)
		}
		capi.BindAddResultColumn(info, c.Name, lt)
		capi.DestroyLogicalType(&lt)
	}
	if b.rows >= 0 {
		capi.BindSetCardinality(info, capi.IdxT(b.rows), false)
	}
	capi.BindSetBindData(info, newHandle(b), callbackPointers().drop)
	return nil
}

func scanInit(info capi.InitInfo) error {
	b := handleValue[boundScan](capi.InitGetBindData(info))
	if b == nil {
		return errors.New("the scan has lost its binding")
	}
	n := int(capi.InitGetColumnCount(info))
	s := &scan{types: make([]row.Type, n), names: make([]string, n)}
	columns := make([]int, n)
	for i := range n {
		at := capi.InitGetColumnIndex(info, capi.IdxT(i))
		if at >= capi.IdxT(len(b.schema)) {
			columns[i] = -1 // a row id: DuckDB only counts rows
			continue
		}
		columns[i] = int(at)
		s.types[i], s.names[i] = b.schema[at].Type, b.schema[at].Name
	}
	it, err := b.open(columns)
	if err != nil {
		return err
	}
	if it == nil {
		return errors.New("the scan has no rows to read from")
	}
	s.it = it
	capi.InitSetMaxThreads(info, capi.IdxT(max(b.threads, 1)))
	capi.InitSetInitData(info, newHandle(s), callbackPointers().drop)
	return nil
}

func scanNext(info capi.FunctionInfo, chunk capi.DataChunk) error {
	s := handleValue[scan](capi.FunctionGetInitData(info))
	if s == nil {
		return errors.New("the scan has lost its state")
	}
	cols, from, n, err := s.take()
	if err != nil {
		return err
	}
	if n == 0 {
		capi.DataChunkSetSize(chunk, 0)
		return nil
	}
	for i, t := range s.types {
		if t.Kind != row.Invalid {
			cols[i].write(capi.DataChunkGetVector(chunk, capi.IdxT(i)), from, n)
		}
	}
	capi.DataChunkSetSize(chunk, capi.IdxT(n))
	return nil
}
