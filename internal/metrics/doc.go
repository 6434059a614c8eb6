// Package metrics is what a node tells Prometheus about itself: counters and histograms that the parts of a node fill as they work, and
// gauges that are asked for when somebody scrapes. It is the only package that knows Prometheus' client.
//
// A Set holds the metrics of one node and serves them (Handler). There is no global registry and nothing registers itself: node makes the Set and hands each
// part its piece: Ingest, Ticks, Checkpoints, Queries and Subscriptions of a Database, Log, Doors. A nil piece counts nothing, so that a part works without.
// A part that comes new gets a file and a piece of its own here.
//
// # Cost
//
// Where data flows, a piece is told of batches, ticks, frames and requests, never of rows; each call is a few atomic additions. What there is one of for each
// view or stream (its lag, rows and memory) is read from the engine's own counters when /metrics is asked for, and costs nothing in between.
//
// # Cardinality
//
// Labels are names of this program (doors, routes, classes of errors) and names of databases, views, streams and tables. Of the latter at
// most RelationsMax of a database have series of their own, those created first; the others are summed up as Others. The views that live
// queries have to themselves are always summed up, as Anonymous. Nothing that a client sends becomes a label.
//
// # Concurrency
//
// Everything is safe for concurrent use. Nothing here starts a goroutine.
package metrics
