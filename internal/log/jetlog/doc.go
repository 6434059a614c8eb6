// Package jetlog implements the log (internal/log) with an embedded NATS server: one JetStream
// stream per topic, in the process, without a network listener. It is the only package of the
// project that knows NATS.
//
// What it is not: a general messaging API. Nobody else connects to the server it runs, and nothing
// but frames is stored in the streams it makes.
//
// # Frames
//
// JetStream fsyncs every message by itself, so messages must be few and large. Each durable topic has
// one writer goroutine, which gathers all groups that are waiting, up to about 1 MiB, into one frame
// (docs/formats/log-frame.md) and stores it as one message; while that is being fsynced the next one
// gathers. A group is never split. The offset of a record is its frame's sequence number in the
// stream shifted left by 16, plus the record's index in the frame.
//
// The stream is appended to with the expected last sequence, so a frame that may or may not have been
// stored can be sent again: at most one of the attempts is taken. When an attempt ends without a clear
// answer the writer looks at what the stream holds before it tells anyone (publish.go).
//
// # Readers
//
// A frame that has become durable stays in memory for a while (tail.go): readers at the end of a topic
// are served from there and share its bytes. A reader that is further behind reads from the stream
// in bounded requests (fetch.go) until it has caught up. Either way it runs in its caller's goroutine,
// takes frames one after the other by number, and holds nothing that the writer waits for.
//
// # Damage
//
// A frame carries a checksum and its number. JetStream silently leaves out what it cannot read, so a
// frame that is missing although it is neither before the stream's first one nor behind its last is
// an error (log.ErrCorrupt), as is one whose checksum or number is wrong. If the newest blocks are
// damaged and the process then ends without closing the log, JetStream takes the stream to end where
// the damage begins. The file ENDS says how far each stream went (ends.go): reading beyond what is left is
// log.ErrCorrupt, and so is appending, which would put other records in the place of the lost ones.
//
// # Relaxed and memory topics
//
// An append to a relaxed topic is acknowledged when its group has its place in the queue of the
// topic's writer. The queue is bounded (64 MiB per topic), it is written by the same path with the
// same fsync, and readers see a frame only when it is durable. So a crash loses at most the groups that
// were acknowledged and still queued: none of them has been seen by a reader, and their offsets are
// given to other records afterwards. If the storage refuses a frame of a relaxed topic, the writer
// keeps it and tries again; new appends are refused meanwhile.
//
// Memory topics are kept by memlog. Only their configuration is in the server, in a marker stream.
// Their offsets start from the clock, so that they grow over restarts.
//
// # Storage errors
//
// JetStream freezes a stream on its first write error and does not answer publishers any more. When
// that is found, the server is restarted on the same directory, which is the only way to learn what
// the stream holds and to unfreeze it; the append then fails with log.ErrUnavailable (or succeeds, if
// the frame is there). What a server has left behind is written again and synced before the next one reads it (settle.go): after a failed
// fsync, and after the end of a process, bytes can be read that a power cut would take. What it noted of its state is removed: it counts the frame that
// failed. From then on appends are refused at once, until a probe, a file of a few MiB
// written to the same directory and fsynced, succeeds. Reads pause for the restart and go on.
//
// # Ownership
//
// A Log owns: the server and its connections, a writer goroutine per topic that has been appended to,
// and a probe goroutine while storage is refused. All end in Close. A directory belongs to one
// process, held by a lock on the file LOCK in it. Several Logs in one process on different
// directories are independent.
//
// # Clusters
//
// The server runs standalone. It must never be started with cluster options on a directory that was
// written standalone: JetStream then deletes all streams in it as orphans. Growing to a cluster means
// mirroring the streams into one (a leaf node, a mirror, then promotion of the mirror), not
// reconfiguring this directory.
package jetlog
