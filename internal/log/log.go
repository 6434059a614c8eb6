package log

import (
	"context"
	"errors"
	"time"
)

// Offset is the position of a record in its topic. Offsets only grow; they are
// not dense. The zero Offset is before every record.
type Offset uint64

// Entry is a record to be appended.
type Entry struct {
	// Partition is below the topic's TopicConfig.Partitions.
	Partition uint16
	// Body may be empty. From the call of Append on it must not change.
	Body []byte
}

// Record is a stored record as a reader sees it.
type Record struct {
	Partition uint16
	Offset    Offset
	// Appended is the time at which the log took the record. It does not go back within a topic,
	// also when the machine's clock does.
	Appended time.Time
	// Last says that this is the last record of the group it was appended with: a reader that
	// applies records must not make a group visible before it has seen its last record.
	Last bool
	// Body is immutable and may be kept by the reader for as long as it likes. It may be a part of
	// a larger block (up to about 1 MiB, or the size of its group if that is larger) that stays in
	// memory as long as any part of it is referenced: copy a small body that is to be kept long.
	// Bodies of 1 KiB and more start at an address that is a multiple of 64 when they come from a
	// durable topic, shorter ones at a multiple of 8.
	Body []byte
}

// TopicConfig is what a topic is created with.
type TopicConfig struct {
	// Partitions is the number of slices, 1 to 1024; fixed for the life of the topic.
	Partitions int
	// MaxAge removes records older than this; 0 keeps them for ever. Values below 100 ms count as
	// 100 ms.
	MaxAge time.Duration
	// MaxBytes removes the oldest records beyond this size; 0 means no bound. Records are removed
	// in whole groups or several groups at a time, and the size includes the storage's overhead, so
	// somewhat less than MaxBytes of bodies is kept.
	MaxBytes int64
	// Relaxed acknowledges an append before it is fsynced: the group is then only in memory, and is
	// lost when the process or the machine stops within the next moments. Readers see it only once
	// it is fsynced, so what a reader has seen is never lost.
	Relaxed bool
	// Memory keeps the topic in memory only: it exists, but is empty, after a restart.
	Memory bool
}

// Bounds says which offsets of a topic can be read.
type Bounds struct {
	// First is the offset of the oldest record still there; Next is above the newest record:
	// every record that is appended later has an offset >= Next. First == Next: nothing to read.
	First, Next Offset
	// Newest is not before the time at which the newest record was appended; zero if it is not known.
	Newest time.Time
}

var (
	// ErrNoTopic is returned for a topic that does not exist.
	ErrNoTopic = errors.New("no such topic")
	// ErrTopicExists is returned when a topic is created twice.
	ErrTopicExists = errors.New("topic exists")
	// ErrTooLarge is returned for a group that is larger than MaxGroupBytes or MaxGroupRecords.
	ErrTooLarge = errors.New("group of records is too large")
	// ErrInvalid is wrapped in the error for a topic name, a topic configuration or a group that no
	// log would take: an empty group, a partition the topic does not have.
	ErrInvalid = errors.New("invalid argument")
	// ErrClosed is returned once the log is closed.
	ErrClosed = errors.New("log is closed")
	// ErrCorrupt is wrapped in the error for a record whose bytes are not those that were written,
	// for a hole in the sequence, and for a reader's position above everything the log has (records
	// at the end were lost); the error names topic and offset.
	ErrCorrupt = errors.New("log is damaged")
	// ErrInUse is returned when another process has the data directory open.
	ErrInUse = errors.New("data directory is in use")
	// ErrUnavailable is wrapped in the error of an append that was not stored because the storage
	// refused it (a full disk, an I/O error). The records are not in the log.
	ErrUnavailable = errors.New("log does not take writes")
)

const (
	// MaxGroupBytes bounds the sum of the bodies of one Append.
	MaxGroupBytes = 6 << 20
	// MaxGroupRecords bounds the number of records of one Append.
	MaxGroupRecords = 1 << 16
	// MaxPartitions bounds TopicConfig.Partitions.
	MaxPartitions = 1024
)

// Log is a set of topics, each an ordered, durable sequence of records in partitions.
// All methods are safe for concurrent use. After Close they return ErrClosed. Errors name the topic
// and wrap one of the errors of this package, or that of the context, or fn's.
type Log interface {
	// Create makes an empty topic. Names are 1 to 200 bytes of [a-zA-Z0-9_-].
	Create(ctx context.Context, topic string, c TopicConfig) error
	// Delete removes a topic with all its records; readers of it end with ErrNoTopic. A topic of the
	// same name can be created afterwards; it has nothing to do with the old one, offsets included.
	Delete(ctx context.Context, topic string) error
	// Retain changes the topic's MaxAge and MaxBytes, for as long as it exists. What is beyond them is removed soon after; what was removed
	// before does not come back.
	Retain(ctx context.Context, topic string, maxAge time.Duration, maxBytes int64) error
	// Topics lists the topics by name.
	Topics(ctx context.Context) (map[string]TopicConfig, error)
	// Append stores the entries as one group, contiguous and in order, all or none, and returns the
	// offset of the last one once the group is durable (fsynced, unless the topic is relaxed or in
	// memory). Groups that are appended concurrently are committed together. Groups appended by one
	// goroutine one after the other keep their order. The log keeps entries' bodies; the caller must
	// not change them (the slice of entries itself may be reused). Append waits when much is waiting
	// to be written already. After an error the group is not in the log, except when the error wraps
	// context.Canceled or DeadlineExceeded: then it may be.
	Append(ctx context.Context, topic string, group []Entry) (Offset, error)
	// Bounds returns what can be read now; the record at Next-1 is durable.
	Bounds(ctx context.Context, topic string) (Bounds, error)
	// Read calls fn for each record with offset >= from in order, first those stored, then each new
	// one as it becomes durable, until ctx ends (then it returns ctx.Err()), fn fails (then it returns
	// that error), or the log closes (ErrClosed). When records at from have been removed by retention
	// it starts with the oldest; a reader that retention overtakes likewise goes on with the oldest
	// record left. Reading from Bounds.Next delivers new records only; a from above it is an error
	// that wraps ErrCorrupt, since only a log that has lost records never reached a position that a
	// reader holds. fn must not call Close.
	Read(ctx context.Context, topic string, from Offset, fn func(Record) error) error
	// ReadRange is Read for from <= offset < to, and returns nil at the end of the range: at once
	// after the last stored record when to <= Bounds.Next, otherwise when the log has grown past to.
	ReadRange(ctx context.Context, topic string, from, to Offset, fn func(Record) error) error
	// Close refuses new appends, stores those under way, stops all readers and waits for them, and
	// releases the storage. Closing again does nothing.
	Close() error
}
