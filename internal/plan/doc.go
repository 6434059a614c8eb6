// Package plan is the bound logical plan of a query: what DuckDB understood a SELECT to mean, in a small closed set of
// operators, before it is compiled into a dataflow.
//
// Decode reads DuckDB's plan, Optimize applies the list of Rewrites, Check says why a plan cannot be kept up to date, and
// Explain, Fingerprint, Relations, UniqueKey and AppendOnly tell about it. SQLOf writes an expression as SQL again, for
// those that DuckDB has to compute. FindEventTimes finds the columns that a watermark bounds from below, TemporalsOf reads conditions on the time.
//
// # What is not here
//
// No SQL is parsed, bound or decorrelated here: DuckDB does that (package duck makes the plans, and is not imported).
// No dataflow is built here: that is package dataflow's, which also knows which aggregate functions it can maintain. The
// package has no state, no goroutines and no I/O; all functions may be called from anywhere at once.
//
// # Plans
//
// A plan is a tree of Nodes, or rather a graph without cycles: a common table expression that is used several times is one
// Node that several others read. Whoever walks a plan visits each node once (see Nodes); following every path can take
// exponential time. Nodes and expressions are immutable once built: rewrites make new nodes and share what they did not
// change.
//
// An operator's expressions refer to the columns of its input by position; those of a join's residual to the columns
// of left and right one after the other. The set of operators is closed: what DuckDB can plan and Tidemill has no
// operator for becomes an Unsupported, and only Check turns it into an error, for the outermost construct, in the words of SQL.
//
// # Invariants
//
// A decoded plan is as deep as maxDepth at most, so that it can be walked recursively. Optimize keeps the number, the
// order and the types of the result's columns, and the multiset of its rows. Types of the two sides of a JoinKey, of the
// branches of a Union and of the arguments of a call are equal to what DuckDB resolved them to: every conversion is a Cast.
package plan
