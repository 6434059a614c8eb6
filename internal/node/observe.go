package node

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	rtm "runtime/metrics"
	"slices"
	"time"

	"github.com/tidemill/tidemill/internal/log/jetlog"
	"github.com/tidemill/tidemill/internal/metrics"
	"github.com/tidemill/tidemill/internal/session"
)

// Version is what runs, as the Go toolchain noted it: a released version, or the commit.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}

// Metrics are the node's counters, for the benchmarks and tests of this program.
func (n *Node) Metrics() *metrics.Set { return n.metrics }

// Problems lists what has stopped moving although work waits; /readyz and tidemill.nodes show it.
func (n *Node) Problems() []session.Problem { return append(n.database.Problems(), n.logProblems()...) }

func (n *Node) logProblems() (ps []session.Problem) {
	l, is := n.log.(*jetlog.Log)
	if !is {
		return nil
	}
	if err := l.Refusal(); err != nil {
		ps = append(ps, session.Problem{Kind: session.ProblemLog, Name: "log", Reason: err.Error()})
	}
	standing := l.Standing(session.StuckAfter)
	for _, topic := range slices.Sorted(maps.Keys(standing)) {
		stood := standing[topic].Round(time.Second)
		ps = append(ps, session.Problem{Kind: session.ProblemLog, Name: n.database.RelationOf(topic), Seconds: int64(stood.Seconds()),
			Reason: fmt.Sprintf("what is written to it has waited for the disk for %s", stood)})
	}
	return ps
}

// Healthy returns an error that names what has stopped moving although work waits.
func (n *Node) Healthy() error {
	if ps := n.Problems(); len(ps) > 0 {
		return fmt.Errorf("%s", ps[0])
	}
	return nil
}

// info is what tidemill.nodes shows.
func (n *Node) info() session.NodeInfo {
	name, err := os.Hostname()
	if err != nil {
		name = "node"
	}
	memory := []rtm.Sample{{Name: "/memory/classes/total:bytes"}}
	rtm.Read(memory)
	return session.NodeInfo{Name: name, Version: Version(), HTTP: n.HTTPAddress(), PG: n.PGAddress(), StartedAt: n.startedAt, CPUs: runtime.GOMAXPROCS(0),
		MemoryBytes: int64(memory[0].Value.Uint64()), Problems: n.Problems()}
}

// state is what a scrape of the metrics asks for.
func (n *Node) state() metrics.State {
	st := metrics.State{Databases: []metrics.DatabaseState{n.database.State()}}
	for _, p := range n.logProblems() {
		st.Problems = append(st.Problems, metrics.Problem{Kind: p.Kind, Name: p.Name})
	}
	if l, is := n.log.(*jetlog.Log); is {
		s := l.Stats()
		st.Log = metrics.LogState{StoredBytes: s.StoredBytes, Topics: s.Topics, Partitions: s.Partitions, Refusing: s.Refusal != nil}
	}
	return st
}
