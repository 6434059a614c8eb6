package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/sql"
)

// Target is where the feed sends to.
type Target interface {
	// Execute runs the statements of a text.
	Execute(ctx context.Context, text string) error
	// Ingest sends events, one JSON object a line, to a stream or table.
	Ingest(ctx context.Context, relation string, events []byte) error
	// LastReading is the time of the latest reading of the greenhouse, zero if there is none.
	LastReading(ctx context.Context) (time.Time, error)
}

// Into is a database as a target. It is safe for concurrent use.
func Into(db *session.Database) Target { return target{db} }

type target struct{ db *session.Database }

func (t target) session() *session.Session {
	return t.db.NewSession(session.Options{Application: "demo", Door: metrics.Embedded})
}

// Execute implements Target.
func (t target) Execute(ctx context.Context, text string) error {
	parts, err := sql.Split(text)
	if err != nil {
		return fmt.Errorf("reading the statements: %w", err)
	}
	ses := t.session()
	defer ses.Close()
	for i, p := range parts {
		if _, err := run(ctx, ses, p.Text); err != nil {
			return fmt.Errorf("executing statement %d: %w", i+1, err)
		}
	}
	return nil
}

// run executes a statement and returns its rows.
func run(ctx context.Context, ses *session.Session, text string) ([]*row.Batch, error) {
	p, err := ses.Prepare(ctx, text, nil)
	if err != nil {
		return nil, err
	}
	res, err := ses.Execute(ctx, p, nil)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var out []*row.Batch
	for {
		b, err := res.Next(ctx)
		if b == nil || err != nil {
			return out, err
		}
		out = append(out, b)
	}
}

// Ingest implements Target. A refused event is an error: the feed makes only good ones.
func (t target) Ingest(ctx context.Context, relation string, events []byte) error {
	ses := t.session()
	defer ses.Close()
	r, err := ses.Ingest(ctx, relation, bytes.NewReader(events), session.IngestOptions{ContentType: "application/x-ndjson"})
	if err == nil && r.Rejected > 0 {
		err = fmt.Errorf("%d of %d events were refused: %s", r.Rejected, r.Accepted+r.Rejected, r.Errors[0].Message)
	}
	if err != nil {
		return fmt.Errorf("sending events to %s: %w", relation, err)
	}
	return nil
}

// LastReading implements Target.
func (t target) LastReading(ctx context.Context) (time.Time, error) {
	ses := t.session()
	defer ses.Close()
	batches, err := run(ctx, ses, "SELECT max(at) FROM latest WHERE zone <> 'machine'")
	if err != nil {
		return time.Time{}, fmt.Errorf("finding the last reading: %w", err)
	}
	for _, b := range batches {
		if b.Len > 0 && !b.Cols[0].Null(0) {
			return time.UnixMicro(b.Cols[0].Value(0).I).UTC(), nil
		}
	}
	return time.Time{}, nil
}

// lines writes values as JSON objects, one a line.
func lines[T any](values []T) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return nil, fmt.Errorf("encoding an event: %w", err)
		}
	}
	return out.Bytes(), nil
}
