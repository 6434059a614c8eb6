package jetlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

const (
	endsName = "ENDS"
	// slotBytes divides a sector of the disk, so that a slot is written as a whole or not.
	slotBytes = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ends is the file that says how far each stream went: after a crash the server takes a stream to end where damage begins in its newest
// block, and what was behind, although acknowledged, would not be missed. It is not fsynced, which costs nothing while the process runs and is enough unless the machine
// stops as well. Then it may say less than there is, never more.
type ends struct {
	mu   sync.Mutex
	file *os.File // nil: it could not be opened, and nothing is known
	at   map[uint64]int64
	free []int64
	size int64
	// found has the number of the last frame by stream, of when the file was opened.
	found map[uint64]uint64
}

func streamHash(stream string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, stream)
	return h.Sum64()
}

// openEnds reads the file. streams are those that there are; the slots of others are free.
func openEnds(dir string, streams []string) (*ends, error) {
	e := &ends{at: map[uint64]int64{}, found: map[uint64]uint64{}}
	f, err := os.OpenFile(filepath.Join(dir, endsName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return e, err
	}
	all, err := io.ReadAll(f)
	if err != nil {
		return e, errors.Join(err, f.Close())
	}
	e.file, e.size = f, int64(len(all)/slotBytes*slotBytes)
	for at := int64(0); at < e.size; at += slotBytes {
		slot := all[at : at+slotBytes]
		name := binary.LittleEndian.Uint64(slot)
		known := slices.ContainsFunc(streams, func(s string) bool { return streamHash(s) == name })
		if !known || binary.LittleEndian.Uint32(slot[16:]) != crc32.Checksum(slot[:16], castagnoli) {
			e.free = append(e.free, at)
			continue
		}
		e.at[name], e.found[name] = at, binary.LittleEndian.Uint64(slot[8:])
	}
	return e, nil
}

// last is the number of the last frame that the stream had when the log was opened, as far as is known.
func (e *ends) last(stream string) uint64 { return e.found[streamHash(stream)] }

// note says that a frame is durable. An error leaves the file as it was.
func (e *ends) note(stream string, number uint64) error {
	name := streamHash(stream)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return nil
	}
	at, there := e.at[name]
	switch {
	case there:
	case len(e.free) > 0:
		at, e.free = e.free[0], e.free[1:]
	default:
		at = e.size
	}
	var slot [slotBytes]byte
	binary.LittleEndian.PutUint64(slot[:], name)
	binary.LittleEndian.PutUint64(slot[8:], number)
	binary.LittleEndian.PutUint32(slot[16:], crc32.Checksum(slot[:16], castagnoli))
	if _, err := e.file.WriteAt(slot[:], at); err != nil {
		if !there {
			e.free = append(e.free, at)
		}
		return fmt.Errorf("noting the end of stream %s: %w", stream, err)
	}
	e.at[name], e.size = at, max(e.size, at+slotBytes)
	return nil
}

// forget frees the slot of a stream that is deleted.
func (e *ends) forget(stream string) {
	name := streamHash(stream)
	e.mu.Lock()
	defer e.mu.Unlock()
	if at, there := e.at[name]; there && e.file != nil {
		_, _ = e.file.WriteAt(make([]byte, slotBytes), at) // a slot of a stream that is not there is free anyway
		delete(e.at, name)
		e.free = append(e.free, at)
	}
}

func (e *ends) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return nil
	}
	err := e.file.Close()
	e.file = nil
	return err
}

// blockOf returns the file that has, or had, a frame of a stream: the one with the highest first number that is not above; "" if that cannot be told. The
// files are the server's, named N.blk, and begin with the length and the number of a message.
func blockOf(dir, stream string, number uint64) string {
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", stream, "msgs", "*.blk"))
	if err != nil {
		return ""
	}
	best, first := "", uint64(0)
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		var head [12]byte
		_, err = io.ReadFull(f, head[:])
		_ = f.Close()
		if err != nil {
			continue
		}
		if n := binary.LittleEndian.Uint64(head[4:]) &^ (1 << 63); n <= number && (best == "" || n >= first) {
			best, first = path, n
		}
	}
	return best
}
