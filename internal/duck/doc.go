// Package duck is the only importer of DuckDB: it plans statements, answers batch queries and
// computes single expressions, each in a DuckDB instance of its own.
//
//   - Planner binds and optimizes SQL against empty tables that carry our schemas and hands the
//     logical plan over as JSON. Nothing is executed and no data is held.
//   - Reader answers SELECTs over rows that Go supplies while the query runs (Sources), streaming.
//   - Evaluator computes scalar expressions over columns, for the functions that have no
//     native kernel.
//   - Oracle loads rows into ordinary DuckDB tables: the truth tests and baselines compare with.
//   - ReadFile reads the rows of one Parquet, CSV or JSON file.
//
// It imports internal/row and nothing else of Tidemill; it knows no stream, view or log, only
// named relations with schemas. It is not a database/sql driver.
//
// # Instances
//
// They are separate because they need contrary settings that DuckDB only has per instance: the
// planner runs an allowlist of optimizers (see optimizers.go), the reader runs all of them, and an
// evaluator must not wait behind either. All are in memory, cannot reach files or the
// network (ReadFile, and an Oracle that asks for it, excepted), and work in UTC.
//
// An internal error of DuckDB makes its instance unusable for good. Planner, Reader and Evaluator then open another, make its definitions
// again and repeat the statement that found out; queries that were running in the old one fail.
//
// # Goroutines and threads
//
// A connection is used by one goroutine at a time; the pools see to that. Rows belong to one
// goroutine. DuckDB calls back into Go on threads of its own to fetch rows: these
// callbacks are in callbacks.go, recover every panic into a query error, and take from an Iterator under a
// lock. Planning cannot be interrupted, so Planner and Reader plan in a goroutine that may outlive the call by the
// time the plan takes; their number is bounded.
//
// # Memory
//
// Values are copied when they leave DuckDB, so batches are the garbage collector's. On the way in,
// fixed-width values are copied, and text longer than 12 bytes is lent: the Go memory is pinned until the scan
// ends. C memory is held by databases, connections, statements and results, all of which have a Close.
//
// # Invariants
//
//   - The C API throws C++ exceptions through Go when it is called on an object in the wrong state, which
//     ends the process: every call is behind a check of the state of its object.
//   - SQL from outside passes checkLimits before DuckDB sees it, which also refuses what DuckDB does not survive (hazards.go), and only a single statement of an
//     allowed kind is prepared or run.
package duck
