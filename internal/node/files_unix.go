//go:build unix

package node

import "syscall"

// openFilesMost is how many files the process may have open.
func openFilesMost() int64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return filesUnknown
	}
	return int64(min(uint64(r.Cur), filesUnknown))
}

// filesUnknown is taken where the system does not say, or has no bound.
const filesUnknown = 1 << 20
