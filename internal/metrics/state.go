package metrics

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// RelationsMax is how many views, and how many streams and tables, of a database have series of their own. A view has ten, so that
	// a database has at most about twenty thousand series.
	RelationsMax = 1000
	// Others labels the sum of those beyond, and the largest of their lags.
	Others = "(others)"
	// Anonymous is the name of views that live queries have to themselves.
	Anonymous = "(subscription)"
	// problemsMax bounds the series of what is stuck.
	problemsMax = 100
)

// View is how a view is doing.
type View struct {
	ID                                                int64
	Name                                              string
	Lag                                               time.Duration
	Rows, StateBytes, ContentBytes, LateRows, Rejects int64
	Ticks                                             int64
	CPU                                               time.Duration
	Stopped, Building                                 bool
}

// Input is how a stream or table is doing.
type Input struct {
	ID          int64
	Name        string
	Lag         time.Duration
	QueuedBytes int64
	Stopped     bool
}

// Problem is something that has stopped moving although work waits.
type Problem struct{ Kind, Name string }

// DatabaseState is what there is to say of a database at a moment.
type DatabaseState struct {
	Name     string
	Views    []View
	Inputs   []Input
	Problems []Problem
	// Waiting is for how long work has waited for the tick that runs.
	Waiting time.Duration
}

// LogState is what there is to say of the log at a moment.
type LogState struct {
	StoredBytes        int64
	Topics, Partitions int
	Refusing           bool // it takes no writes
}

// State is what is asked for at each scrape.
type State struct {
	Databases []DatabaseState
	Log       LogState
	// Problems are those that belong to no database.
	Problems []Problem
}

// Watch lets each scrape ask for the state of the node; the last call counts. ask must not block on what may be stuck.
func (s *Set) Watch(ask func() State) {
	if s == nil {
		return
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.ask = ask
}

// stateCollector makes metrics of a State.
type stateCollector struct {
	mu  sync.Mutex
	ask func() State

	ready, waiting, problem                                    *prometheus.Desc
	views                                                      *prometheus.Desc
	lag, rows, state, content, late, rejects, cpu, ticks, dead *prometheus.Desc
	inputLag, inputQueue, inputDead                            *prometheus.Desc
	logBytes, logTopics, logPartitions, logRefusing            *prometheus.Desc
}

func newStateCollector() *stateCollector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	}
	return &stateCollector{
		ready:    d("ready", "1 if nothing has stopped moving although work waits, as /readyz says, else 0."),
		waiting:  d("tick_waiting_seconds", "For how long work has waited for the tick that runs; 0 if none waits.", "database"),
		problem:  d("stuck", "1 for each part that has stopped moving although work waits.", "database", "kind", "name"),
		views:    d("views", "Materialized views, by state.", "database", "state"),
		lag:      d("view_lag_seconds", "Age of the oldest event that is in the log and not yet in the view; 0 if it has all of them.", "database", "view"),
		rows:     d("view_rows", "Rows of the view.", "database", "view"),
		state:    d("view_state_bytes", "Memory of the view's operators.", "database", "view"),
		content:  d("view_content_bytes", "Memory of the view's rows and indexes.", "database", "view"),
		late:     d("view_late_rows_total", "Rows that came too late for the view; see tidemill.late_rows.", "database", "view"),
		rejects:  d("view_rejected_rows_total", "Rows that the view had to leave out; see tidemill.rejects.", "database", "view"),
		cpu:      d("view_cpu_seconds_total", "CPU time of the view's steps.", "database", "view"),
		ticks:    d("view_ticks_total", "Ticks that gave the view something to do.", "database", "view"),
		dead:     d("view_stopped", "1 if the view has stopped at an error, else 0.", "database", "view"),
		inputLag: d("input_lag_seconds", "Age of the oldest event of the stream or table that no tick has taken yet.", "database", "relation"),
		inputQueue: d("input_queued_bytes", "Bytes of the stream or table that are decoded and wait for a tick.",
			"database", "relation"),
		inputDead:     d("input_stopped", "1 if the stream or table is no longer read because of an error, else 0.", "database", "relation"),
		logBytes:      d("log_stored_bytes", "Bytes that the log holds on disk."),
		logTopics:     d("log_topics", "Topics of the log."),
		logPartitions: d("log_partitions", "Partitions of all topics."),
		logRefusing:   d("log_refusing", "1 while the log takes no writes, because the disk is full or failing, else 0."),
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.ready, c.waiting, c.problem, c.views, c.lag, c.rows, c.state, c.content, c.late, c.rejects, c.cpu, c.ticks, c.dead,
		c.inputLag, c.inputQueue, c.inputDead, c.logBytes, c.logTopics, c.logPartitions, c.logRefusing} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	ask := c.ask
	c.mu.Unlock()
	if ask == nil {
		return
	}
	st := ask()
	ready := len(st.Problems) == 0
	c.stuck(out, "", st.Problems)
	for i := range st.Databases {
		c.database(out, &st.Databases[i])
		ready = ready && len(st.Databases[i].Problems) == 0
	}
	gauge(out, c.ready, oneIf(ready))
	gauge(out, c.logBytes, float64(st.Log.StoredBytes))
	gauge(out, c.logTopics, float64(st.Log.Topics))
	gauge(out, c.logPartitions, float64(st.Log.Partitions))
	gauge(out, c.logRefusing, oneIf(st.Log.Refusing))
}

