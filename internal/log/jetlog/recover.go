package jetlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

const (
	// probeBytes is what has to fit the storage before it is used again: two of the largest frames.
	probeBytes = 16 << 20
	probeName  = "PROBE"
	probeFirst = time.Second
	probeMax   = 8 * time.Second

	restartPause = time.Second
	// retryAttempts is how often a question is asked again while the server runs.
	retryAttempts = 3
)

// refused returns the error for appends while the storage does not take writes, nil otherwise.
func (l *Log) refused() error {
	if p := l.refusal.Load(); p != nil {
		return *p
	}
	return nil
}

// refuse makes appends fail until the probe succeeds.
func (l *Log) refuse(cause error) {
	err := fmt.Errorf("%w: %w", log.ErrUnavailable, cause)
	if l.refusal.CompareAndSwap(nil, &err) {
		l.probing.Go(l.probe)
	}
}

// probe tries the storage until it takes writes again or the log closes.
func (l *Log) probe() {
	for pause := l.probeFirst; ; pause = min(2*pause, probeMax) {
		select {
		case <-time.After(pause):
		case <-l.closing:
			return
		}
		err := probeDir(l.dir)
		if err == nil {
			l.refusal.Store(nil)
			l.logger.Info("storage takes writes again", "dir", l.dir)
			return
		}
		l.logger.Warn("storage still refuses writes", "dir", l.dir, "error", err)
	}
}

// probeDir writes and fsyncs a file, and removes it.
func probeDir(dir string) (err error) {
	path := filepath.Join(dir, probeName)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
	chunk := make([]byte, 1<<20)
	for range probeBytes / len(chunk) {
		if _, err := f.Write(chunk); err != nil {
			return err
		}
	}
	return f.Sync()
}

// repair replaces the server e, one of whose streams is frozen, by a new one on the same directory.
// It returns when another server runs, or when the log has waited for that long enough in Close.
// Only writers call it.
func (l *Log) repair(e *embedded, cause error) {
	l.repairMu.Lock()
	defer l.repairMu.Unlock()
	if l.server() != e {
		return
	}
	l.repairing.Store(true)
	defer l.repairing.Store(false)
	l.logger.Error("storage refuses writes, reopening it", "dir", l.dir, "cause", cause)
	l.refuse(cause)
	noteFailure(l.dir)
	e.stop()
	for {
		fresh, err := l.reopen()
		if err == nil {
			l.running.Store(fresh)
			return
		}
		l.logger.Error("reopening the storage", "dir", l.dir, "error", err)
		select {
		case <-time.After(restartPause):
		case <-l.cutoff:
			return
		}
	}
}

// reopen starts a server on the directory of one that was stopped. It has all topics, and what it has is durable.
func (l *Log) reopen() (*embedded, error) {
	if err := settle(l.dir, l.logger); err != nil {
		return nil, err
	}
	e, err := startServer(l.dir, l.logger)
	if err != nil {
		return nil, err
	}
	if err := l.complete(e); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

func (l *Log) server() *embedded { return l.running.Load() }

// retry asks the server, again if it fails or is being replaced meanwhile. gone, if not nil, ends it.
func (l *Log) retry(ctx context.Context, ask func(context.Context, *embedded) error, gone <-chan struct{}) error {
	for failed := 0; ; {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return ask(ctx, l.server())
		}()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !l.repairing.Load() {
			failed++
		}
		if failed >= retryAttempts {
			return err
		}
		select {
		case <-time.After(readPause):
		case <-ctx.Done():
			return ctx.Err()
		case <-gone:
			return err
		case <-l.closing:
			return log.ErrClosed
		}
	}
}
