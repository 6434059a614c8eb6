package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/ingest"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
	"github.com/tidemill/tidemill/internal/sql"
)

type sqlRequest struct {
	SQL    string            `json:"sql"`
	Params []json.RawMessage `json:"params"`
}

// sql runs statements and answers with the last one's rows.
func (s *Server) sql(w http.ResponseWriter, r *http.Request) {
	traced, span := s.opts.Tracer.Request(r.Context(), r.Header, r.Pattern)
	r = r.WithContext(traced)
	ses, err := s.session(r)
	defer func() { span.End(err) }()
	if err != nil {
		writeError(w, err)
		return
	}
	defer ses.Close()
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	req, err := readSQL(r, ses.Body(r.Context(), r.Body, r.ContentLength))
	if err != nil {
		if fault.From(err).Code == fault.Overloaded {
			drainBody(http.NewResponseController(w), r)
		}
		writeError(w, err)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	ctx, stop := s.until(r)
	defer stop()
	res, err := runStatements(ctx, ses, req)
	if err != nil {
		writeError(w, err)
		return
	}
	defer res.Close()
	writeResult(ctx, &heldBack{w: w, timeout: s.opts.WriteTimeout}, r.Header.Get("Accept"), res)
}

func readSQL(r *http.Request, from io.Reader) (sqlRequest, error) {
	var req sqlRequest
	body, err := io.ReadAll(io.LimitReader(from, sqlBytesMax+1))
	if err != nil {
		return req, ingest.BodyError(err)
	}
	if len(body) > sqlBytesMax {
		return req, fault.New(fault.LimitExceeded, "the body is larger than %d bytes", sqlBytesMax)
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.TrimSpace(kind) {
	case "text/plain", "application/sql":
		req.SQL = string(body)
		return req, nil
	case "", "application/json", "application/x-www-form-urlencoded": // the last is what curl says of any -d
	default:
		return req, fault.New(fault.InvalidParameterValue, "a request is not read from %q", kind).WithHint("send JSON as application/json, or SQL as text/plain").Wrap(ingest.ErrContentType)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return req, fault.New(fault.InvalidText, "the body is not a request").WithDetail("%s", jsonDetail(err)).WithHint(`send {"sql": "SELECT …", "params": […]} as application/json`)
	}
	if _, err := dec.Token(); err != io.EOF {
		return req, fault.New(fault.InvalidText, "the body is not a request").WithDetail("something follows the JSON object")
	}
	if strings.TrimSpace(req.SQL) == "" {
		return req, fault.New(fault.SyntaxError, "the request has no statement").WithHint(`send {"sql": "SELECT …"}`)
	}
	return req, nil
}

// jsonDetail says what is wrong with a request's JSON.
func jsonDetail(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the JSON ends early"
	case errors.As(err, &syntax):
		return fmt.Sprintf("%s at byte %d", syntax.Error(), syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Sprintf("%s is a JSON %s", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return fmt.Sprintf("it is a JSON %s, not an object", kind.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// runStatements runs all statements of the text; the result is that of the last.
func runStatements(ctx context.Context, ses *session.Session, req sqlRequest) (*session.Result, error) {
	parts, err := sql.Split(req.SQL)
	if err != nil {
		var e *sql.Error
		if errors.As(err, &e) {
			return nil, &fault.Error{Code: fault.Code(e.Code), Message: e.Message, Detail: e.Detail, Hint: e.Hint, Position: e.Position}
		}
		return nil, err
	}
	if len(parts) == 0 {
		return nil, fault.New(fault.SyntaxError, "the request has no statement")
	}
	if len(parts) > 1 && len(req.Params) > 0 {
		return nil, fault.New(fault.SyntaxError, "parameters can be given for a single statement only")
	}
	for i, p := range parts {
		res, err := runStatement(ctx, ses, p.Text, req.Params)
		if err != nil {
			f := fault.From(err)
			if f.Position > 0 {
				f = f.At(f.Position + sql.PositionAt(req.SQL, p.Pos) - 1)
			}
			return nil, f
		}
		if i == len(parts)-1 {
			return res, nil
		}
		err = drain(ctx, res)
		res.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func drain(ctx context.Context, res *session.Result) error {
	if res.Copy != nil {
		res.Copy.Abort()
		return errCopy
	}
	for {
		b, err := res.Next(ctx)
		if b == nil || err != nil {
			return err
		}
	}
}

var errCopy = fault.New(fault.FeatureNotSupported, "COPY … FROM STDIN is not possible over HTTP").WithHint("POST the rows to /v1/streams/{name}")

func runStatement(ctx context.Context, ses *session.Session, text string, params []json.RawMessage) (*session.Result, error) {
	p, err := ses.Prepare(ctx, text, nil)
	if err != nil {
		return nil, err
	}
	if len(params) != len(p.Params) {
		return nil, fault.New(fault.UndefinedParameter, "%d parameters for a statement that takes %d", len(params), len(p.Params))
	}
	args := make([]row.Value, len(params))
	for i, raw := range params {
		if args[i], err = paramValue(raw, p.Params[i]); err != nil {
			return nil, fault.New(fault.InvalidText, "parameter $%d does not fit its type %s", i+1, p.Params[i]).WithDetail("%s", err.Error())
		}
	}
	res, err := ses.Execute(ctx, p, args)
	if err == nil && res.Copy != nil {
		res.Copy.Abort()
		res.Close()
		return nil, errCopy
	}
	return res, err
}

func paramValue(raw json.RawMessage, t row.Type) (row.Value, error) {
	text := strings.TrimSpace(string(raw))
	switch {
	case text == "null":
		return row.NullValue(t), nil
	case strings.HasPrefix(text, `"`):
		if err := json.Unmarshal(raw, &text); err != nil {
			return row.Value{}, err
		}
	}
	return row.ParseValue(t, text)
}

type columnBody struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// bufferedBytes is how much of an answer is held back, so that an error before that still gets its own status.
const bufferedBytes = 256 << 10

// writeResult sends rows in the form that Accept asks for.
func writeResult(ctx context.Context, out *heldBack, accept string, res *session.Result) {
	w := out.w
	if t := res.Token(); t != "" {
		w.Header().Set(tokenHeader, t) // of a read it is known from the start, and a large answer does not wait for its end
	}
	var err error
	switch {
	case strings.Contains(accept, "application/x-ndjson"), strings.Contains(accept, "application/jsonl"):
		w.Header().Set("Content-Type", "application/x-ndjson")
		err = writeNDJSON(ctx, out, res)
	case strings.Contains(accept, "text/csv"):
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		err = writeCSV(ctx, out, res)
	case strings.Contains(accept, "application/vnd.apache.arrow.stream"):
		w.Header().Set("Content-Type", "application/vnd.apache.arrow.stream")
		err = writeArrow(ctx, out, res)
	default:
		w.Header().Set("Content-Type", "application/json")
		err = writeRowsJSON(ctx, out, res)
	}
	if err == nil {
		w.Header().Set(tokenHeader, res.Token())
		err = out.Flush()
	}
	if err == nil {
		return
	}
	if !out.sent {
		w.Header().Del(tokenHeader)
		writeError(w, err)
		return
	}
	panic(http.ErrAbortHandler) // part of the answer is out: cutting the connection is the only way to say that it is not whole
}

// heldBack keeps the beginning of an answer until it is large or complete.
type heldBack struct {
	w       http.ResponseWriter
	timeout time.Duration // for each piece that is sent
	buf     []byte
	sent    bool
}

// Write implements io.Writer.
func (h *heldBack) Write(b []byte) (int, error) {
	h.buf = append(h.buf, b...)
	if len(h.buf) < bufferedBytes {
		return len(b), nil
	}
	return len(b), h.Flush()
}

// Flush sends what is held back.
func (h *heldBack) Flush() error {
	h.sent = true
	deadline := http.NewResponseController(h.w)
	var err error
	for rest := h.buf; len(rest) > 0 && err == nil; {
		_ = deadline.SetWriteDeadline(time.Now().Add(h.timeout)) // one that cannot has none
		n := min(len(rest), bufferedBytes)
		_, err = h.w.Write(rest[:n])
		rest = rest[n:]
	}
	_ = deadline.SetWriteDeadline(time.Time{})
	h.buf = h.buf[:0]
	return err
}

func writeRowsJSON(ctx context.Context, w io.Writer, res *session.Result) error {
	cols := make([]columnBody, len(res.Columns))
	for i, c := range res.Columns {
		cols[i] = columnBody{c.Name, c.Type.String()}
	}
	head, err := json.Marshal(cols)
	if err != nil {
		return err
	}
	buf := append([]byte(`{"columns":`), head...)
	buf = append(buf, `,"rows":[`...)
	first := true
	for {
		b, err := res.Next(ctx)
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		for i := range b.Len {
			if !first {
				buf = append(buf, ',')
			}
			first = false
			buf = row.AppendRowArrayJSON(buf, b, i)
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	tail, err := json.Marshal(struct {
		Token string `json:"token"`
		Tag   string `json:"tag"`
	}{res.Token(), res.Tag()})
	if err != nil {
		return err
	}
	buf = append(buf, "],"...)
	buf = append(buf, tail[1:]...)
	_, err = w.Write(append(buf, '\n'))
	return err
}

func writeNDJSON(ctx context.Context, w io.Writer, res *session.Result) error {
	enc := row.NewRowEncoder(res.Columns)
	return eachBatch(ctx, w, res, func(buf []byte, b *row.Batch, i int) []byte { return append(enc.AppendRow(buf, b, i), '\n') })
}

func eachBatch(ctx context.Context, w io.Writer, res *session.Result, appendRow func([]byte, *row.Batch, int) []byte) error {
	var buf []byte
	for {
		b, err := res.Next(ctx)
		if b == nil || err != nil {
			return err
		}
		buf = buf[:0]
		for i := range b.Len {
			buf = appendRow(buf, b, i)
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
}

func writeCSV(ctx context.Context, w io.Writer, res *session.Result) error {
	var head []byte
	for i, c := range res.Columns {
		if i > 0 {
			head = append(head, ',')
		}
		head = appendCSV(head, []byte(c.Name))
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	var field []byte
	return eachBatch(ctx, w, res, func(buf []byte, b *row.Batch, i int) []byte {
		for c := range b.Cols {
			if c > 0 {
				buf = append(buf, ',')
			}
			if !b.Cols[c].Null(i) {
				field = row.AppendText(field[:0], &b.Cols[c], i)
				if len(field) == 0 {
					buf = append(buf, `""`...)
				}
				buf = appendCSV(buf, field)
			}
		}
		return append(buf, '\n')
	})
}

func appendCSV(dst, field []byte) []byte {
	if !bytes.ContainsAny(field, ",\"\r\n") {
		return append(dst, field...)
	}
	dst = append(dst, '"')
	for _, c := range field {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func writeArrow(ctx context.Context, w io.Writer, res *session.Result) error {
	out := ipc.NewWriter(w, ipc.WithSchema(row.ArrowSchema(res.Columns)))
	for {
		b, err := res.Next(ctx)
		if err != nil {
			return err
		}
		if b == nil {
			return out.Close()
		}
		rec := row.ToArrow(res.Columns, b)
		err = out.Write(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
}
