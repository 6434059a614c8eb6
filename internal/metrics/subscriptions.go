package metrics

import "github.com/prometheus/client_golang/prometheus"

type subscriptionVecs struct {
	open                                            *prometheus.GaugeVec
	frames, bytes, resets, behind, cut, joined, all *prometheus.CounterVec
}

func (s *Set) newSubscriptions() subscriptionVecs {
	return subscriptionVecs{
		open:   s.gauges("subscriptions_open", "Live queries that are open.", "database"),
		all:    s.counter("subscriptions_total", "Live queries that were opened.", "database"),
		frames: s.counter("subscription_frames_total", "Frames that were handed to subscribers, by kind.", "database", "kind"),
		bytes:  s.counter("subscription_bytes_total", "Bytes of frames that were written to subscribers of the live protocol.", "database"),
		resets: s.counter("subscription_resets_total", "Subscriptions that had to start over with a snapshot, because the changes since were no longer kept.", "database"),
		behind: s.counter("subscription_behind_total", "How often a subscriber fell so far behind that its changes were joined from the history.", "database"),
		cut:    s.counter("subscription_cut_total", "Subscribers that were cut because they took nothing for too long.", "database"),
		joined: s.counter("subscription_conflated_total", "Changes that were joined to others because the subscriber asked for fewer frames.", "database"),
	}
}

// Kinds of frames.
const (
	FrameSnapshot = "snapshot"
	FrameChange   = "change"
	FrameProgress = "progress"
)

// Subscriptions counts the live queries of a database.
type Subscriptions struct {
	open                                                                  prometheus.Gauge
	snapshots, changes, progress, bytes, resets, behind, cut, joined, all prometheus.Counter
}

func (v subscriptionVecs) of(database string) *Subscriptions {
	return &Subscriptions{
		open: v.open.WithLabelValues(database), all: v.all.WithLabelValues(database), bytes: v.bytes.WithLabelValues(database),
		snapshots: v.frames.WithLabelValues(database, FrameSnapshot), changes: v.frames.WithLabelValues(database, FrameChange),
		progress: v.frames.WithLabelValues(database, FrameProgress), resets: v.resets.WithLabelValues(database),
		behind: v.behind.WithLabelValues(database), cut: v.cut.WithLabelValues(database), joined: v.joined.WithLabelValues(database),
	}
}

// Opened counts a live query that begins; Closed says that it is over.
func (s *Subscriptions) Opened() {
	if s != nil {
		s.open.Inc()
		s.all.Inc()
	}
}

// Closed says that a live query is over.
func (s *Subscriptions) Closed() {
	if s != nil {
		s.open.Dec()
	}
}

// Frame counts a frame of a kind that was handed to a subscriber.
func (s *Subscriptions) Frame(kind string) {
	if s == nil {
		return
	}
	switch kind {
	case FrameSnapshot:
		s.snapshots.Inc()
	case FrameChange:
		s.changes.Inc()
	default:
		s.progress.Inc()
	}
}

// Wrote counts bytes of a frame that was written to a client.
func (s *Subscriptions) Wrote(n int) {
	if s != nil {
		s.bytes.Add(float64(n))
	}
}

// Reset counts a subscription that starts over.
func (s *Subscriptions) Reset() {
	if s != nil {
		s.resets.Inc()
	}
}

// Behind counts a subscriber that lost its place in the queue of frames.
func (s *Subscriptions) Behind() {
	if s != nil {
		s.behind.Inc()
	}
}

// Cut counts a subscriber that was given up.
func (s *Subscriptions) Cut() {
	if s != nil {
		s.cut.Inc()
	}
}

// Conflated counts changes that were joined to another one.
func (s *Subscriptions) Conflated(n int) {
	if s != nil && n > 0 {
		s.joined.Add(float64(n))
	}
}
