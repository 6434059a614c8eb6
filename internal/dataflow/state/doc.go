// Package state holds the keyed state of operators: in Go slabs, not in pointers.
//
// Everything is made of two things: Array, pages of fixed-size elements addressed by a dense 32-bit id, and
// Heap, pages of bytes for text. On them stand Rows (columns of values by id), Index (a hash table from hashes to ids),
// Set (rows found by their content) and Ordered (a set with a smallest and a largest member per group). The garbage collector sees some
// pages per million rows. Arrays and heaps note what was written (At marks, Peek does not), so that a Keeper saves only what changed; tables and ordered indexes are
// made again from them.
//
// State belongs to one shard of one operator and is for one goroutine. Nothing here knows SQL, time or I/O.
package state
