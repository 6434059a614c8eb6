package node

import (
	"bufio"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryUnknown is what a machine is taken to have that does not say.
const memoryUnknown = 4 << 30

// memoryBytes is the memory that the process may use: the least of GOMEMLIMIT, the limit of its control group, and the machine's.
func memoryBytes() int64 {
	least := int64(math.MaxInt64)
	if limit := debug.SetMemoryLimit(-1); limit > 0 {
		least = limit
	}
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			least = min(least, n)
		}
	}
	if n := machineMemory(); n > 0 {
		least = min(least, n)
	}
	if least > 1<<50 {
		return memoryUnknown
	}
	return least
}

// machineMemory is the machine's memory as Linux tells it, else 0.
func machineMemory() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if kb, is := strings.CutPrefix(lines.Text(), "MemTotal:"); is {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(kb, "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

const (
	// The bounds on what clients have sent and the log has not taken yet, where nothing is said: a part of the memory, since rows take some
	// times their bytes on the way.
	inflightPart          = 32
	inflightLeast         = 64 << 20
	inflightMost          = 1 << 30
	queryMemoryPart       = 4
	queryTempMost   int64 = 32 << 30
)

// withDefaults fills in the bounds that were not given.
func (c Config) withDefaults() Config {
	if c.InflightBytes <= 0 {
		c.InflightBytes = min(inflightMost, max(inflightLeast, memoryBytes()/inflightPart))
	}
	if c.QueryMemoryBytes <= 0 {
		c.QueryMemoryBytes = memoryBytes() / queryMemoryPart
	}
	if c.QueryTempBytes <= 0 {
		c.QueryTempBytes = queryTempMost
	}
	if c.QueryTimeout == 0 {
		c.QueryTimeout = defaultQueryTimeout
	}
	if c.ResultBytes == 0 {
		c.ResultBytes = defaultResultBytes
	}
	return c
}
