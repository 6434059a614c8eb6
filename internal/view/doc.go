// Package view holds the contents of a maintained relation, a materialized view or a table: its rows at each of
// the last ticks, look-up by key and by range, and the changes that led there.
//
// It knows rows and ticks. It computes nothing, persists nothing, starts no goroutines, and does not know what the relation
// means; the engine feeds it and sees to it that the stores of a database publish a tick together.
//
// # Versions
//
// One writer makes changes; any number of readers look at snapshots. Neither waits for the other: the locks they
// share are held for a few operations on small slices. Nothing a reader sees through a snapshot ever changes.
//
// Rows lie in chunks of up to 2048, column by column. A slot is written once, and dies at a tick when its row is deleted
// or replaced by a newer version elsewhere. Ids of rows (chunk number and slot) only grow and are never used
// again, so a version, the state as of a tick, is no more than a tick and the next id at that time:
//
//	a row is visible at version v  ⇔  id < v.next  and  (it lives  or  it died after v.tick)
//
// That spares a tick of birth per row, and publishing is the storing of one small struct.
//
// # Memory model
//
// (1) A slot is complete before its id is in the index, and before the version that shows it is published; both are
// synchronized (an atomic store, a mutex). (2) After that only the tick of its death is written, atomically. (3) What
// several slots share is never written where a published slot is: nulls are bytes rather than bits, text is
// appended, and moves as a whole when it has to grow. (4) Chunks that a reader holds stay in memory: batches that share
// memory with a chunk need no release.
//
// # Index
//
// A hash index (extendible hashing, so that it grows by bounded steps) has one entry per key: the id of its newest
// version. Each version knows the one before it. A reader probes it without locks, at whatever state it finds, and
// follows the versions back to the first one that its snapshot has; that is enough, because entries for all versions
// up to its tick are there before the snapshot is, and an entry goes only when its row had died before the oldest
// version there is. Updating a row thus costs one store into the index, no matter how many snapshots are open.
//
// A relation without a key is a multiset: the index is over all columns, and a version carries its multiplicity, so
// very many equal rows cost as much as one.
//
// The ordered index is the set of the keys in the hash index, in order. It is built when the first Range asks for it, by
// that reader, and kept by the writer from then on. It holds no rows: updates do not touch it.
//
// # Reclaiming
//
// The horizon is the oldest version that is pinned or is one of the last two. Publish reclaims a bounded amount of what
// had died by then: it removes index entries of keys that are gone, drops chunks that are dead, and moves the living rows
// out of chunks that are mostly dead, as new versions of the same content. The bounds grow with the changes of
// the tick, so reclaiming keeps up, and memory stays below about twice what lives (four times in the worst case,
// plus what open snapshots hold). A snapshot that is never closed is a leak that grows with every update.
//
// Changed rows are not overwritten in place once no snapshot needs the old version, as one might: slots that can
// be written twice would take a check of every slot that is read, and batches could no longer share their memory.
//
// # Append-only relations
//
// Without a key and deletions nothing of this is needed: the store keeps the batches themselves, and a version is the
// number of them. Only batches below 2048 rows are copied together, at most twice each row.
//
// # History
//
// The changes of the last ticks are kept within a number of bytes, as the batches that were applied. What falls out at
// the old end moves HistoryStart; whoever is behind that starts with a snapshot again.
package view
