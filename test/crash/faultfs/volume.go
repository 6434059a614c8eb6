package faultfs

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

const rootID = 1

// Volume is the content of a file system: what processes see, and what a power cut would leave of it. It is safe for concurrent use.
type Volume struct {
	objects string // a directory with the current bytes of each file, by number

	mu     sync.Mutex
	thawed *sync.Cond
	inodes map[uint64]*inode
	next   uint64
	// names are the changes of names that are not durable, oldest first.
	names  []nameChange
	faults Faults
	rng    *rand.Rand
	frozen bool
	gone   bool // the machine is off: what was waiting fails
	stats  Stats
}

// Stats counts what a volume has done to its users.
type Stats struct {
	Writes, Syncs, Errors, Short, Delays int
	// LostWrites and LostNames were undone by power cuts, TornWrites were cut short by them.
	LostWrites, LostNames, TornWrites int
}

type inode struct {
	id       uint64
	mode     uint32
	modified time.Time
	entries  map[string]uint64 // of a directory
	// file is what is read back, durable what a power cut cannot take; both are nil for a directory.
	file, durable *os.File
	size          int64
	// pending are the writes that are not durable and may still become so, oldest first; lost is set if there were others.
	pending []write
	lost    bool
}

func (n *inode) isDir() bool { return n.entries != nil }

// write is a change of a file's bytes; without data it sets the size.
type write struct {
	at   int64
	data []byte
}

// nameChange is an undo record: what stood under a name before.
type nameChange struct {
	dir  uint64
	name string
	was  uint64 // 0 for nothing
	pair bool   // it is lost or kept together with the one before it
}

// NewVolume returns an empty volume that keeps its bytes in the directory objects, which must exist and be empty.
func NewVolume(objects string, seed uint64) *Volume {
	v := &Volume{objects: objects, inodes: map[uint64]*inode{}, next: rootID, rng: rand.New(rand.NewPCG(seed, 0x66617566))}
	v.thawed = sync.NewCond(&v.mu)
	v.inodes[rootID] = &inode{id: rootID, mode: syscall.S_IFDIR | 0o700, entries: map[string]uint64{}, modified: time.Now()}
	v.next++
	return v
}

// Stats returns the counts so far.
func (v *Volume) Stats() Stats {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.stats
}

// Freeze stops the volume: operations under way have been done or will never be.
func (v *Volume) Freeze() {
	v.mu.Lock()
	v.frozen = true
	v.mu.Unlock()
}

// TurnOff fails what waits on a frozen volume, whose users are dead.
func (v *Volume) TurnOff() {
	v.mu.Lock()
	v.frozen, v.gone = true, true
	v.thawed.Broadcast()
	v.mu.Unlock()
}

// turnOn lets a new life begin; files that have no name any more are removed.
func (v *Volume) turnOn() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.frozen, v.gone, v.faults = false, false, Faults{}
	return v.sweepLocked()
}

// Close removes the bytes of all files.
func (v *Volume) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.names = nil
	v.inodes[rootID].entries = map[string]uint64{}
	return v.sweepLocked()
}

func (v *Volume) sweepLocked() error {
	live := map[uint64]bool{rootID: true}
	for todo := []uint64{rootID}; len(todo) > 0; todo = todo[1:] {
		for _, id := range v.inodes[todo[0]].entries {
			live[id] = true
			if v.inodes[id].isDir() {
				todo = append(todo, id)
			}
		}
	}
	for _, c := range v.names {
		live[c.was] = true // it may come back; so may what is under it, which stays in its entries
		for todo := []uint64{c.was}; len(todo) > 0; todo = todo[1:] {
			if n := v.inodes[todo[0]]; n != nil {
				for _, id := range n.entries {
					live[id] = true
					todo = append(todo, id)
				}
			}
		}
	}
	var errs []error
	for id, n := range v.inodes {
		if live[id] {
			continue
		}
		delete(v.inodes, id)
		for _, f := range []*os.File{n.file, n.durable} {
			if f != nil {
				errs = append(errs, f.Close(), os.Remove(f.Name()))
			}
		}
	}
	return errors.Join(errs...)
}

// Crash is a power cut: what was not durable is lost, as far as chance has it. The volume must not be mounted.
func (v *Volume) Crash() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	ids := make([]uint64, 0, len(v.inodes))
	for id := range v.inodes {
		ids = append(ids, id)
	}
	slices.Sort(ids) // chance must not depend on the order of a map
	for _, id := range ids {
		if n := v.inodes[id]; len(n.pending) > 0 || n.lost {
			if err := v.loseWrites(n); err != nil {
				return err
			}
		}
	}
	keep := v.rng.IntN(len(v.names) + 1)
	for keep < len(v.names) && keep > 0 && v.names[keep].pair {
		keep--
	}
	for i := len(v.names) - 1; i >= keep; i-- {
		v.undoName(v.names[i])
		v.stats.LostNames++
	}
	v.names = nil
	return v.sweepLocked()
}

