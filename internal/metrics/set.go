package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "tidemill"

const (
	// scrapesMax bounds the scrapes that are answered at once; further ones are told to come again.
	scrapesMax = 4
	// scrapeTimeout bounds how long one waits.
	scrapeTimeout = 10 * time.Second
)

// latency are the bounds of the histograms of times, in seconds: from what a tick of few rows takes to what nobody waits for.
func latency() []float64 {
	return []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
}

// Set is the metrics of a node.
type Set struct {
	registry *prometheus.Registry
	ingest   ingestVecs
	ticks    tickVecs
	queries  queryVecs
	subs     subscriptionVecs
	saves    checkpointVecs
	state    *stateCollector

	log   *Log
	doors *Doors
}

// New returns the metrics of a node of a version.
func New(version string) *Set {
	s := &Set{registry: prometheus.NewRegistry()}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.gauge("build_info", "Always 1; the labels say what runs.", prometheus.Labels{"version": version, "goversion": runtime.Version()}).Set(1)
	s.ingest, s.ticks, s.queries, s.subs = s.newIngest(), s.newTicks(), s.newQueries(), s.newSubscriptions()
	s.saves = s.newCheckpoints()
	s.log, s.doors = s.newLog(), s.newDoors()
	s.state = newStateCollector()
	s.registry.MustRegister(s.state)
	return s
}

// Database is the pieces of one database. A nil *Database has pieces that count nothing.
type Database struct {
	Ingest        *Ingest
	Ticks         *Ticks
	Queries       *Queries
	Subscriptions *Subscriptions
	Checkpoints   *Checkpoints
}

// Database returns the pieces of the database of a name.
func (s *Set) Database(name string) *Database {
	if s == nil {
		return &Database{}
	}
	return &Database{Ingest: s.ingest.of(name), Ticks: s.ticks.of(name), Queries: s.queries.of(name), Subscriptions: s.subs.of(name), Checkpoints: s.saves.of(name)}
}

// Doors are the counts of connections and requests, nil for a nil Set.
func (s *Set) Doors() *Doors {
	if s == nil {
		return nil
	}
	return s.doors
}

// Log are the counts of the log, nil for a nil Set.
func (s *Set) Log() *Log {
	if s == nil {
		return nil
	}
	return s.log
}

// Handler answers with the metrics in Prometheus' text format, or in the one that the scraper asks for.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesMax, Timeout: scrapeTimeout, EnableOpenMetrics: true})
}

func (s *Set) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	s.registry.MustRegister(v)
	return v
}

func (s *Set) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	s.registry.MustRegister(v)
	return v
}

func (s *Set) gauge(name, help string, labels prometheus.Labels) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels})
	s.registry.MustRegister(g)
	return g
}

func (s *Set) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	s.registry.MustRegister(v)
	return v
}
