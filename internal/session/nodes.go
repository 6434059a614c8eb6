package session

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/metrics"
)

// NodeInfo is what a node says of itself in tidemill.nodes.
type NodeInfo struct {
	Name, Version string
	HTTP, PG      string // addresses of the doors, empty if they are off
	StartedAt     time.Time
	CPUs          int
	MemoryBytes   int64 // that the process has from the operating system
	// Problems are those of the node as a whole.
	Problems []Problem
}

const nodesColumns = "name VARCHAR, status VARCHAR, problems JSON, version VARCHAR, started_at TIMESTAMPTZ, http VARCHAR, pg VARCHAR, cpus BIGINT, memory_bytes BIGINT, databases JSON"

// nodesRows tells of the node that runs the database; the status is that of /readyz.
func nodesRows(_ context.Context, db *Database, w *rowWriter) error {
	info := NodeInfo{}
	if db.node != nil {
		info = db.node()
	} else {
		info.Problems = db.Problems()
	}
	status := "ready"
	lines := []string{}
	for _, p := range info.Problems {
		status = "not ready"
		lines = append(lines, p.String())
	}
	var started any
	if !info.StartedAt.IsZero() {
		started = info.StartedAt.UnixMicro()
	}
	w.add(orNull(info.Name), status, asJSON(lines), orNull(info.Version), started, orNull(info.HTTP), orNull(info.PG), info.CPUs, info.MemoryBytes, asJSON([]string{db.name}))
	return nil
}

// State is what the database tells at each scrape of the node's metrics. It does not wait for the engine's loop.
func (db *Database) State() metrics.DatabaseState {
	now := db.now()
	views, inputs, _ := db.engine.Status(now)
	st := metrics.DatabaseState{Name: db.name, Waiting: db.engine.Stuck(now)}
	for _, p := range db.Problems() {
		st.Problems = append(st.Problems, metrics.Problem{Kind: p.Kind, Name: p.Name})
	}
	for _, v := range views {
		st.Views = append(st.Views, metrics.View{ID: int64(v.Relation), Name: v.Name, Lag: v.Lag, Rows: v.Rows, StateBytes: v.StateBytes, ContentBytes: v.Bytes,
			LateRows: v.LateCount, Rejects: v.RejectCount, Ticks: v.Ticks, CPU: time.Duration(v.CPUNanos), Stopped: v.Stopped != nil, Building: v.Building})
	}
	for _, in := range inputs {
		st.Inputs = append(st.Inputs, metrics.Input{ID: int64(in.Relation), Name: in.Name, Lag: in.Lag, QueuedBytes: in.QueuedBytes, Stopped: in.Stopped != nil})
	}
	return st
}

// Healthy returns an error that names what has stopped moving although work waits.
func (db *Database) Healthy() error {
	ps := db.Problems()
	if len(ps) == 0 {
		return nil
	}
	return fmt.Errorf("database %s: %s", db.name, ps[0])
}
