package jetlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/test/crash/faultfs"
)

// losing is a directory whose unsynced bytes can be lost.
type losing struct {
	t      *testing.T
	volume *faultfs.Volume
	mount  *faultfs.Mount
	dir    string
}

func newLosing(t *testing.T, seed uint64) *losing {
	d := &losing{t: t, volume: faultfs.NewVolume(t.TempDir(), seed), dir: t.TempDir()}
	d.attach()
	t.Cleanup(func() {
		_ = d.mount.Close()
		if err := d.volume.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *losing) attach() {
	m, err := d.volume.Mount(d.dir)
	if err != nil {
		d.t.Skipf("mounting a file system: %v", err)
	}
	d.mount = m
}

// powerCut loses what was not synced; the log must be closed.
func (d *losing) powerCut() {
	d.t.Helper()
	if err := d.mount.Close(); err != nil {
		d.t.Fatal(err)
	}
	if err := d.volume.Crash(); err != nil {
		d.t.Fatal(err)
	}
	d.attach()
}

// TestFailedSyncIsNotAcknowledged lets fsync fail while frames are stored: what is acknowledged, then or later, survives a power cut.
func TestFailedSyncIsNotAcknowledged(t *testing.T) {
	for seed := range uint64(4) {
		d := newLosing(t, seed)
		l := mustOpen(t, d.dir, Options{})
		l.probeFirst = 10 * time.Millisecond
		mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
		acked := [][]byte{[]byte("first")}
		appendBody(t, l, "t", acked[0])
		d.volume.SetFaults(faultfs.Faults{Sync: 1})
		heal := time.AfterFunc(500*time.Millisecond, func() { d.volume.SetFaults(faultfs.Faults{}) })
		for i := range 3 {
			body := fmt.Appendf(nil, "while it fails %d", i)
			if _, err := l.Append(t.Context(), "t", []log.Entry{{Body: body}}); err == nil {
				acked = append(acked, body)
			}
		}
		heal.Stop()
		d.volume.SetFaults(faultfs.Faults{})
		eventually(t, "appends are taken again", func() bool {
			body := fmt.Appendf(nil, "after it failed")
			if _, err := l.Append(t.Context(), "t", []log.Entry{{Body: body}}); err != nil {
				return false
			}
			acked = append(acked, body)
			return true
		})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		d.powerCut()
		l = mustOpen(t, d.dir, Options{})
		rs, err := readAll(t, l, "t")
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range acked {
			n := 0
			for _, r := range rs {
				if bytes.Equal(r.Body, body) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("seed %d: %q was acknowledged and is there %d times", seed, body, n)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFirstWriteFails lets the very first write to a stream fail: the stream is empty afterwards, and takes its first frame.
func TestFirstWriteFails(t *testing.T) {
	d := newLosing(t, 1)
	l := mustOpen(t, d.dir, Options{})
	l.probeFirst = 10 * time.Millisecond
	mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
	mustCreate(t, l, "other", log.TopicConfig{Partitions: 1})
	d.volume.SetFaults(faultfs.Faults{Write: 1})
	refused := make(chan error, 1)
	go func() {
		_, err := l.Append(t.Context(), "t", []log.Entry{{Body: []byte("refused")}})
		refused <- err
	}()
	eventually(t, "a write fails", func() bool { return d.volume.Stats().Errors > 0 })
	d.volume.SetFaults(faultfs.Faults{}) // the server notes its state when it stops
	if err := <-refused; err == nil {
		t.Fatal("an append succeeded that could not be written")
	}
	eventually(t, "appends are taken again", func() bool {
		_, err := l.Append(t.Context(), "other", []log.Entry{{Body: []byte("x")}})
		return err == nil
	})
	for _, reopen := range []bool{false, true} {
		if reopen {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = mustOpen(t, d.dir, Options{})
		}
		if rs, err := readAll(t, l, "t"); err != nil || len(rs) != 0 {
			t.Errorf("reopened %t: %d records, %v", reopen, len(rs), err)
		}
	}
	appendBody(t, l, "t", []byte("first"))
	if rs, err := readAll(t, l, "t"); err != nil || len(rs) != 1 {
		t.Errorf("%d records, %v", len(rs), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOpenedIsDurable takes what a killed process has written but not synced as stored only once it is.
func TestOpenedIsDurable(t *testing.T) {
	d := newLosing(t, 1)
	live, killed := filepath.Join(d.dir, "live"), filepath.Join(d.dir, "killed")
	l := mustOpen(t, live, Options{})
	mustCreate(t, l, "t", log.TopicConfig{Partitions: 1})
	appendBody(t, l, "t", []byte("synced"))
	d.volume.SetFaults(faultfs.Faults{Sync: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	_, _ = l.Append(ctx, "t", []log.Entry{{Body: []byte("not synced")}}) // whether it is stored is what the next log decides
	cancel()
	// A copy is what a process finds that starts after this one was killed.
	if err := os.CopyFS(killed, os.DirFS(live)); err != nil {
		t.Fatal(err)
	}
	d.volume.SetFaults(faultfs.Faults{})
	syncAllBut(t, killed, ".blk")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, killed, Options{})
	before, err := readAll(t, l, "t")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d.powerCut()
	l = mustOpen(t, killed, Options{})
	after, err := readAll(t, l, "t")
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) {
		t.Errorf("%d records were shown after the kill, %d are left after a power cut", len(before), len(after))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// syncAllBut makes the files durable whose names do not end like this.
func syncAllBut(t *testing.T, dir, suffix string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, suffix) {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
}
