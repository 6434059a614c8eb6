package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Doors counts connections and requests.
type Doors struct {
	open             *prometheus.GaugeVec
	accepted, denied *prometheus.CounterVec
	requests         *prometheus.CounterVec
	seconds          *prometheus.HistogramVec
}

func (s *Set) newDoors() *Doors {
	d := &Doors{
		open:     s.gauges("connections_open", "Connections of clients that are open.", "door"),
		accepted: s.counter("connections_total", "Connections of clients that were accepted.", "door"),
		denied:   s.counter("connections_refused_total", "Connections that were refused because there were too many.", "door"),
		requests: s.counter("http_requests_total", "Requests over HTTP, by route and class of status.", "route", "status"),
		seconds:  s.histogram("http_request_seconds", "How long requests over HTTP take, live queries excepted.", latency(), "route"),
	}
	for _, name := range []string{HTTP, Postgres} {
		d.open.WithLabelValues(name)
		d.accepted.WithLabelValues(name)
		d.denied.WithLabelValues(name)
	}
	return d
}

// Connected counts a connection that was accepted.
func (d *Doors) Connected(door string) {
	if d != nil {
		d.open.WithLabelValues(door).Inc()
		d.accepted.WithLabelValues(door).Inc()
	}
}

// Disconnected says that a connection is closed.
func (d *Doors) Disconnected(door string) {
	if d != nil {
		d.open.WithLabelValues(door).Dec()
	}
}

// Denied counts a connection that was not accepted.
func (d *Doors) Denied(door string) {
	if d != nil {
		d.denied.WithLabelValues(door).Inc()
	}
}

// Requested counts a request; route is the pattern it matched, not its path. Of one that lasts as long as its client wants, as live queries do, the time is
// not counted.
func (d *Doors) Requested(route string, status int, took time.Duration, lasting bool) {
	if d == nil {
		return
	}
	d.requests.WithLabelValues(route, strconv.Itoa(status/100)+"xx").Inc()
	if !lasting {
		d.seconds.WithLabelValues(route).Observe(took.Seconds())
	}
}
