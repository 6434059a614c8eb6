package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/xxh3"
)

const (
	// retryFor is how long a request is repeated that the node does not take at the moment.
	retryFor = 2 * time.Minute
	// retryWait is the first pause between attempts, which then double up to retryWaitMax.
	retryWait    = 250 * time.Millisecond
	retryWaitMax = 10 * time.Second
)

// post sends a chunk until the node has taken it, refuses it, or has not answered for retryFor.
func (l *loading) post(ctx context.Context, c *chunk) (verdict, error) {
	key := l.key(c)
	wait, deadline := l.opts.retryWait, time.Now().Add(retryFor)
	for {
		v, err := l.postOnce(ctx, c, key)
		if err == nil || !transient(err) || ctx.Err() != nil || time.Now().After(deadline) {
			return v, err
		}
		pause := wait + rand.N(wait)
		var s *statusError
		if errors.As(err, &s) && s.retryAfter > 0 {
			pause = min(s.retryAfter+rand.N(wait), retryWaitMax)
		}
		wait = min(2*wait, retryWaitMax)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
}

func (l *loading) postOnce(ctx context.Context, c *chunk, key string) (v verdict, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.client.base+"/v1/streams/"+url.PathEscape(l.relation), bytes.NewReader(c.body))
	if err != nil {
		return v, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", c.contentType)
	req.Header.Set("Idempotency-Key", key)
	resp, err := l.client.do(req)
	if err != nil {
		return v, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		return v, &unreachableError{l.client.base, fmt.Errorf("reading the answer: %w", err)}
	}
	return v, nil
}

// key identifies a chunk: the file it is from, its place there, and what is in it.
func (l *loading) key(c *chunk) string {
	sum := xxh3.Hash128(c.body).Bytes()
	return fmt.Sprintf("load-%s-%d-%x", l.identity, c.number, sum[:8])
}

// fileIdentity tells a load from others: the file as it is now, and how it is read. A nonce makes it unlike all others.
func (l *loading) fileIdentity(nonce bool) (string, error) {
	parts := []string{l.relation, l.opts.format, l.opts.delimiter, fmt.Sprint(l.opts.chunk)}
	for from, to := range l.renames {
		parts = append(parts, from+"="+to)
	}
	slices.Sort(parts[4:])
	if nonce {
		parts = append(parts, fmt.Sprint(time.Now().UnixNano(), rand.Uint64()))
	}
	if l.name != "-" {
		path, err := filepath.Abs(l.name)
		if err != nil {
			return "", fmt.Errorf("finding %s: %w", l.name, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("finding %s: %w", l.name, err)
		}
		parts = append(parts, path, fmt.Sprint(info.Size(), info.ModTime().UnixNano()))
	}
	sum := xxh3.HashString128(strings.Join(parts, "\x00")).Bytes()
	return fmt.Sprintf("%x", sum[:]), nil
}
