package checkpoint

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

var (
	// ErrDamaged is wrapped in the error for a block that is not what was written.
	ErrDamaged = errors.New("checkpoint is damaged")
	// ErrCut, returned by the function that Scan calls, makes the journal end before that block.
	ErrCut = errors.New("the journal ends here")
)

const (
	magic     = "TDMLCKP1"
	headBytes = 24
	suffix    = ".ckp"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Journal is a sequence of blocks in a directory.
type Journal struct {
	dir      string
	segments []segment
	next     uint64 // number of the next block
	file     *os.File
	size     int64
	limit    int64
}

// segment is a file; its name is the number of its first block.
type segment struct {
	first uint64
	path  string
	size  int64
}

// Options configures a Journal.
type Options struct {
	// SegmentBytes is the size beyond which a segment gets no more blocks; 0 is 64 MiB.
	SegmentBytes int64
}

// Open opens the journal of a directory, which is made if it is not there. Scan must be called before the first Append.
func Open(dir string, o Options) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("opening checkpoints: %w", err)
	}
	j := &Journal{dir: dir, limit: o.SegmentBytes}
	if j.limit <= 0 {
		j.limit = 64 << 20
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening checkpoints: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		first, err := strconv.ParseUint(name, 16, 64)
		if !ok || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("opening checkpoints: %w", err)
		}
		j.segments = append(j.segments, segment{first: first, path: filepath.Join(dir, e.Name()), size: info.Size()})
	}
	slices.SortFunc(j.segments, func(a, b segment) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	return j, nil
}

// Block is a block as Scan shows it. Body is valid until the next.
type Block struct {
	Number uint64
	Body   []byte
}

// Scan reads the blocks in order. It ends at the first that is damaged, which the error, wrapping ErrDamaged, names; a block that was cut short at the very end, as a
// crash leaves it, is no error. What comes behind the last good block is put aside in a file that ends in .damaged, and never read again. An error of f
// ends the scan and is returned as it is.
func (j *Journal) Scan(f func(Block) error) error {
	var damage error
	for i := 0; i < len(j.segments); i++ {
		s := &j.segments[i]
		if i > 0 && s.first != j.next {
			damage = fmt.Errorf("%w: %s should begin with block %d", ErrDamaged, s.path, j.next)
			return errors.Join(damage, j.cut(i, 0))
		}
		good, err := j.scan(s, f)
		if err == nil {
			continue
		}
		if errors.Is(err, ErrCut) {
			return j.cut(i, good)
		}
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		torn := errors.Is(err, io.ErrUnexpectedEOF) && i == len(j.segments)-1
		if cut := j.cut(i, good); cut != nil {
			return cut
		}
		if torn {
			return nil
		}
		if !errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return err
	}
	if n := len(j.segments); n > 0 && j.segments[n-1].size <= int64(len(magic)) {
		last := j.segments[n-1]
		j.segments = j.segments[:n-1]
		return os.Remove(last.path)
	}
	return nil
}

// scan reads one segment and returns how many of its bytes are good.
func (j *Journal) scan(s *segment, f func(Block) error) (good int64, err error) {
	file, err := os.Open(s.path)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer func() { _ = file.Close() }()
	r := bufio.NewReaderSize(file, 1<<20)
	var head [headBytes]byte
	if _, err := io.ReadFull(r, head[:len(magic)]); err != nil {
		return 0, short(s, err)
	}
	if string(head[:len(magic)]) != magic {
		return 0, fmt.Errorf("%w: %s does not begin as a checkpoint does", ErrDamaged, s.path)
	}
	good, j.next = int64(len(magic)), s.first
	var body []byte
	for {
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return good, nil
		} else if err != nil {
			return good, short(s, err)
		}
		size, number := binary.LittleEndian.Uint64(head[0:]), binary.LittleEndian.Uint64(head[8:])
		if crc32.Checksum(head[:20], castagnoli) != binary.LittleEndian.Uint32(head[20:]) || number != j.next {
			return good, fmt.Errorf("%w: the head of block %d at %d of %s", ErrDamaged, j.next, good, s.path)
		}
		if size > uint64(s.size-good-headBytes) {
			return good, short(s, io.ErrUnexpectedEOF)
		}
		if uint64(cap(body)) < size {
			body = make([]byte, size, size+size/4)
		}
		body = body[:size]
		if _, err := io.ReadFull(r, body); err != nil {
			return good, short(s, err)
		}
		if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(head[16:]) {
			return good, fmt.Errorf("%w: block %d at %d of %s", ErrDamaged, number, good, s.path)
		}
		if err := f(Block{Number: number, Body: body}); err != nil {
			return good, err
		}
		good += headBytes + int64(size)
		j.next++
	}
}

