package jetlog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

// smallDisk mounts a file system of this size, or skips the test.
func smallDisk(t *testing.T, size string) string {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

// TestDiskFull fills the disk: appends are refused, reads go on, nothing acknowledged is lost and
// nothing refused is stored, and appends are taken again when there is room.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, "72m")
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 30<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(disk, "log")
	l := mustOpen(t, dir, Options{})
	l.probeFirst = 10 * time.Millisecond
	for _, topic := range []string{"t", "other"} {
		mustCreate(t, l, topic, log.TopicConfig{Partitions: 1})
	}
	appendBody(t, l, "other", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	followed := 0
	go func() {
		ended <- l.Read(ctx, "t", 0, func(log.Record) error { followed++; return nil })
	}()
	w := startLoad(l, "t", 3, 100_000)
	eventually(t, "the disk is full", func() bool { return w.refused.Load() > 10 })
	began := time.Now()
	_, err := l.Append(t.Context(), "other", []log.Entry{{Body: make([]byte, 1<<20)}})
	if !errors.Is(err, log.ErrUnavailable) || !strings.Contains(err.Error(), "no space") {
		t.Errorf("Append on a full disk: %v", err)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it took %v to be refused", d)
	}
	if rs, err := readAll(t, l, "t"); err != nil || len(rs) == 0 {
		t.Errorf("reading on a full disk: %d records, %v", len(rs), err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	n := w.acked.Load()
	eventually(t, "appends are taken again", func() bool { return w.acked.Load() > n+10 })
	w.end()
	rs, err := readAll(t, l, "t")
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, rs)
	appendBody(t, l, "other", []byte("y"))
	cancel()
	if err := <-ended; err != context.Canceled {
		t.Errorf("the reader ended with %v", err)
	}
	if followed < len(rs)/2 {
		t.Errorf("the reader saw %d of %d records", followed, len(rs))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir, Options{})
	if rs, err = readAll(t, l, "t"); err != nil {
		t.Fatal(err)
	}
	w.check(t, rs)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d acknowledged, %d refused", w.acked.Load(), w.refused.Load())
}
