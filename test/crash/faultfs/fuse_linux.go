package faultfs

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// cached is how long the kernel may rely on what it was told: nobody else changes anything while a volume is mounted.
const cached = time.Hour

// Mount is a volume that other processes see in a directory.
type Mount struct {
	volume *Volume
	server *fuse.Server
}

// Mount shows the volume in an existing directory.
func (v *Volume) Mount(dir string) (*Mount, error) {
	if err := v.turnOn(); err != nil {
		return nil, err
	}
	fs := &filesystem{RawFileSystem: fuse.NewDefaultRawFileSystem(), Volume: v}
	server, err := fuse.NewServer(fs, dir, &fuse.MountOptions{DirectMount: true, Name: "faultfs", FsName: "faultfs", MaxWrite: 1 << 20, DisableXAttrs: true,
		DisableReadDirPlus: true, MaxBackground: 64})
	if err != nil {
		return nil, fmt.Errorf("mounting on %s: %w", dir, err)
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		return nil, fmt.Errorf("mounting on %s: %w", dir, err)
	}
	return &Mount{volume: v, server: server}, nil
}

// Close takes the volume away. The processes that use it must be dead or dying: what they still wait for fails.
func (m *Mount) Close() error {
	m.volume.TurnOff()
	return m.server.Unmount()
}

// filesystem is what the kernel asks.
type filesystem struct {
	fuse.RawFileSystem
	*Volume
}

// locked runs an operation that only needs the volume's lock.
func (fs *filesystem) locked(op operation, fn func() fuse.Status) fuse.Status {
	errno, failed := fs.begin(op)
	if failed {
		return fuse.Status(errno)
	}
	defer fs.mu.Unlock()
	if errno != 0 { // it would be half done
		return fuse.Status(errno)
	}
	return fn()
}

func (fs *filesystem) attr(n *inode, out *fuse.Attr) {
	out.Ino, out.Mode, out.Size, out.Nlink = n.id, n.mode, uint64(n.size), 1
	if n.isDir() {
		out.Nlink = 2
	}
	out.Blocks, out.Blksize = (out.Size+511)/512, 4096
	out.SetTimes(&n.modified, &n.modified, &n.modified)
}

func (fs *filesystem) entry(n *inode, out *fuse.EntryOut) {
	out.NodeId, out.Generation = n.id, 1
	out.SetEntryTimeout(cached)
	out.SetAttrTimeout(cached)
	fs.attr(n, &out.Attr)
}

// Lookup implements fuse.RawFileSystem.
func (fs *filesystem) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	return fs.locked(reading, func() fuse.Status {
		id, ok := fs.inodes[h.NodeId].entries[name]
		if !ok {
			return fuse.ENOENT
		}
		fs.entry(fs.inodes[id], out)
		return fuse.OK
	})
}

// GetAttr implements fuse.RawFileSystem.
func (fs *filesystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return fs.locked(reading, func() fuse.Status {
		out.SetTimeout(cached)
		fs.attr(fs.inodes[in.NodeId], &out.Attr)
		return fuse.OK
	})
}

// SetAttr implements fuse.RawFileSystem.
func (fs *filesystem) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	op := reading
	if in.Valid&fuse.FATTR_SIZE != 0 {
		op = writing
	}
	return fs.locked(op, func() fuse.Status {
		n := fs.inodes[in.NodeId]
		if size, set := in.GetSize(); set && !n.isDir() && int64(size) != n.size {
			if err := fs.put(n, write{at: int64(size)}); err != nil {
				return fuse.ToStatus(err)
			}
		}
		if mode, set := in.GetMode(); set {
			n.mode = n.mode&syscall.S_IFMT | mode&0o7777
		}
		if at, set := in.GetMTime(); set {
			n.modified = at
		}
		out.SetTimeout(cached)
		fs.attr(n, &out.Attr)
		return fuse.OK
	})
}

func (fs *filesystem) make(dirID uint64, name string, mode uint32, out *fuse.EntryOut) fuse.Status {
	return fs.locked(naming, func() fuse.Status {
		dir := fs.inodes[dirID]
		if dir.entries[name] != 0 {
			return fuse.Status(syscall.EEXIST)
		}
		n, err := fs.newInode(mode)
		if err != nil {
			return fuse.ToStatus(err)
		}
		fs.setName(dir, name, n.id, false)
		fs.entry(n, out)
		return fuse.OK
	})
}

// Mkdir implements fuse.RawFileSystem.
func (fs *filesystem) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return fs.make(in.NodeId, name, syscall.S_IFDIR|in.Mode&0o7777, out)
}

// Create implements fuse.RawFileSystem.
func (fs *filesystem) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	return fs.make(in.NodeId, name, syscall.S_IFREG|in.Mode&0o7777, &out.EntryOut)
}

// Open implements fuse.RawFileSystem.
func (fs *filesystem) Open(_ <-chan struct{}, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	if in.Flags&syscall.O_TRUNC == 0 {
		return fuse.OK
	}
	return fs.locked(writing, func() fuse.Status {
		if n := fs.inodes[in.NodeId]; n.size > 0 {
			return fuse.ToStatus(fs.put(n, write{}))
		}
		return fuse.OK
	})
}