func (v *Volume) undoName(c nameChange) {
	dir := v.inodes[c.dir]
	if dir == nil {
		return
	}
	if c.was == 0 {
		delete(dir.entries, c.name)
	} else {
		dir.entries[c.name] = c.was
	}
}

// loseWrites goes back to what is durable and repeats the writes that chance has kept.
func (v *Volume) loseWrites(n *inode) error {
	all := n.pending
	n.pending, n.lost = nil, false
	if err := copyFile(n.file, n.durable); err != nil {
		return err
	}
	kept, torn := v.keep(len(all))
	for i, w := range all {
		switch {
		case i == torn && len(w.data) > 1:
			w.data = w.data[:1+v.rng.IntN(len(w.data)-1)]
			v.stats.TornWrites++
		case !kept[i]:
			v.stats.LostWrites++
			continue
		}
		if err := w.apply(n.file); err != nil {
			return err
		}
	}
	// What has survived is on the disk.
	if err := copyFile(n.durable, n.file); err != nil {
		return err
	}
	info, err := n.file.Stat()
	if err == nil {
		n.size = info.Size()
	}
	return err
}

// keep decides which of the last writes to a file survive; of torn, unless it is -1, a part does.
func (v *Volume) keep(count int) (kept []bool, torn int) {
	kept, torn = make([]bool, count), -1
	first := 0
	switch p := v.rng.Float64(); {
	case count == 0 || p < 0.35:
	case p < 0.5:
		first = count
	case p < 0.85:
		first = v.rng.IntN(count)
		torn = first
	default:
		for i := range kept {
			kept[i] = v.rng.IntN(2) == 0
		}
	}
	for i := range first {
		kept[i] = true
	}
	return kept, torn
}

func (w *write) apply(f *os.File) error {
	if w.data == nil {
		return f.Truncate(w.at)
	}
	_, err := f.WriteAt(w.data, w.at)
	return err
}

// copyFile gives a file the bytes of another.
func copyFile(to, from *os.File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if err := to.Truncate(0); err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(to, 0), io.NewSectionReader(from, 0, info.Size()))
	return err
}

// Export copies what the volume holds now into a directory.
func (v *Volume) Export(to string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.exportLocked(v.inodes[rootID], to)
}

func (v *Volume) exportLocked(n *inode, to string) error {
	if !n.isDir() {
		f, err := os.Create(to)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, io.NewSectionReader(n.file, 0, n.size))
		return errors.Join(err, f.Close())
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for name, id := range n.entries {
		if err := v.exportLocked(v.inodes[id], filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}

// newInode makes a file or directory without a name.
func (v *Volume) newInode(mode uint32) (*inode, error) {
	n := &inode{id: v.next, mode: mode, modified: time.Now()}
	v.next++
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		n.entries = map[string]uint64{}
	} else {
		for suffix, f := range map[string]**os.File{"": &n.file, ".durable": &n.durable} {
			var err error
			if *f, err = os.OpenFile(filepath.Join(v.objects, fmt.Sprint(n.id)+suffix), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
				return nil, err
			}
		}
	}
	v.inodes[n.id] = n
	return n, nil
}

// setName puts an inode, or with 0 nothing, under a name, and notes what was there.
func (v *Volume) setName(dir *inode, name string, id uint64, pair bool) {
	v.names = append(v.names, nameChange{dir: dir.id, name: name, was: dir.entries[name], pair: pair})
	if id == 0 {
		delete(dir.entries, name)
	} else {
		dir.entries[name] = id
	}
	dir.modified = time.Now()
}

// put writes bytes into a file; without data it sets its size.
func (v *Volume) put(n *inode, w write) error {
	if err := w.apply(n.file); err != nil {
		return err
	}
	if w.data == nil {
		n.size = w.at
	} else {
		w.data = slices.Clone(w.data)
		n.size = max(n.size, w.at+int64(len(w.data)))
	}
	n.modified = time.Now()
	n.pending = append(n.pending, w)
	v.stats.Writes++
	return nil
}

// sync makes a file's writes durable, and all changes of names.
func (v *Volume) sync(n *inode) error {
	for _, w := range n.pending {
		if err := w.apply(n.durable); err != nil {
			return err
		}
	}
	n.pending = nil
	v.names = nil
	v.stats.Syncs++
	if n.durable == nil {
		return nil
	}
	return n.durable.Truncate(n.size) // of what an earlier sync failed on only the size
}

// failSync is an fsync that fails: what it was about can be read back, and will not be durable unless it is written again.
func (n *inode) failSync() {
	n.lost = n.lost || len(n.pending) > 0
	n.pending = nil
}
