//go:build !linux

package engine

import "time"

// threadCPU returns no thread: the CPU time of a thread is not known here.
func threadCPU() (thread int, used time.Duration) { return 0, 0 }
