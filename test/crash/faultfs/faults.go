package faultfs

import (
	"syscall"
	"time"
)

// Faults says how often what goes wrong; rates are between 0 and 1. The zero value is a healthy disk.
type Faults struct {
	// Delay of the operations that change something take up to DelayMax longer.
	Delay    float64
	DelayMax time.Duration
	// Write, Sync and Name of the writes, syncs, and changes of names fail with Errno.
	Write, Sync, Name float64
	Errno             syscall.Errno
	// Short of the failing writes have written a part.
	Short float64
	// Full fails whatever needs space with ENOSPC.
	Full bool
}

// SetFaults replaces the faults.
func (v *Volume) SetFaults(f Faults) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults = f
}

type operation int

const (
	reading operation = iota
	writing
	syncing
	naming   // of what needs space
	removing // names
)

// begin waits as chance has it and until the volume is not frozen. Unless the operation is to fail at once (failed is true) it returns with v.mu held; an error
// number is then that of an fsync that fails, or of a write that fails behind its first half.
func (v *Volume) begin(op operation) (errno syscall.Errno, failed bool) {
	v.mu.Lock()
	if op != reading && v.faults.Delay > 0 && v.rng.Float64() < v.faults.Delay {
		d := time.Duration(v.rng.Int64N(int64(v.faults.DelayMax) + 1))
		v.stats.Delays++
		v.mu.Unlock()
		time.Sleep(d)
		v.mu.Lock()
	}
	for v.frozen && !v.gone {
		v.thawed.Wait()
	}
	if v.gone {
		v.mu.Unlock()
		return syscall.EIO, true
	}
	errno, short := v.chance(op)
	switch {
	case errno == 0:
		return 0, false
	case short:
		v.stats.Short++
		return errno, false
	}
	v.stats.Errors++
	if op == syncing {
		return errno, false
	}
	v.mu.Unlock()
	return errno, true
}

func (v *Volume) chance(op operation) (syscall.Errno, bool) {
	f := &v.faults
	rate := map[operation]float64{writing: f.Write, syncing: f.Sync, naming: f.Name, removing: f.Name}[op]
	full := f.Full && (op == writing || op == naming)
	hit := rate > 0 && v.rng.Float64() < rate
	if !full && !hit {
		return 0, false
	}
	errno := f.Errno
	if full {
		errno = syscall.ENOSPC
	} else if errno == 0 {
		errno = syscall.EIO
	}
	return errno, op == writing && v.rng.Float64() < f.Short
}
