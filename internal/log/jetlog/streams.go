package jetlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidemill/tidemill/internal/log"
)

const (
	// durablePrefix begins the name of the stream of a durable topic, memoryPrefix that of the empty
	// stream that stands for a memory topic. The topic's name and a number that is never used again
	// follow: a stream must not get the name of one that was deleted before, because the server may
	// then still be removing that one's files, or fail to, and find its messages in the new one.
	durablePrefix = "L_"
	memoryPrefix  = "M_"
	// subjectPrefix and the stream's name are the stream's subject.
	subjectPrefix = "log."
	// configKey is where a stream's metadata has the topic's name and configuration, as JSON.
	configKey = "tidemill.topic"

	// versionStream is an empty stream that is always there. It says in which layout the others are,
	// and keeps the server from removing the directory of streams together with the last topic, which
	// it does asynchronously, in a race with the creation of the next one.
	versionStream = "TIDEMILL"
	versionKey    = "tidemill.log"
	version       = "1"

	// minMaxAge is the shortest retention the server takes.
	minMaxAge = 100 * time.Millisecond
	// dedupeWindow is the shortest useful one: we do not use the server's deduplication, and its
	// window is read again at every start.
	dedupeWindow = time.Second
)

// recover makes the topics of the streams that are there.
func (l *Log) recover(e *embedded) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	streams, err := e.streams(ctx)
	if err != nil {
		return err
	}
	if err := checkVersion(ctx, e, streams); err != nil {
		return err
	}
	l.openEnds(streams)
	for _, s := range streams {
		if s.Config.Name == versionStream {
			continue
		}
		stored, ours := s.Config.Metadata[configKey]
		if !ours {
			l.logger.Warn("stream is not a topic", "dir", l.dir, "stream", s.Config.Name)
			continue
		}
		var sc storedConfig
		if err := json.Unmarshal([]byte(stored), &sc); err != nil {
			return fmt.Errorf("decoding the configuration of stream %s: %w", s.Config.Name, err)
		}
		c := sc.config()
		if c.Memory {
			if err := l.mem.Create(ctx, sc.Topic, c); err != nil {
				return err
			}
			l.markers[sc.Topic] = s.Config.Name
			continue
		}
		if l.topics[sc.Topic] != nil {
			return fmt.Errorf("%w: topic %s has two streams", log.ErrCorrupt, sc.Topic)
		}
		t := newTopic(l, sc.Topic, s.Config.Name, c, s.State.LastSeq+1, s.State.LastTime)
		t.trimmed = sc.Trimmed
		if last := l.ends.last(t.stream); last > s.State.LastSeq {
			t.lost = last + 1
			t.broken = fmt.Errorf("%w: it ends at frame %d, but went to frame %d", log.ErrCorrupt, s.State.LastSeq, last)
			l.logger.Error("a topic has lost its end", "topic", t.name, "first", t.next, "last", last, "file", blockOf(l.dir, t.stream, t.next))
		}
		l.topics[sc.Topic] = t
	}
	return nil
}

// openEnds opens the file with the ends of the streams. Without it the log works, but does not miss what is lost at the end of a topic.
func (l *Log) openEnds(streams []*jetstream.StreamInfo) {
	names := make([]string, len(streams))
	for i, s := range streams {
		names[i] = s.Config.Name
	}
	var err error
	if l.ends, err = openEnds(l.dir, names); err != nil {
		l.logger.Warn("how far topics went is not known", "dir", l.dir, "error", err)
	}
}

// checkVersion makes sure that the streams are laid out as this program knows it.
func checkVersion(ctx context.Context, e *embedded, streams []*jetstream.StreamInfo) error {
	for _, s := range streams {
		if s.Config.Name != versionStream {
			continue
		}
		if v := s.Config.Metadata[versionKey]; v != version {
			return fmt.Errorf("it was written in version %q of its layout, this program knows %q", v, version)
		}
		return nil
	}
	_, err := e.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: versionStream, Subjects: []string{"version"}, Duplicates: dedupeWindow,
		Metadata: map[string]string{versionKey: version},
	})
	if err != nil {
		return fmt.Errorf("recording the version of the layout: %w", err)
	}
	return nil
}

// undo removes a stream that may have been created although its creation failed.
func (l *Log) undo(ctx context.Context, stream string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	err := l.server().js.DeleteStream(ctx, stream)
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		l.logger.Warn("removing a stream that was not created properly", "stream", stream, "error", err)
	}
}

// storedConfig is a topic's name and configuration as its stream's metadata has it.
type storedConfig struct {
	Topic      string        `json:"topic"`
	Partitions int           `json:"partitions"`
	MaxAge     time.Duration `json:"max_age,omitempty"` // nanoseconds
	MaxBytes   int64         `json:"max_bytes,omitempty"`
	Relaxed    bool          `json:"relaxed,omitempty"`
	Memory     bool          `json:"memory,omitempty"`
	// Trimmed says that the topic had a bound before that it has no more.
	Trimmed bool `json:"trimmed,omitempty"`
}

func (s storedConfig) config() log.TopicConfig {
	return log.TopicConfig{Partitions: s.Partitions, MaxAge: s.MaxAge, MaxBytes: s.MaxBytes, Relaxed: s.Relaxed, Memory: s.Memory}
}

// streamConfig is the stream for a topic: the topic's records, or its marker if it is in memory.
func streamConfig(name string, c log.TopicConfig) (jetstream.StreamConfig, error) {
	stored, err := metadata(name, c, false)
	if err != nil {
		return jetstream.StreamConfig{}, err
	}
	prefix := durablePrefix
	if c.Memory {
		prefix = memoryPrefix
	}
	stream := prefix + name + "_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	s := jetstream.StreamConfig{
		Name:        stream,
		Subjects:    []string{subjectPrefix + stream},
		Storage:     jetstream.FileStorage,
		Replicas:    1,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		Compression: jetstream.NoCompression,
		Duplicates:  dedupeWindow,
		AllowDirect: true,
		DenyDelete:  true,
		Metadata:    stored,
	}
	if !c.Memory {
		retention{c.MaxAge, c.MaxBytes}.bound(&s)
	}
	return s, nil
}

// metadata is what a topic's stream says of it.
func metadata(name string, c log.TopicConfig, trimmed bool) (map[string]string, error) {
	b, err := json.Marshal(storedConfig{Topic: name, Partitions: c.Partitions, MaxAge: c.MaxAge,
		MaxBytes: c.MaxBytes, Relaxed: c.Relaxed, Memory: c.Memory, Trimmed: trimmed})
	return map[string]string{configKey: string(b)}, err
}

// dropStream deletes a stream. That it does not exist is as good.
func (l *Log) dropStream(ctx context.Context, stream string) error {
	return l.retry(ctx, func(ctx context.Context, e *embedded) error {
		err := e.js.DeleteStream(ctx, stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		return err
	}, nil)
}
