// Package log is the contract of the durable log: topics of records, each an ordered sequence cut
// into partitions, appended to in groups and followed by readers.
//
// Everything that enters a database passes through it: the rows of streams, the changes of tables,
// the definitions of the catalog. What the log has acknowledged is the truth that everything else
// (views, checkpoints, the archive) is computed from and can be computed from again.
//
// What it is not: it does not know what a record's body holds, it has no notion of event time, keys
// or schemas, it keeps no positions for its readers (a reader owns its own), and it does not decide
// which partition a record belongs to.
//
// Implementations:
//
//   - jetlog keeps topics in an embedded NATS server, on disk; it is the one a node runs on.
//   - memlog keeps them in memory; tests, simulation and topics that need no durability use it.
//   - logtest is the conformance suite that both pass. It states this contract as tests; where the
//     documentation here and the suite differ, that is a defect of one of them.
//
// # Groups
//
// The unit of appending is the group: all of its records are stored or none is, they are contiguous
// and in order, and the last one carries the mark Record.Last. A reader that makes its effects
// visible only at such marks never shows half a group. A reader that starts inside a group (because
// it was given such an offset) sees the rest of it.
//
// # Offsets
//
// Offsets of a topic grow and are never given out twice, also over restarts; they are not dense, so
// the number of records between two offsets cannot be computed from them. The position after a
// record with offset o is o+1. A reader that keeps "the next offset to read" and starts there again
// neither misses a record nor sees one twice.
//
// # Goroutines
//
// Read and ReadRange run in the goroutine of their caller and call fn there; a slow fn slows only
// its own reader. Append blocks its caller until the group's fate is known, which is what bounds
// the memory of waiting groups. Goroutines an implementation starts belong to the Log and end
// before Close returns.
package log
