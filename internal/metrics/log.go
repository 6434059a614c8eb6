package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Log counts what the log does. Groups are what is appended together; frames are what is fsynced together.
type Log struct {
	groups, records, bytes, frames, failed prometheus.Counter
	fsync                                  prometheus.Observer
}

func (s *Set) newLog() *Log {
	return &Log{
		groups:  s.counter("log_appends_total", "Groups of records that were appended.").WithLabelValues(),
		records: s.counter("log_records_total", "Records that were appended.").WithLabelValues(),
		bytes:   s.counter("log_bytes_total", "Bytes of the records that were appended.").WithLabelValues(),
		frames:  s.counter("log_frames_total", "Frames of groups that were written and fsynced together.").WithLabelValues(),
		failed:  s.counter("log_append_errors_total", "Appends that were refused or whose fate is not known.").WithLabelValues(),
		fsync:   s.histogram("log_fsync_seconds", "How long writing a frame and its fsync take.", latency()).WithLabelValues(),
	}
}

// Appended counts an append.
func (l *Log) Appended(records, bytes int, err error) {
	switch {
	case l == nil:
	case err != nil:
		l.failed.Inc()
	default:
		l.groups.Inc()
		l.records.Add(float64(records))
		l.bytes.Add(float64(bytes))
	}
}

// Synced counts a frame that is on disk.
func (l *Log) Synced(took time.Duration) {
	if l != nil {
		l.frames.Inc()
		l.fsync.Observe(took.Seconds())
	}
}
