package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Kinds of pull queries.
const (
	Select = "select" // by SQL
	Lookup = "lookup" // GET /v1/views
)

type queryVecs struct {
	seconds *prometheus.HistogramVec
	errors  *prometheus.CounterVec
	running *prometheus.GaugeVec
}

func (s *Set) newQueries() queryVecs {
	return queryVecs{
		seconds: s.histogram("query_seconds", "How long pull queries take until their rows were handed out; their number is its count.", latency(), "database", "kind"),
		errors:  s.counter("query_errors_total", "Statements and look-ups that ended with an error, by class.", "database", "class"),
		running: s.gauges("queries_running", "Pull queries whose rows are being handed out.", "database"),
	}
}

// Queries counts the pull queries of a database.
type Queries struct {
	selects, lookups prometheus.Observer
	errors           *prometheus.CounterVec
	running          prometheus.Gauge
}

func (v queryVecs) of(database string) *Queries {
	q := &Queries{selects: v.seconds.WithLabelValues(database, Select), lookups: v.seconds.WithLabelValues(database, Lookup),
		errors: v.errors.MustCurryWith(prometheus.Labels{"database": database}), running: v.running.WithLabelValues(database)}
	for _, class := range classes() {
		q.errors.WithLabelValues(class)
	}
	return q
}

// Begun counts a query that runs; Ended says that it does no longer.
func (q *Queries) Begun() {
	if q != nil {
		q.running.Inc()
	}
}

// Ended counts a query of a kind that was begun at a time.
func (q *Queries) Ended(kind string, began time.Time) {
	if q == nil {
		return
	}
	q.running.Dec()
	if kind == Lookup {
		q.lookups.Observe(time.Since(began).Seconds())
	} else {
		q.selects.Observe(time.Since(began).Seconds())
	}
}

// Failed counts an error that a client is told.
func (q *Queries) Failed(err error) {
	if q != nil && err != nil {
		q.errors.WithLabelValues(ClassOf(err)).Inc()
	}
}
