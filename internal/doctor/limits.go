package doctor

import (
	"fmt"
)

const (
	// filesReserved is what a node has open without a client: the log's and checkpoints' files, DuckDB's, the doors.
	filesReserved = 256
	// connectionBytes is what a quiet live query takes, with its goroutines, its buffers and the kernel's.
	connectionBytes = 64 << 10
	// postgresMost is how many Postgres clients a node accepts.
	postgresMost = 1000
)

func judgeOpenFiles(f Facts) Finding {
	x := Finding{Check: "open files", Verdict: OK}
	if f.OpenFilesSoft == 0 {
		return x
	}
	x.Found = fmt.Sprintf("limit %d", f.OpenFilesSoft)
	if f.OpenFilesHard != f.OpenFilesSoft {
		x.Found += fmt.Sprintf(" (hard %d)", f.OpenFilesHard)
	}
	switch {
	case f.OpenFilesSoft < 2*filesReserved:
		x.Verdict = Fail
		x.Means = "too few for the log and the doors"
	case f.OpenFilesSoft < 16<<10:
		x.Verdict = Warn
		x.Means = fmt.Sprintf("about %d clients can be connected", f.OpenFilesSoft-filesReserved)
	}
	if x.Verdict != OK {
		x.Raise = raiseFiles
	}
	return x
}

const raiseFiles = "ulimit -n 1048576 before it starts, or LimitNOFILE=1048576 in its systemd unit; above that sysctl fs.nr_open"

func judgeListenQueue(f Facts) Finding {
	x := Finding{Check: "listen queue", Verdict: OK}
	if f.ListenQueue == 0 {
		return x
	}
	x.Found = fmt.Sprintf("net.core.somaxconn is %d", f.ListenQueue)
	if f.ListenQueue < 1024 {
		x.Verdict, x.Means = Warn, fmt.Sprintf("of clients that connect at the same moment, as after a restart, those beyond %d have to try again", f.ListenQueue)
		x.Raise = "sysctl -w net.core.somaxconn=4096"
	}
	return x
}

func judgePorts(f Facts) Finding {
	x := Finding{Check: "outgoing ports", Verdict: OK}
	if f.PortHigh == 0 {
		return x
	}
	n := f.PortHigh - f.PortLow + 1
	x.Found = fmt.Sprintf("%d to %d", f.PortLow, f.PortHigh)
	if n < 16<<10 {
		x.Verdict, x.Means = Warn, fmt.Sprintf("a proxy or load generator on this machine can hold %d connections to one address of a node", n)
		x.Raise = `sysctl -w net.ipv4.ip_local_port_range="1024 65535"`
	}
	return x
}

// memory is what the process may use.
func memory(f Facts) int64 {
	m := f.MemoryBytes
	if f.MemoryLimit > 0 && (m == 0 || f.MemoryLimit < m) {
		m = f.MemoryLimit
	}
	return m
}

func judgeMemory(f Facts) Finding {
	x := Finding{Check: "memory", Verdict: OK}
	m := memory(f)
	if m == 0 {
		return x
	}
	x.Found = size(m)
	if f.MemoryLimit > 0 && f.MemoryLimit < f.MemoryBytes {
		x.Found += fmt.Sprintf(" by its cgroup, of %s of the machine", size(f.MemoryBytes))
	}
	if f.MemoryAvailable > 0 {
		x.Found += fmt.Sprintf(", %s available", size(f.MemoryAvailable))
	}
	switch {
	case m < 512<<20:
		x.Verdict, x.Means = Fail, "DuckDB and the log's cache alone take about that"
		x.Raise = "give the machine, or its cgroup, at least 2 GiB"
	case m < 2<<30:
		x.Verdict, x.Means = Warn, "little is left for the state of views"
		x.Raise = "give the machine, or its cgroup, at least 2 GiB"
	case f.MemoryAvailable > 0 && f.MemoryAvailable < m/10:
		x.Verdict, x.Means = Warn, "other processes use most of it"
	case f.MemoryBudget > m:
		x.Verdict, x.Means = Warn, fmt.Sprintf("GOMEMLIMIT is %s, above that: the process is killed before it collects garbage", size(f.MemoryBudget))
		x.Raise = fmt.Sprintf("GOMEMLIMIT=%dMiB", m*3/4>>20)
	}
	return x
}

func judgeCPU(f Facts) Finding {
	x := Finding{Check: "processors", Verdict: OK}
	if f.CPUs == 0 {
		return x
	}
	x.Found = fmt.Sprint(f.CPUs)
	if f.CPULimit > 0 && f.CPULimit < float64(f.CPUs) {
		x.Found = fmt.Sprintf("%.4g by its cgroup, of %d", f.CPULimit, f.CPUs)
	}
	if n := f.CPULimit; f.CPUs < 2 || n > 0 && n < 2 {
		x.Verdict, x.Means, x.Raise = Warn, "ticks, queries and doors take turns: freshness suffers under load", "give it two processors or more"
	}
	return x
}

// bounds lists what bounds the number of connections.
func bounds(f Facts) []Bound {
	out := []Bound{{postgresMost, "clients of the Postgres door that the program accepts", "share connections with a pool, or read live queries over HTTP"}}
	if f.OpenFilesSoft > 0 {
		out = append(out, Bound{max(0, int64(min(f.OpenFilesSoft, 1<<40))-filesReserved), fmt.Sprintf("connections by open files (limit %d)", f.OpenFilesSoft), raiseFiles})
	}
	if m := memory(f); m > 0 {
		out = append(out, Bound{m / 2 / connectionBytes, fmt.Sprintf("live queries by memory (half of %s, about %s each)", size(m), size(connectionBytes)), "more memory"})
	}
	if f.PortHigh > 0 {
		out = append(out, Bound{int64(f.PortHigh - f.PortLow + 1), "connections from one machine, or through one proxy address, by its outgoing ports",
			`sysctl -w net.ipv4.ip_local_port_range="1024 65535" there, or more addresses`})
	}
	return out
}

// size writes bytes for people.
func size(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n), -1
	for v >= 1<<10 && u < len(units)-1 {
		v /= 1 << 10
		u++
	}
	return fmt.Sprintf("%.3g %ciB", v, units[u])
}
