package session

import (
	"context"
	"io"
	"time"

	"github.com/tidemill/tidemill/internal/admission"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/row"
)

// Options says who opens a session.
type Options struct {
	User        string
	Application string
	// Door is the door that the session came by, one of package metrics' names; empty for none of them.
	Door string
	// Writes, if not nil, is shared with other sessions, which then see each other's writes.
	Writes *Writes
	// Lease is the client's part of what the node holds of writes; nil makes one that waits for room. It is released with the session.
	Lease  *admission.Lease
	Limits Limits
}

// TxState is the state of a session's transaction block.
type TxState byte

// The states, with the bytes of the Postgres protocol.
const (
	TxIdle   TxState = 'I'
	TxOpen   TxState = 'T'
	TxFailed TxState = 'E' // everything but ROLLBACK/COMMIT is refused
)

// Prepared is a statement that was parsed and bound.
type Prepared struct {
	// Params are the types of $1, $2, …
	Params []row.Type
	// Columns describes the rows it returns, nil if it returns none.
	Columns row.Schema

	bound boundStatement
}

// Result is the answer to one statement. The caller drains it with Next, then reads Tag and Token, and closes it.
type Result struct {
	// Columns describes the rows, nil for a command.
	Columns row.Schema
	// Copy is set for COPY … FROM STDIN: the caller feeds it and there are no rows.
	Copy *CopyIn
	// CopyOut is set for COPY … TO STDOUT: the rows are to be sent in this format.
	CopyOut *CopyFormat

	next  func(context.Context) (*row.Batch, error)
	close func()
	tag   string
	token string
	count int64

	queries *metrics.Queries // told when the rows of a pull query are handed out; nil for none, and afterwards
	began   time.Time
}

// CopyFormat is the format of a COPY.
type CopyFormat struct {
	Format    string // "text", "csv" or "json" (a JSON object per line)
	Delimiter byte
	Quote     byte
	Escape    byte
	Null      string
	Header    bool
}

// IngestOptions says how a body of events is to be read.
type IngestOptions struct {
	// ContentType chooses the decoder (see interfaces of package ingest).
	ContentType string
	// IdempotencyKey makes a repetition of the request harmless; empty for none.
	IdempotencyKey string
	// Headers are the request's ce-* headers for binary CloudEvents, lower case, without the prefix.
	CloudEvent map[string]string
	// Delete treats every row as a deletion by primary key.
	Delete bool
	// MaxBytes bounds the body, 0 for the default.
	MaxBytes int64
	// BodyBytes is how large the body is said to be, 0 if it is not known. It is a hint only.
	BodyBytes int64
}

// IngestError says why one event of a request was refused.
type IngestError struct {
	Index   int    `json:"index"`
	Code    string `json:"code"`
	Column  string `json:"column,omitempty"`
	Message string `json:"message"`
}

// IngestResult is the verdict on a request of events. Errors is bounded; Rejected counts all.
type IngestResult struct {
	Accepted int           `json:"accepted"`
	Rejected int           `json:"rejected"`
	Token    string        `json:"token"`
	Errors   []IngestError `json:"errors"`
	// Relaxed says that the stream acknowledges before fsync.
	Relaxed bool `json:"relaxed,omitempty"`
}

// Equality is one term of a subscription's or look-up's filter: column = value, the value in text form
// and cast to the column's type.
type Equality struct {
	Column string
	Value  string
}

// SubscribeRequest asks for a live query.
type SubscribeRequest struct {
	// Relation is a view or table, filtered by Equals; or SQL is a SELECT.
	Relation string
	Equals   []Equality
	SQL      string
	// Resume is the token of the last frame the client has; empty starts with a snapshot.
	Resume string
	// After is a write's token: the snapshot shows that write.
	After string
	// NoSnapshot starts with the changes after now.
	NoSnapshot bool
	// Conflate coalesces changes to the latest state at most this often; 0 sends each tick's.
	Conflate time.Duration
	// Progress is how often a quiet subscription says how far it is; 0 is a second.
	Progress time.Duration
}

