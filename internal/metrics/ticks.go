package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type tickVecs struct{ seconds, rows *prometheus.HistogramVec }

func (s *Set) newTicks() tickVecs {
	return tickVecs{
		seconds: s.histogram("tick_seconds", "How long ticks take, from taking what has arrived to publishing; their number is its count.", latency(), "database"),
		rows:    s.histogram("tick_rows", "Rows that a tick takes from streams and tables; all rows are its sum.", prometheus.ExponentialBuckets(1, 8, 7), "database"),
	}
}

// Ticks counts the ticks of a database.
type Ticks struct{ seconds, rows prometheus.Observer }

func (v tickVecs) of(database string) *Ticks {
	return &Ticks{seconds: v.seconds.WithLabelValues(database), rows: v.rows.WithLabelValues(database)}
}

// Ended counts a tick that took rows from its inputs.
func (t *Ticks) Ended(took time.Duration, rows int) {
	if t != nil {
		t.seconds.Observe(took.Seconds())
		t.rows.Observe(float64(rows))
	}
}
