package faultfs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// world is a mounted volume.
type world struct {
	t   *testing.T
	v   *Volume
	m   *Mount
	dir string
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, v: NewVolume(t.TempDir(), seed), dir: t.TempDir()}
	w.mount()
	t.Cleanup(func() {
		if w.m != nil {
			_ = w.m.Close()
		}
		if err := w.v.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) mount() {
	m, err := w.v.Mount(w.dir)
	if err != nil {
		w.t.Skipf("no FUSE here: %v", err)
	}
	w.m = m
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// crash is a power cut and the start after it.
func (w *world) crash() {
	w.t.Helper()
	w.v.Freeze()
	w.must(w.m.Close())
	w.must(w.v.Crash())
	w.mount()
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create(name string, content string, flags int) *os.File {
	w.t.Helper()
	f, err := os.OpenFile(w.path(name), os.O_CREATE|os.O_RDWR|flags, 0o600)
	w.must(err)
	_, err = f.WriteString(content)
	w.must(err)
	return f
}

func (w *world) read(name string) string {
	w.t.Helper()
	b, err := os.ReadFile(w.path(name))
	w.must(err)
	return string(b)
}

// TestSyncedSurvives wants synced bytes and names after power cuts, and of later ones nothing that was never written.
func TestSyncedSurvives(t *testing.T) {
	lost, kept := 0, 0
	for seed := range uint64(40) {
		w := newWorld(t, seed)
		w.must(os.Mkdir(w.path("d"), 0o700))
		f := w.create("d/a", "synced.", 0)
		w.must(f.Sync())
		for range 5 {
			_, err := f.WriteString("later.")
			w.must(err)
		}
		g := w.create("d/sync", "at once", os.O_SYNC)
		w.must(errors.Join(f.Close(), g.Close()))
		w.crash()
		if got := w.read("d/sync"); got != "at once" {
			t.Errorf("seed %d: a file written with O_SYNC has %q", seed, got)
		}
		got := w.read("d/a")
		if !bytes.HasPrefix([]byte(got), []byte("synced.")) {
			t.Fatalf("seed %d: what was synced is %q", seed, got)
		}
		switch len(got) {
		case len("synced."):
			lost++
		case len("synced.") + 5*len("later."):
			kept++
		}
		w.must(w.m.Close())
		w.m = nil
	}
	if lost == 0 || kept == 0 {
		t.Errorf("of what was not synced all was lost %d times and kept %d times of 40", lost, kept)
	}
}

// TestNamesAreOrdered wants the names after a power cut to be those of some moment since the last sync.
func TestNamesAreOrdered(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(60) {
		w := newWorld(t, seed)
		f := w.create("old", "old", 0)
		w.must(f.Sync())
		w.must(f.Close())
		f = w.create("new", "new", os.O_SYNC)
		w.must(f.Close())
		w.must(os.Rename(w.path("new"), w.path("old")))
		f = w.create("third", "", 0)
		w.must(f.Close())
		w.must(os.Remove(w.path("old")))
		w.crash()
		entries, err := os.ReadDir(w.dir)
		w.must(err)
		state := ""
		for _, e := range entries {
			state += e.Name() + "=" + w.read(e.Name()) + " "
		}
		seen[state] = true
		w.must(w.m.Close())
		w.m = nil
	}
	for state := range seen {
		switch state {
		case "new=new old=old ", "old=new ", "old=new third= ", "third= ":
		default:
			t.Errorf("a power cut left %q", state)
		}
	}
	if len(seen) != 4 {
		t.Errorf("power cuts left only %v", seen)
	}
}

// TestKilledKeepsAll wants everything there after the end of a process on a machine that stays up.
func TestKilledKeepsAll(t *testing.T) {
	w := newWorld(t, 1)
	f := w.create("a", "not synced", 0)
	w.must(f.Close())
	w.must(w.m.Close())
	w.mount()
	if got := w.read("a"); got != "not synced" {
		t.Errorf("the file has %q", got)
	}
}

// TestFailedSyncLosesForGood wants what a failed fsync was about to be readable and lost in a power cut, although a later fsync succeeds.
func TestFailedSyncLosesForGood(t *testing.T) {
	w := newWorld(t, 1)
	f := w.create("a", "first ", 0)
	w.must(f.Sync())
	_, err := f.WriteString("doomed ")
	w.must(err)
	w.v.SetFaults(Faults{Sync: 1})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("fsync: %v", err)
	}
	w.v.SetFaults(Faults{})
	_, err = f.WriteString("last")
	w.must(err)
	w.must(f.Sync())
	w.must(f.Close())
	if got := w.read("a"); got != "first doomed last" {
		t.Errorf("before the power cut the file has %q", got)
	}
	w.crash()
	if got := w.read("a"); got != "first \x00\x00\x00\x00\x00\x00\x00last" {
		t.Errorf("after the power cut the file has %q", got)
	}
}

// TestFaults wants each fault to reach the caller.
func TestFaults(t *testing.T) {
	w := newWorld(t, 1)
	f := w.create("a", "", 0)
	defer f.Close()
	w.v.SetFaults(Faults{Full: true})
	if _, err := f.WriteString("x"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing to a full disk: %v", err)
	}
	w.v.SetFaults(Faults{Write: 1, Short: 1})
	if n, err := f.Write(make([]byte, 100)); err == nil || n == 100 {
		t.Errorf("a short write has written %d: %v", n, err)
	}
	w.v.SetFaults(Faults{Name: 1})
	if err := os.Rename(w.path("a"), w.path("b")); !errors.Is(err, syscall.EIO) {
		t.Errorf("renaming: %v", err)
	}
	w.v.SetFaults(Faults{Delay: 1, DelayMax: 20 * time.Millisecond})
	began := time.Now()
	for range 20 {
		_, err := f.WriteString("x")
		w.must(err)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("20 slow writes took %v", took)
	}
}
