package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5"
)

// event is a row of the stream ev.
type event struct {
	Client int    `json:"client"`
	Req    int    `json:"req"`
	I      int    `json:"i"`
	Size   int    `json:"size"`
	K      string `json:"k"`
	V      int64  `json:"v"`
	At     string `json:"at"`
}

// eventColumns are the columns of ev, in its order.
var eventColumns = []string{"client", "req", "i", "size", "k", "v", "at"}

// events are the rows of a request.
func events(rng *rand.Rand, client, req int) (rows []event, sum int64) {
	size := 1 + rng.IntN(8)
	if rng.IntN(10) == 0 {
		size = 1 + rng.IntN(300)
	}
	for i := range size {
		v := rng.Int64N(1000)
		sum += v
		at := time.Date(2026, 1, 1, 0, 0, req, 0, time.UTC).Add(time.Duration(rng.IntN(2000)) * time.Millisecond)
		rows = append(rows, event{client, req, i, size, fmt.Sprintf("k%d", v%23), v, at.Format("2006-01-02 15:04:05.000")})
	}
	return rows, sum
}

// eventWriter writes to ev, through a door of chance each time.
type eventWriter struct {
	id     int
	ledger *ledger
	conn   *pgx.Conn // of this life, nil until it is needed
	// open is a request with an identity whose answer never came; it is sent again, in this life or the next.
	open *posting
}

// posting is an HTTP request of events.
type posting struct {
	number            int
	contentType, body string
	header            []string
	repeatable        bool
}

func (w *eventWriter) run(l *life) {
	rng := l.rng(uint64(1000 + w.id))
	w.conn = nil
	defer func() {
		if w.conn != nil {
			_ = w.conn.Close(context.Background())
		}
	}()
	for !l.over() {
		if w.open != nil {
			if !w.repeat(l) && !l.pause(20*time.Millisecond) {
				return
			}
			continue
		}
		w.write(l, rng)
		if rng.IntN(8) == 0 && !l.pause(time.Duration(rng.IntN(30))*time.Millisecond) {
			return
		}
	}
}

// write sends one request.
func (w *eventWriter) write(l *life, rng *rand.Rand) {
	number := w.ledger.next(w.id)
	rows, sum := events(rng, w.id, number)
	w.ledger.begin(w.id, int64(len(rows)), sum)
	door := rng.IntN(9)
	if door >= 7 {
		err := w.overPostgres(l, rng, rows)
		w.ledger.end(w.id, number, l.fateOf("a write to ev", err), false)
		return
	}
	p := encode(rng, door, rows, fmt.Sprintf("%d-%d", w.id, number))
	p.number = number
	if !p.repeatable {
		err := w.post(l.ctx, l, p)
		w.ledger.end(w.id, number, l.fateOf("a request to ev", err), false)
		return
	}
	w.open = p
	w.ledger.end(w.id, number, unknown, true)
	switch rng.IntN(8) {
	case 0: // the client gives up early and comes again
		ctx, cancel := context.WithTimeout(l.ctx, time.Duration(rng.IntN(20))*time.Millisecond)
		_ = w.post(ctx, l, p) // the repetition decides
		cancel()
		l.totals.repeats.Add(1)
		w.repeat(l)
	case 1: // twice at the same time
		done := make(chan error, 1)
		go func() { done <- w.post(l.ctx, l, p) }()
		w.repeat(l)
		<-done
	case 2: // again, although it was answered
		if w.repeat(l) {
			w.open = p
			w.repeat(l)
		}
	default:
		w.finish(l, w.post(l.ctx, l, p))
	}
}

// repeat sends the open request again; it reports whether that is settled.
func (w *eventWriter) repeat(l *life) bool {
	l.totals.repeats.Add(1)
	w.finish(l, w.post(l.ctx, l, w.open))
	return w.open == nil
}

func (w *eventWriter) finish(l *life, err error) {
	f := l.fateOf("a request with an identity to ev", err)
	if f == unknown {
		return // what is known of it stays; it may have been acknowledged before
	}
	w.ledger.end(w.id, w.open.number, f, false)
	w.open = nil
}

// post sends a request; an answer that does not take all of its events is an error of the node.
func (w *eventWriter) post(ctx context.Context, l *life, p *posting) error {
	status, text, _, err := l.do(ctx, "POST", "/v1/streams/ev", p.contentType, p.body, p.header...)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return readRefusal(status, text)
	}
	var verdict struct {
		Accepted, Rejected int
		Token              string
	}
	if err := json.Unmarshal(text, &verdict); err != nil {
		return fmt.Errorf("%w in %.200q", err, text)
	}
	if verdict.Rejected != 0 || verdict.Token == "" {
		l.violated("a request of good events to ev was answered with %s", text)
	}
	return nil
}

