package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type checkpointVecs struct {
	seconds        *prometheus.HistogramVec
	bytes, failed  *prometheus.CounterVec
	stored, latest *prometheus.GaugeVec
}

func (s *Set) newCheckpoints() checkpointVecs {
	return checkpointVecs{
		seconds: s.histogram("checkpoint_seconds", "How long it takes to write and sync what changed since the last time; ticks go on meanwhile.", latency(), "database"),
		bytes:   s.counter("checkpoint_bytes_total", "Bytes of state that were written.", "database"),
		failed:  s.counter("checkpoint_failed_total", "Attempts to save the state that failed; the state saved before is kept.", "database"),
		stored:  s.gauges("checkpoint_stored_bytes", "Bytes on disk of the saved state.", "database"),
		latest:  s.gauges("checkpoint_timestamp_seconds", "When the state was last saved, seconds since 1970.", "database"),
	}
}

// Checkpoints counts the checkpoints of a database.
type Checkpoints struct {
	seconds        prometheus.Observer
	bytes, failed  prometheus.Counter
	stored, latest prometheus.Gauge
}

func (v checkpointVecs) of(database string) *Checkpoints {
	return &Checkpoints{seconds: v.seconds.WithLabelValues(database), bytes: v.bytes.WithLabelValues(database), failed: v.failed.WithLabelValues(database),
		stored: v.stored.WithLabelValues(database), latest: v.latest.WithLabelValues(database)}
}

// Saved counts a checkpoint of so many bytes that took a time until it was durable, after which stored bytes are on disk.
func (c *Checkpoints) Saved(took time.Duration, bytes, stored int64) {
	if c != nil {
		c.seconds.Observe(took.Seconds())
		c.bytes.Add(float64(bytes))
		c.stored.Set(float64(stored))
		c.latest.SetToCurrentTime()
	}
}

// Failed counts a checkpoint that could not be written.
func (c *Checkpoints) Failed() {
	if c != nil {
		c.failed.Inc()
	}
}
