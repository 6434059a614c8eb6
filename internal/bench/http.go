package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/tidemill/tidemill/internal/node"
	"github.com/tidemill/tidemill/internal/session"
)

// withNode runs f with a node that keeps its data in a temporary directory, durably.
func withNode(ctx context.Context, f func(n *node.Node) error) (err error) {
	dir, err := os.MkdirTemp("", "tidemill-bench-")
	if err != nil {
		return fmt.Errorf("making a directory for the node: %w", err)
	}
	defer os.RemoveAll(dir)
	n, err := node.Start(ctx, node.Config{DataDir: dir, HTTP: "127.0.0.1:0", PG: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if cerr := n.Close(closing); err == nil {
			err = cerr
		}
	}()
	return f(n)
}

// define runs statements.
func define(ctx context.Context, n *node.Node, statements ...string) error {
	ses := n.Database().NewSession(session.Options{Application: "bench"})
	defer ses.Close()
	for _, text := range statements {
		if _, err := execute(ctx, ses, text, nil); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// poster sends bodies of events over connections that stay open.
type poster struct {
	client *http.Client
	url    string
}

func newPoster(url string, connections int) *poster {
	return &poster{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true},
		Timeout: time.Minute}, url: url}
}

func (p *poster) close() { p.client.CloseIdleConnections() }

// post returns once the node has acknowledged all events of the body.
func (p *poster) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	res, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("sending events: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if res.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"rejected":0`)) {
		return fmt.Errorf("sending events: %s: %s", res.Status, answer)
	}
	return nil
}
