//go:build unix

package jetlog

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock on f without waiting. It is released when f is closed.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