// encode is a request through one of the HTTP door's formats. All of them but plain CSV, Arrow and JSON without a key have an identity.
func encode(rng *rand.Rand, door int, rows []event, identity string) *posting {
	p := &posting{}
	switch door {
	case 0:
		p.contentType = "application/json"
		p.body = asJSON(rows)
	case 1, 2:
		p.contentType = "application/x-ndjson"
		var b strings.Builder
		for i := range rows {
			b.WriteString(asJSON(&rows[i]) + "\n")
		}
		p.body = b.String()
	case 3:
		p.contentType = "text/csv"
		var b strings.Builder
		b.WriteString(strings.Join(eventColumns, ",") + "\n")
		for i := range rows {
			fmt.Fprintln(&b, csvLine(&rows[i]))
		}
		p.body = b.String()
	case 4:
		p.contentType = "application/vnd.apache.arrow.stream"
		p.body = asArrow(rows)
	default:
		p.contentType, p.body = asCloudEvents(rows, identity)
		p.repeatable = true
		return p
	}
	if rng.IntN(3) > 0 {
		p.header, p.repeatable = []string{"Idempotency-Key", identity}, true
	}
	return p
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is of our own types
	}
	return string(b)
}

func csvLine(e *event) string {
	return fmt.Sprintf(`%d,%d,%d,%d,%s,%d,"%s"`, e.Client, e.Req, e.I, e.Size, e.K, e.V, e.At)
}

func asCloudEvents(rows []event, identity string) (contentType, body string) {
	type cloudEvent struct {
		SpecVersion string `json:"specversion"`
		ID          string `json:"id"`
		Source      string `json:"source"`
		Type        string `json:"type"`
		Data        *event `json:"data"`
	}
	var all []cloudEvent
	for i := range rows {
		all = append(all, cloudEvent{"1.0", fmt.Sprintf("%s-%d", identity, i), "/crash", "ev", &rows[i]})
	}
	if len(all) == 1 {
		return "application/cloudevents+json", asJSON(all[0])
	}
	return "application/cloudevents-batch+json", asJSON(all)
}

func asArrow(rows []event) string {
	schema := arrow.NewSchema([]arrow.Field{{Name: "client", Type: arrow.PrimitiveTypes.Int32}, {Name: "req", Type: arrow.PrimitiveTypes.Int64},
		{Name: "i", Type: arrow.PrimitiveTypes.Int32}, {Name: "size", Type: arrow.PrimitiveTypes.Int32}, {Name: "k", Type: arrow.BinaryTypes.String},
		{Name: "v", Type: arrow.PrimitiveTypes.Int64}, {Name: "at", Type: arrow.BinaryTypes.String}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range rows {
		e := &rows[i]
		b.Field(0).(*array.Int32Builder).Append(int32(e.Client))
		b.Field(1).(*array.Int64Builder).Append(int64(e.Req))
		b.Field(2).(*array.Int32Builder).Append(int32(e.I))
		b.Field(3).(*array.Int32Builder).Append(int32(e.Size))
		b.Field(4).(*array.StringBuilder).Append(e.K)
		b.Field(5).(*array.Int64Builder).Append(e.V)
		b.Field(6).(*array.StringBuilder).Append(e.At)
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		panic(err) // it goes to memory
	}
	return out.String()
}

// overPostgres writes the rows with INSERT, in a transaction block of several, or with COPY.
func (w *eventWriter) overPostgres(l *life, rng *rand.Rand, rows []event) error {
	if w.conn == nil || w.conn.IsClosed() {
		conn, err := l.connect(l.ctx)
		if err != nil {
			return err
		}
		w.conn = conn
	}
	ctx, cancel := context.WithTimeout(l.ctx, 30*time.Second)
	defer cancel()
	switch rng.IntN(3) {
	case 0:
		_, err := w.conn.Exec(ctx, insertText(rows))
		return err
	case 1:
		var b strings.Builder
		for i := range rows {
			fmt.Fprintln(&b, csvLine(&rows[i]))
		}
		_, err := w.conn.PgConn().CopyFrom(ctx, strings.NewReader(b.String()), "COPY ev FROM STDIN (FORMAT csv)")
		return err
	}
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return err
	}
	for half := range 2 {
		part := rows[half*len(rows)/2 : (half+1)*len(rows)/2]
		if len(part) == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, insertText(part)); err != nil {
			_ = tx.Rollback(ctx) // its error says no more than the first one
			return err
		}
	}
	l.totals.commits.Add(1)
	return tx.Commit(ctx)
}

func insertText(rows []event) string {
	var b strings.Builder
	b.WriteString("INSERT INTO ev VALUES ")
	for i := range rows {
		e := &rows[i]
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "(%d,%d,%d,%d,'%s',%d,'%s')", e.Client, e.Req, e.I, e.Size, e.K, e.V, e.At)
	}
	return b.String()
}