// EventKind is the kind of an Event.
type EventKind uint8

// The kinds of events.
const (
	SnapshotEvent EventKind = iota // rows of the snapshot; More until its last frame
	ChangeEvent                    // rows with weights: what one tick changed
	ProgressEvent                  // no rows: everything up to the token has been sent
)

// Event is one frame of a subscription.
type Event struct {
	Kind  EventKind
	Token string
	// Rows has weights: all +1 in a snapshot; in a change -1 for deletes and +1 for inserts.
	Rows  *row.Batch
	More  bool // more snapshot frames follow
	Reset bool // what the client had is void: this snapshot starts over

	frame *sharedFrame
}

// LookupRequest asks for rows of a view or table without SQL.
type LookupRequest struct {
	Relation string
	Equals   []Equality
	// From and To bound the first key column that Equals leaves free (From inclusive, To exclusive), in text form; nil is open.
	From, To *string
	Limit    int
	Cursor   string
	Desc     bool
	After    string
}

// LookupResult is a page of rows and, if there are more, the cursor of the next.
type LookupResult struct {
	Columns row.Schema
	Rows    *row.Batch
	Next    string
	Token   string
}

// CopyIn takes the data of a COPY … FROM STDIN.
type CopyIn struct {
	Columns row.Schema
	Format  CopyFormat

	write  func(context.Context, []byte) error
	finish func(context.Context) (int64, error)
	abort  func()
}

// Write takes the next bytes of the data, in any pieces.
func (c *CopyIn) Write(ctx context.Context, data []byte) error { return c.write(ctx, data) }

// Finish stores what was written, atomically, and returns the number of rows. The Result's Tag and Token are valid afterwards.
func (c *CopyIn) Finish(ctx context.Context) (rows int64, err error) { return c.finish(ctx) }

// Abort drops what was written.
func (c *CopyIn) Abort() { c.abort() }

// Next returns the next rows, nil at the end. For SUBSCRIBE it waits for changes until ctx ends. The
// batch is the caller's to keep.
func (r *Result) Next(ctx context.Context) (*row.Batch, error) {
	if r.next == nil {
		return nil, nil
	}
	b, err := r.next(ctx)
	if b != nil {
		r.count += int64(b.Len)
	}
	if b == nil || err != nil {
		r.timed(err)
	}
	return b, err
}

// Tag is the command tag ("INSERT 0 3", "SELECT 12"), valid once the rows are drained.
func (r *Result) Tag() string { return r.finalTag() }

// Token is the position a write ended at or the position a read saw.
func (r *Result) Token() string { return r.token }

// Close frees the result; it may be called more than once.
func (r *Result) Close() {
	r.timed(nil)
	if r.close != nil {
		r.close()
		r.close = nil
	}
}

// door lists what the doors call on a *Session; it keeps the implementation honest.
type door interface {
	// Prepare parses and binds one statement. params gives types for leading parameters (an Invalid kind: to be inferred).
	Prepare(ctx context.Context, text string, params []row.Type) (*Prepared, error)
	// Execute runs a prepared statement.
	Execute(ctx context.Context, p *Prepared, args []row.Value) (*Result, error)
	// Tx is the state of the transaction block.
	Tx() TxState
	// Setting and Set are the session's settings (SHOW, SET), by lower-case name.
	Setting(name string) (string, bool)
	Set(name, value string) error
	// Ingest reads events into a stream or table, each event with its own verdict.
	Ingest(ctx context.Context, relation string, body io.Reader, o IngestOptions) (IngestResult, error)
	// Subscribe opens a live query.
	Subscribe(ctx context.Context, r SubscribeRequest) (*Subscription, error)
	// Lookup reads a view or table by key.
	Lookup(ctx context.Context, r LookupRequest) (*LookupResult, error)
	// Close ends the session: an open transaction is rolled back.
	Close()
}

var _ door = (*Session)(nil)
