package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	syncsMost = 200
	syncBytes = 4 << 10 // of a frame with few events
	// freeLeast is what has to be free for a node to take writes for long, freeFew when it is time to act.
	freeLeast = 256 << 20
	freeFew   = 5 << 30
	// syncSlow is an fsync that makes writers wait noticeably, syncNone one that no disk does.
	syncSlow = 25 * time.Millisecond
	syncNone = 15 * time.Microsecond
)

// examineDisk measures the data directory, or the closest directory above that is there.
func examineDisk(ctx context.Context, dir string, bound time.Duration) *DiskFacts {
	path, err := filepath.Abs(dir)
	if err != nil {
		return &DiskFacts{Path: dir, Err: err}
	}
	for {
		if _, err := os.Stat(path); err == nil || filepath.Dir(path) == path {
			break
		}
		path = filepath.Dir(path)
	}
	d := &DiskFacts{Path: path}
	d.FileSystem, d.Free, d.Total = fileSystem(path)
	d.Syncs, d.Err = measureSyncs(ctx, path, bound)
	return d
}

// measureSyncs appends to a file and fsyncs it, again and again, and returns how long that took.
func measureSyncs(ctx context.Context, dir string, bound time.Duration) (took []time.Duration, err error) {
	f, err := os.CreateTemp(dir, "tidemill-doctor-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	page := make([]byte, syncBytes)
	for began := time.Now(); len(took) < syncsMost && time.Since(began) < bound && ctx.Err() == nil; {
		at := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	return took, nil
}

func judgeDisk(d *DiskFacts) []Finding {
	if d == nil {
		return nil
	}
	if d.Err != nil {
		return []Finding{{Check: "data directory", Verdict: Fail, Found: fmt.Sprintf("%s cannot be written: %v", d.Path, d.Err), Means: "a node does not start, or takes no writes",
			Raise: "give the user that runs it the right to write there, or pass another directory with --data"}}
	}
	return []Finding{judgeSpace(d), judgeSync(d)}
}

func judgeSpace(d *DiskFacts) Finding {
	x := Finding{Check: "data directory", Verdict: OK, Found: d.Path}
	if d.FileSystem != "" {
		x.Found += " on " + d.FileSystem
	}
	if d.Total > 0 {
		x.Found += fmt.Sprintf(", %s free of %s", size(d.Free), size(d.Total))
	}
	switch {
	case d.Total > 0 && d.Free < freeLeast:
		x.Verdict, x.Means = Fail, "the node refuses writes when the disk is full"
		x.Raise = "make room, move --data, or bound streams with retention"
	case slices.Contains([]string{"tmpfs", "ramfs"}, d.FileSystem):
		x.Verdict, x.Means = Warn, "it is memory: nothing outlives a restart of the machine"
		x.Raise = "pass a directory on a disk with --data"
	case slices.Contains([]string{"nfs", "smb", "cifs", "fuse"}, d.FileSystem):
		x.Verdict, x.Means = Warn, "what an fsync is worth depends on a server, and so does how long it takes"
		x.Raise = "pass a directory on a local disk with --data"
	case d.Total > 0 && (d.Free < freeFew || d.Free < d.Total/20):
		x.Verdict, x.Means = Warn, "little is left"
		x.Raise = "make room, move --data, or bound streams with retention"
	}
	return x
}

func judgeSync(d *DiskFacts) Finding {
	x := Finding{Check: "fsync", Verdict: OK}
	n := len(d.Syncs)
	if n == 0 {
		return x
	}
	p50, p99 := d.Syncs[n/2], d.Syncs[min(n-1, n*99/100)]
	x.Found = fmt.Sprintf("p50 %s, p99 %s, longest %s in %d", short(p50), short(p99), short(d.Syncs[n-1]), n)
	x.Means = fmt.Sprintf("a write is acknowledged after about %s; a stream takes about %.0f groups of concurrent writes a second", short(p50), 1/max(p50, time.Microsecond).Seconds())
	switch {
	case p99 > syncSlow:
		x.Verdict = Warn
		x.Raise = "a disk with a write cache that survives power loss; or WITH (durability = 'relaxed') for streams that may lose their last moments"
	case p50 < syncNone:
		x.Verdict = Warn
		x.Means = "too fast to be true: this storage seems to acknowledge before the data is safe"
		x.Raise = "turn off what ignores fsync (a mount option, the disk's volatile cache) if power loss matters"
	}
	return x
}

func short(d time.Duration) string {
	if d < time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
