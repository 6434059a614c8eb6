package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Doors by which events and clients come.
const (
	HTTP     = "http"
	Postgres = "pg"
	MQTT     = "mqtt"
	Embedded = "embedded" // the program that a node is part of
	Other    = "other"
)

func doorNames() []string { return []string{HTTP, Postgres, MQTT, Embedded, Other} }

type ingestVecs struct {
	events, bytes, rejected, refused *prometheus.CounterVec
	durable                          *prometheus.HistogramVec
}

func (s *Set) newIngest() ingestVecs {
	return ingestVecs{
		events:   s.counter("ingest_events_total", "Events and rows that were made durable.", "database", "door"),
		bytes:    s.counter("ingest_bytes_total", "Bytes of bodies of events that were made durable; of rows from SQL, their size in memory.", "database", "door"),
		rejected: s.counter("ingest_rejected_total", "Events that were refused one by one, by reason; see tidemill.rejects.", "database", "door", "code"),
		refused:  s.counter("ingest_failed_total", "Requests and statements with events of which nothing was stored.", "database", "door", "class"),
		durable:  s.histogram("ingest_durable_seconds", "Time from a request with events until they are durable; of SQL, the writing alone.", latency(), "database", "door"),
	}
}

// Ingest counts what enters a database.
type Ingest struct{ doors map[string]*IngestDoor }

// IngestDoor counts what enters a database by one door.
type IngestDoor struct {
	events, bytes     prometheus.Counter
	rejected, refused *prometheus.CounterVec
	durable           prometheus.Observer
}

func (v ingestVecs) of(database string) *Ingest {
	i := &Ingest{doors: map[string]*IngestDoor{}}
	for _, d := range doorNames() {
		door := &IngestDoor{events: v.events.WithLabelValues(database, d), bytes: v.bytes.WithLabelValues(database, d), durable: v.durable.WithLabelValues(database, d),
			rejected: v.rejected.MustCurryWith(prometheus.Labels{"database": database, "door": d}),
			refused:  v.refused.MustCurryWith(prometheus.Labels{"database": database, "door": d})}
		for _, class := range classes() {
			door.refused.WithLabelValues(class)
		}
		i.doors[d] = door
	}
	return i
}

// Door returns the counts of a door; one that is not known counts as Other.
func (i *Ingest) Door(name string) *IngestDoor {
	if i == nil {
		return nil
	}
	if d := i.doors[name]; d != nil {
		return d
	}
	return i.doors[Other]
}

// Stored counts a batch that has become durable; began is when its request came.
func (d *IngestDoor) Stored(events int, bytes int64, began time.Time) {
	if d == nil {
		return
	}
	d.events.Add(float64(events))
	d.bytes.Add(float64(bytes))
	d.durable.Observe(time.Since(began).Seconds())
}

// Rejected counts events that were refused with a reason of this program's.
func (d *IngestDoor) Rejected(code string, n int) {
	if d != nil && n > 0 {
		d.rejected.WithLabelValues(code).Add(float64(n))
	}
}

// Failed counts a request of which nothing was stored, by the class of its error.
func (d *IngestDoor) Failed(err error) {
	if d != nil && err != nil {
		d.refused.WithLabelValues(ClassOf(err)).Inc()
	}
}