// Read implements fuse.RawFileSystem.
func (fs *filesystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	count := 0
	status := fs.locked(reading, func() fuse.Status {
		var err error
		if count, err = fs.inodes[in.NodeId].file.ReadAt(buf, int64(in.Offset)); err != nil && !errors.Is(err, io.EOF) {
			return fuse.ToStatus(err)
		}
		return fuse.OK
	})
	return fuse.ReadResultData(buf[:count]), status
}

// Write implements fuse.RawFileSystem.
func (fs *filesystem) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	errno, failed := fs.begin(writing)
	if failed {
		return 0, fuse.Status(errno)
	}
	defer fs.mu.Unlock()
	n, short := fs.inodes[in.NodeId], errno != 0
	if short {
		data = data[:len(data)/2]
	}
	if len(data) > 0 {
		if err := fs.put(n, write{at: int64(in.Offset), data: data}); err != nil {
			return 0, fuse.ToStatus(err)
		}
	}
	if short && len(data) == 0 {
		return 0, fuse.Status(errno)
	}
	if in.Flags&syscall.O_DSYNC != 0 && !short {
		return uint32(len(data)), fuse.ToStatus(fs.sync(n))
	}
	return uint32(len(data)), fuse.OK
}

// Fsync implements fuse.RawFileSystem.
func (fs *filesystem) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	errno, failed := fs.begin(syncing)
	if failed {
		return fuse.Status(errno)
	}
	defer fs.mu.Unlock()
	n := fs.inodes[in.NodeId]
	if errno != 0 {
		n.failSync()
		return fuse.Status(errno)
	}
	return fuse.ToStatus(fs.sync(n))
}

// FsyncDir implements fuse.RawFileSystem.
func (fs *filesystem) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return fs.Fsync(cancel, in)
}

// Unlink implements fuse.RawFileSystem.
func (fs *filesystem) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return fs.locked(removing, func() fuse.Status {
		fs.setName(fs.inodes[h.NodeId], name, 0, false)
		return fuse.OK
	})
}

// Rmdir implements fuse.RawFileSystem.
func (fs *filesystem) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return fs.locked(removing, func() fuse.Status {
		dir := fs.inodes[h.NodeId]
		if len(fs.inodes[dir.entries[name]].entries) > 0 {
			return fuse.Status(syscall.ENOTEMPTY)
		}
		fs.setName(dir, name, 0, false)
		return fuse.OK
	})
}

// Rename implements fuse.RawFileSystem.
func (fs *filesystem) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if in.Flags != 0 {
		return fuse.Status(syscall.EINVAL)
	}
	return fs.locked(naming, func() fuse.Status {
		source, target := fs.inodes[in.NodeId], fs.inodes[in.Newdir]
		id := source.entries[from]
		if was := fs.inodes[target.entries[to]]; was != nil && len(was.entries) > 0 {
			return fuse.Status(syscall.ENOTEMPTY)
		}
		fs.setName(target, to, id, false)
		fs.setName(source, from, 0, true)
		return fuse.OK
	})
}

// ReadDir implements fuse.RawFileSystem.
func (fs *filesystem) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return fs.locked(reading, func() fuse.Status {
		dir := fs.inodes[in.NodeId]
		names := make([]string, 0, len(dir.entries))
		for name := range dir.entries {
			names = append(names, name)
		}
		// By number, so that what is removed between two calls does not make others be left out.
		slices.SortFunc(names, func(a, b string) int { return compareIDs(dir, a, b) })
		for _, name := range names {
			id := dir.entries[name]
			if id <= in.Offset {
				continue
			}
			if !out.AddDirEntry(fuse.DirEntry{Name: name, Ino: id, Mode: fs.inodes[id].mode, Off: id}) {
				break
			}
		}
		return fuse.OK
	})
}

func compareIDs(dir *inode, a, b string) int {
	switch x, y := dir.entries[a], dir.entries[b]; {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return strings.Compare(a, b)
}

// OpenDir implements fuse.RawFileSystem.
func (fs *filesystem) OpenDir(_ <-chan struct{}, _ *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	return fuse.OK
}

// Flush implements fuse.RawFileSystem.
func (fs *filesystem) Flush(_ <-chan struct{}, _ *fuse.FlushIn) fuse.Status { return fuse.OK }

// Access implements fuse.RawFileSystem.
func (fs *filesystem) Access(_ <-chan struct{}, _ *fuse.AccessIn) fuse.Status { return fuse.OK }

// Fallocate implements fuse.RawFileSystem.
func (fs *filesystem) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	if in.Mode != 0 {
		return fuse.Status(syscall.EOPNOTSUPP)
	}
	return fs.locked(writing, func() fuse.Status {
		if n, size := fs.inodes[in.NodeId], int64(in.Offset+in.Length); size > n.size {
			return fuse.ToStatus(fs.put(n, write{at: size}))
		}
		return fuse.OK
	})
}

// StatFs implements fuse.RawFileSystem.
func (fs *filesystem) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	var s syscall.Statfs_t
	if err := syscall.Statfs(fs.objects, &s); err != nil {
		return fuse.ToStatus(err)
	}
	*out = fuse.StatfsOut{Blocks: s.Blocks, Bfree: s.Bfree, Bavail: s.Bavail, Files: s.Files, Ffree: s.Ffree, Bsize: uint32(s.Bsize), NameLen: 255, Frsize: uint32(s.Frsize)}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.faults.Full {
		out.Bfree, out.Bavail = 0, 0
	}
	return fuse.OK
}
