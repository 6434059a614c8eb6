package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadCPU returns the thread that the caller runs on and the CPU time it has used, 0 if that cannot be told.
func threadCPU() (thread int, used time.Duration) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0, 0
	}
	return unix.Gettid(), time.Duration(ts.Nano())
}
