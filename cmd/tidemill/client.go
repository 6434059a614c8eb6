package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
)

const (
	defaultHTTP = "127.0.0.1:8080"
	// frameBytesMax bounds one frame of a live query.
	frameBytesMax = 256 << 20
)

// client talks to a node's HTTP door. It is safe for concurrent use, but for after.
type client struct {
	base string
	http *http.Client
	// after is the token of the last write; reads see it.
	after string
}

// newClient takes the address of a node; empty means TIDEMILL_SERVER or the default.
func newClient(server string) (*client, error) {
	if server == "" {
		server = os.Getenv("TIDEMILL_SERVER")
	}
	if server == "" {
		server = defaultHTTP
	}
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, usageError{fmt.Errorf("%q is not the address of a server; write for example http://%s", server, defaultHTTP)}
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	return &client{base: strings.TrimSuffix(u.String(), "/"), http: &http.Client{Transport: t}}, nil
}

// close lets go of connections. Without it one that was opened and never used would hold up the end of the node.
func (c *client) close() { c.http.CloseIdleConnections() }

// answer is the node's answer to a statement.
type answer struct {
	Columns []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"columns"`
	Rows  [][]json.RawMessage `json:"rows"`
	Token string              `json:"token"`
	Tag   string              `json:"tag"`
}

// sql runs the statements of a text and returns the answer to the last.
func (c *client) sql(ctx context.Context, text string) (*answer, error) {
	body, err := c.send(ctx, text, "application/json")
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // it was read
	a := &answer{}
	if err := json.NewDecoder(body).Decode(a); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if !strings.HasPrefix(a.Tag, "SELECT") && a.Token != "" {
		c.after = a.Token
	}
	return a, nil
}

// send runs the statements of a text and returns the answer's body, which the caller closes.
func (c *client) send(ctx context.Context, text, accept string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/v1/sql", strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/sql")
	req.Header.Set("Accept", accept)
	if c.after != "" {
		req.Header.Set("Tidemill-After", c.after)
	}
	resp, err := c.do(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// do sends a request; any status but success is an error.
func (c *client) do(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		if req.Context().Err() != nil {
			return nil, req.Context().Err()
		}
		return nil, &unreachableError{c.base, err}
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }() // only read
	return nil, refusal(resp)
}

// unreachableError says that no node answers.
type unreachableError struct {
	server string
	cause  error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("there is no answer from %s: %v (is `tidemill serve` running? --server says where)", e.server, e.cause)
}

func (e *unreachableError) Unwrap() error { return e.cause }

// statusError is a refusal with its HTTP status.
type statusError struct {
	status     int
	retryAfter time.Duration
	cause      error
}

func (e *statusError) Error() string { return e.cause.Error() }

func (e *statusError) Unwrap() error { return e.cause }

// refusal reads an error from an answer.
func refusal(resp *http.Response) error {
	e := &statusError{status: resp.StatusCode}
	if s, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s"); err == nil {
		e.retryAfter = s
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		e.cause = fmt.Errorf("the server answered %s", resp.Status)
		return e
	}
	if e.cause = faultOf(text); e.cause == nil {
		e.cause = fmt.Errorf("the server answered %s: %s", resp.Status, clipText(string(text), 200))
	}
	return e
}

// faultOf reads {"error":{…}}, nil if the text is not that.
func faultOf(text []byte) error {
	var body struct {
		Error *struct {
			Code, Message, Detail, Hint string
			Position                    int
		}
	}
	if json.Unmarshal(text, &body) != nil || body.Error == nil {
		return nil
	}
	e := body.Error
	return &fault.Error{Code: fault.Code(e.Code), Message: e.Message, Detail: e.Detail, Hint: e.Hint, Position: e.Position}
}

// frame is one frame of a live query.
type frame struct {
	id, event string
	data      []byte
}

// live opens a live query at a path under /v1/live and calls take for each frame until it returns an error, ctx ends or the connection does.
func (c *client) live(ctx context.Context, path, resume string, take func(frame) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if resume != "" {
		req.Header.Set("Last-Event-ID", resume)
	}
	if c.after != "" {
		req.Header.Set("Tidemill-After", c.after)
	}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if err := readFrames(resp.Body, take); ctx.Err() == nil {
		return err
	}
	return ctx.Err()
}

// errLiveEnded says that the connection of a live query ended.
var errLiveEnded = errors.New("the connection ended")

// readFrames reads Server-Sent Events.
func readFrames(r io.Reader, take func(frame) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), frameBytesMax)
	var f frame
	for s.Scan() {
		line := s.Bytes()
		if len(line) == 0 {
			if f.event == "error" {
				if err := faultOf(f.data); err != nil {
					return err
				}
			}
			if f.event != "" {
				if err := take(f); err != nil {
					return err
				}
			}
			f = frame{}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			f.id = string(value)
		case "event":
			f.event = string(value)
		case "data":
			if f.data != nil {
				f.data = append(f.data, '\n')
			}
			f.data = append(f.data, value...)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%w: %w", errLiveEnded, err)
	}
	return errLiveEnded
}

// change is the data of a frame with rows.
type change struct {
	Rows    []object `json:"rows"`
	Inserts []object `json:"inserts"`
	Deletes []object `json:"deletes"`
	More    bool     `json:"more"`
	Reset   bool     `json:"reset"`
}

// object is a JSON object that keeps the order of its fields.
type object struct {
	names  []string
	values []json.RawMessage
	text   json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(text []byte) error {
	o.text = bytes.Clone(text)
	dec := json.NewDecoder(bytes.NewReader(text))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return err
		}
		o.names = append(o.names, fmt.Sprint(name))
		o.values = append(o.values, v)
	}
	return nil
}

// clipText shortens text for a message.
func clipText(s string, most int) string {
	s = strings.TrimSpace(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