func (c *stateCollector) database(out chan<- prometheus.Metric, db *DatabaseState) {
	gauge(out, c.waiting, db.Waiting.Seconds(), db.Name)
	c.stuck(out, db.Name, db.Problems)
	running, stopped, building := 0, 0, 0
	for _, v := range db.Views {
		switch {
		case v.Building:
			building++
		case v.Stopped:
			stopped++
		default:
			running++
		}
	}
	gauge(out, c.views, float64(running), db.Name, "running")
	gauge(out, c.views, float64(stopped), db.Name, "stopped")
	gauge(out, c.views, float64(building), db.Name, "building")
	for _, v := range boundedViews(db.Views) {
		c.view(out, db.Name, &v)
	}
	for _, in := range boundedInputs(db.Inputs) {
		gauge(out, c.inputLag, in.Lag.Seconds(), db.Name, in.Name)
		gauge(out, c.inputQueue, float64(in.QueuedBytes), db.Name, in.Name)
		gauge(out, c.inputDead, oneIf(in.Stopped), db.Name, in.Name)
	}
}

func (c *stateCollector) stuck(out chan<- prometheus.Metric, database string, ps []Problem) {
	seen := map[Problem]bool{}
	for _, p := range ps {
		if !seen[p] && len(seen) < problemsMax {
			seen[p] = true
			gauge(out, c.problem, 1, database, p.Kind, p.Name)
		}
	}
}

func (c *stateCollector) view(out chan<- prometheus.Metric, database string, v *View) {
	gauge(out, c.lag, v.Lag.Seconds(), database, v.Name)
	gauge(out, c.rows, float64(v.Rows), database, v.Name)
	gauge(out, c.state, float64(v.StateBytes), database, v.Name)
	gauge(out, c.content, float64(v.ContentBytes), database, v.Name)
	gauge(out, c.dead, oneIf(v.Stopped), database, v.Name)
	counter(out, c.late, float64(v.LateRows), database, v.Name)
	counter(out, c.rejects, float64(v.Rejects), database, v.Name)
	counter(out, c.cpu, v.CPU.Seconds(), database, v.Name)
	counter(out, c.ticks, float64(v.Ticks), database, v.Name)
}

// boundedViews returns the views that have series of their own, and the sums of the others. Those created first come first, so that a view keeps its series
// whatever comes later.
func boundedViews(all []View) []View {
	slices.SortFunc(all, func(a, b View) int { return cmp.Compare(a.ID, b.ID) })
	sums := map[string]*View{}
	var out []View
	named := map[string]bool{Others: true}
	for _, v := range all {
		into := Others
		switch {
		case v.Name == Anonymous:
			into = Anonymous
		case len(out) < RelationsMax && !named[v.Name]:
			named[v.Name] = true
			out = append(out, v)
			continue
		}
		s := sums[into]
		if s == nil {
			s = &View{Name: into}
			sums[into] = s
		}
		s.add(&v)
	}
	for _, name := range []string{Anonymous, Others} {
		if s := sums[name]; s != nil {
			out = append(out, *s)
		}
	}
	return out
}

func (s *View) add(v *View) {
	s.Lag = max(s.Lag, v.Lag)
	s.Rows += v.Rows
	s.StateBytes += v.StateBytes
	s.ContentBytes += v.ContentBytes
	s.LateRows += v.LateRows
	s.Rejects += v.Rejects
	s.Ticks += v.Ticks
	s.CPU += v.CPU
	s.Stopped = s.Stopped || v.Stopped
}

func boundedInputs(all []Input) []Input {
	slices.SortFunc(all, func(a, b Input) int { return cmp.Compare(a.ID, b.ID) })
	others := Input{Name: Others}
	some := false
	var out []Input
	named := map[string]bool{Others: true}
	for _, in := range all {
		if len(out) < RelationsMax && !named[in.Name] {
			named[in.Name] = true
			out = append(out, in)
			continue
		}
		some = true
		others.Lag = max(others.Lag, in.Lag)
		others.QueuedBytes += in.QueuedBytes
		others.Stopped = others.Stopped || in.Stopped
	}
	if some {
		out = append(out, others)
	}
	return out
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
