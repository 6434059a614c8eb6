// Package scalar compiles bound scalar expressions into programs that compute columns from columns.
//
// It knows plan.Expr and row.Batch and nothing of operators, views or time. It is not an
// optimizer: the expressions come as DuckDB bound and rewrote them, with all casts explicit.
//
// # Meaning
//
// Every native function gives exactly what DuckDB gives (floats may differ in the last places where
// the C library's functions do), fails for the same rows, and fails with DuckDB's message. A call
// that has no native implementation is computed by DuckDB itself through the Fallback; so a function
// is native only if its whole meaning is covered for the argument types at hand. A native function may also leave single rows to the
// fallback (reversing text that is not ASCII, JSON that is not a plain scalar).
//
// Known differences:
//   - AND, OR, COALESCE and CASE never evaluate what cannot matter any more for a row, also where DuckDB would, so some rows
//     have a value here that are an error there.
//   - Sums of TIMESTAMP WITH TIME ZONE and INTERVAL beyond the year 280000 are exact here; DuckDB loses milliseconds.
//   - repeat, lpad and rpad refuse results of more than 16 MiB.
//
// DuckDB's own TRY is never used: over CASE, COALESCE, AND and OR it corrupts its memory when a row fails (1.5.5).
//
// # How a program runs
//
// A block is straight-line code over slots, each slot a column. Kernels are dense: they compute all
// rows of a block, also those under a null, so what they do must be defined for any bits. An expression that occurs
// twice is one slot. A constant stays one value; kernels take it as such.
//
// The arms of CASE, COALESCE, AND and OR are blocks of their own that take columns from the block around
// them. An arm of cheap instructions runs over all rows of its surroundings with a mask that says
// whose failures count; an arm with expensive ones runs over only the rows that need it, gathered.
//
// Expressions that cost much per row (patterns, JSON, formats, DuckDB's own) and that several arms need, or a filter and the projection after it
// (CompileMap), have a memo: each row is computed where it is first asked for and taken from there afterwards. So no row is computed, or
// fails, for which none of these places asks.
//
// A failing row is noted with its position in the batch and its first message, and the other
// rows go on.
//
// # Memory
//
// A Program belongs to one goroutine and starts none. Intermediate columns live in memory that the
// program uses again in its next evaluation; result columns are always memory of their own and may be kept.
//
// # Adding a function
//
// Each area has one table (arithTable, textTable, timeTable …) from a function's name to a builder, which looks at the
// argument types and constants and returns a kernel, or says that it has none. Kernels for simple functions come
// from map1, map2, try1 … around a Go function of one row; only what is on everyone's hot path has loops of its own.
package scalar
