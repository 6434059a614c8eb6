// Package memlog implements the log in memory: the same contract as the durable one (internal/log),
// without the durability. Tests and simulation use it directly, and jetlog keeps its memory-only
// topics in it.
//
// What it is not: a cache in front of a durable log, or a queue. A group stays until retention or
// Delete removes it.
//
// Records keep the bodies they were appended with; nothing is copied. Offsets are made so that one
// is left out between any two groups: code that takes offsets for dense breaks here first.
//
// Retention is applied when a topic is touched (appended to, asked for its bounds, read), not by a
// timer, so with an injected clock a topic's contents are a function of the calls made. The newest
// group of a topic always fits: MaxBytes makes room for it by removing older ones.
//
// Memory is bounded by Options.MaxBytes over all topics together; at the bound Append fails with
// log.ErrUnavailable, and takes records again once retention or Delete has made room.
//
// The package starts no goroutines. Readers run in their callers' and are woken by appends.
package memlog
