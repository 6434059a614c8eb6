// Package dataflow keeps the result of a query up to date.
//
// A Graph is compiled from a bound plan. Its Step takes what changed in the query's inputs in one tick, as weighted
// batches (Z-sets: +1 inserted, -1 retracted), pushes it once through the operators and returns what changed in
// the result. The model is DBSP (Budiu, Chajed, McSherry, Ryzhyk, Tannen: "DBSP: Automatic Incremental View Maintenance for Rich Query Languages",
// VLDB 2023): a linear operator (filter, projection, union) works on changes alone; the others integrate their
// inputs in keyed state (package state).
//
// # Shards
//
// Every operator has one instance per worker, each with the state of its share of the keys. Operators with keys are
// preceded by a route, which sends each row to the shard that its key's hash selects. Step runs the graph node by node,
// the shards of a node in parallel through the Runner that the engine lends it. An instance is never run by two goroutines at once.
//
// # Time
//
// SetTimes tells a graph the watermark before and after a step and the wall-clock time. Operators whose keys the watermark bounds (package plan finds them) free what is
// closed; lateOp leaves out the rows that come too late for that where they come in; finalOp holds rows back until they are final; temporalOp lets
// rows enter and leave as the time passes. Operators that have something to do when the times move are stepped also without input.
//
// # What is not here
//
// No log, no clock, no I/O and no goroutines: time is an input, and the same changes in the same ticks give the same result. Whether a plan
// can be maintained at all is decided by plan.Check; Build returns an error for what it does not know.
//
// # Invariants
//
// Batches passed between operators are immutable and may be shared. Rows have weights other than 0. An operator's output
// over all ticks sums up to its query over the sum of its inputs; weights of a state never end a tick negative.
// Rows are the same row if row.EqualRows says so. Sums are exact, of floats too, so that what is retracted leaves nothing behind and the
// result does not depend on the order of the rows.
package dataflow