func short(s *segment, err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s ends within a block: %w", s.path, err)
	}
	return fmt.Errorf("%w: reading %s: %w", ErrDamaged, s.path, err)
}

// cut puts everything from a place in a segment on aside.
func (j *Journal) cut(at int, good int64) error {
	for _, s := range j.segments[at+1:] {
		if err := os.Rename(s.path, s.path+".damaged"); err != nil {
			return fmt.Errorf("putting a damaged checkpoint aside: %w", err)
		}
	}
	s := j.segments[at]
	j.segments = j.segments[:at+1]
	if good <= int64(len(magic)) {
		j.segments = j.segments[:at]
		if err := os.Rename(s.path, s.path+".damaged"); err != nil {
			return fmt.Errorf("putting a damaged checkpoint aside: %w", err)
		}
		return nil
	}
	if err := copyTail(s.path, good); err != nil {
		return fmt.Errorf("putting a damaged checkpoint aside: %w", err)
	}
	if err := os.Truncate(s.path, good); err != nil {
		return fmt.Errorf("putting a damaged checkpoint aside: %w", err)
	}
	j.segments[at].size = good
	return nil
}

func copyTail(path string, from int64) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if _, err := in.Seek(from, io.SeekStart); err != nil {
		return err
	}
	out, err := os.Create(path + ".damaged")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Next is the number of the next block.
func (j *Journal) Next() uint64 { return j.next }

// Append writes a block, given in parts, and returns its number when it is durable. After an error the journal takes no more blocks until it is opened again.
func (j *Journal) Append(parts ...[]byte) (number uint64, err error) {
	if j.file != nil && j.size >= j.limit {
		err := j.file.Close()
		if j.file = nil; err != nil {
			return 0, fmt.Errorf("writing a checkpoint: %w", err)
		}
	}
	if j.file == nil {
		if err := j.begin(); err != nil {
			return 0, fmt.Errorf("writing a checkpoint: %w", err)
		}
	}
	size, sum := 0, uint32(0)
	for _, p := range parts {
		size += len(p)
		sum = crc32.Update(sum, castagnoli, p)
	}
	var head [headBytes]byte
	binary.LittleEndian.PutUint64(head[0:], uint64(size))
	binary.LittleEndian.PutUint64(head[8:], j.next)
	binary.LittleEndian.PutUint32(head[16:], sum)
	binary.LittleEndian.PutUint32(head[20:], crc32.Checksum(head[:20], castagnoli))
	for _, p := range append([][]byte{head[:]}, parts...) {
		if _, err := j.file.Write(p); err != nil {
			return 0, j.undo(err)
		}
	}
	if err := j.file.Sync(); err != nil {
		return 0, j.undo(err)
	}
	j.size += int64(size) + headBytes
	j.segments[len(j.segments)-1].size = j.size
	j.next++
	return j.next - 1, nil
}

// undo takes back what was written of a block: the disk may be full and have room again later. A new segment begins, for what a failed fsync has left of the old one is
// not known.
func (j *Journal) undo(cause error) error {
	err := errors.Join(cause, j.file.Truncate(j.size), j.file.Close())
	j.file = nil
	if j.size <= int64(len(magic)) {
		last := j.segments[len(j.segments)-1]
		j.segments = j.segments[:len(j.segments)-1]
		err = errors.Join(err, os.Remove(last.path))
	}
	return fmt.Errorf("writing a checkpoint: %w", err)
}

// begin makes a new segment.
func (j *Journal) begin() error {
	s := segment{first: j.next, path: filepath.Join(j.dir, fmt.Sprintf("%016x%s", j.next, suffix))}
	file, err := os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err = file.WriteString(magic); err == nil {
		err = syncDir(j.dir)
	}
	if err != nil {
		return errors.Join(err, file.Close(), os.Remove(s.path))
	}
	s.size = int64(len(magic))
	j.file, j.size, j.segments = file, s.size, append(j.segments, s)
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Drop removes the segments all of whose blocks have numbers below first.
func (j *Journal) Drop(first uint64) error {
	n := 0
	for n+1 < len(j.segments) && j.segments[n+1].first <= first {
		if err := os.Remove(j.segments[n].path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing an old checkpoint: %w", err)
		}
		n++
	}
	j.segments = slices.Delete(j.segments, 0, n)
	return nil
}

// Bytes is what the blocks take on disk.
func (j *Journal) Bytes() int64 {
	n := int64(0)
	for _, s := range j.segments {
		n += s.size
	}
	return n
}

// Close lets go of the files.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}
