package doctor

import (
	"context"
	"slices"
	"time"
)

// Options says what is to be examined.
type Options struct {
	// DataDir is where a node would keep its data; empty for one in memory.
	DataDir string
	// Addresses are where the doors would listen, by name; empty ones are left out.
	Addresses map[string]string
	// DiskTime bounds how long the disk is measured; 0 is two seconds.
	DiskTime time.Duration
}

// Verdicts of findings.
const (
	OK   = "ok"
	Warn = "warn" // it works, but not for much or not well
	Fail = "fail" // a node does not run, or loses what it promises
)

// Finding is what was found about one thing.
type Finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	Found   string `json:"found"`
	// Means says what that does to a node, Raise what to do about it; both may be empty.
	Means string `json:"means,omitempty"`
	Raise string `json:"raise,omitempty"`
}

// Bound is a limit on how many clients can be connected.
type Bound struct {
	At    int64  `json:"at"`
	By    string `json:"by"`
	Raise string `json:"raise"`
}

// Report is all that was found.
type Report struct {
	OK       bool      `json:"ok"` // nothing failed
	Findings []Finding `json:"findings"`
	// Connections are the bounds on the number of connections, the lowest first: that is what binds first.
	Connections []Bound `json:"connections"`
}

// Facts are what the machine says of itself. Zero is not known, unless a field says otherwise.
type Facts struct {
	OpenFilesSoft, OpenFilesHard uint64
	OpenFilesUsed                int
	ListenQueue                  int // net.core.somaxconn
	PortLow, PortHigh            int // of the ports for outgoing connections
	MemoryBytes, MemoryLimit     int64
	MemoryAvailable              int64
	MemoryBudget                 int64 // GOMEMLIMIT
	CPUs                         int
	CPULimit                     float64 // of the cgroup
	Doors                        []DoorFacts
	Disk                         *DiskFacts // nil for a node in memory
	Clock                        ClockFacts
}

// DoorFacts are what was found at an address.
type DoorFacts struct {
	Name, Address string
	Err           error // listening there failed; nil if it worked
	OurNode       bool  // a node answers there
}

// DiskFacts are what was found in the data directory.
type DiskFacts struct {
	Path, FileSystem string
	Err              error // it cannot be written
	Free, Total      int64
	Syncs            []time.Duration // how long fsyncs took, ascending
}

// ClockFacts are what was found about the time.
type ClockFacts struct {
	Now          time.Time
	Synchronized *bool // by NTP; nil is not known
	// Drift is how far wall clock and monotonic clock went apart while Over passed.
	Drift, Over time.Duration
}

// Examine examines this machine.
func Examine(ctx context.Context, o Options) Report {
	if o.DiskTime <= 0 {
		o.DiskTime = 2 * time.Second
	}
	watch := watchClock()
	f := systemFacts()
	f.Doors = examineDoors(ctx, o.Addresses)
	if o.DataDir != "" {
		f.Disk = examineDisk(ctx, o.DataDir, o.DiskTime)
	}
	f.Clock = watch(ctx)
	return Judge(f)
}

// Judge says what facts mean for a node.
func Judge(f Facts) Report {
	r := Report{OK: true, Findings: []Finding{}}
	add := func(fs ...Finding) {
		for _, x := range fs {
			if x.Found != "" {
				r.Findings = append(r.Findings, x)
				r.OK = r.OK && x.Verdict != Fail
			}
		}
	}
	add(judgeOpenFiles(f), judgeListenQueue(f), judgePorts(f), judgeMemory(f), judgeCPU(f))
	for _, d := range f.Doors {
		add(judgeDoor(d))
	}
	add(judgeDisk(f.Disk)...)
	add(judgeClock(f.Clock)...)
	r.Connections = bounds(f)
	slices.SortStableFunc(r.Connections, func(a, b Bound) int { return int(min(max(a.At-b.At, -1), 1)) })
	return r
}
