// Package engine is the tick loop of a database: it takes what has arrived in the log, pushes it through the dataflow graphs
// of all views once, and makes all changes visible together.
//
// # A tick
//
// Readers (one goroutine per stream or table) decode the log's records into a bounded queue. The loop, one goroutine, takes
// what the queues hold, up to a bound; turns it into changes (a table's upserts become −old +new); steps the graph of every
// view whose inputs changed, views before their dependents; applies the changes to the views' stores; and publishes: from then on every
// new Snapshot shows the tick, of all relations or of none. A group of records that was appended together is never split between
// ticks, and the groups of a transaction over several relations are taken in one tick or, if it never committed, not at all.
//
// # Time
//
// Ticks are numbered from 1 in every run; a run is an epoch. The log's offsets that a tick covers (Frontier) outlive runs.
//
// Event time is another matter: the clocks of streams that have a watermark follow it, in the order in which the log took the groups of all of them, so that what is
// late does not depend on how groups fall into ticks (docs/adr/0006). A tick tells each view's graph the watermark before and after it, and the wall-clock
// time for filters that compare with it. While such views exist the loop looks at the time also when nothing comes in.
//
// # Starting
//
// State is rebuilt by replaying the log. Start returns once everything that was in the log when it was called is in a published tick; until
// then nothing should be read.
//
// # New views
//
// AddView builds a view beside the running ones: it reads the inputs' content at one tick, then the changes of the ticks since, which the
// loop keeps for it, and joins the loop at an exact tick. A view that falls behind too far holds the loop back rather than losing a change.
//
// # Goroutines
//
// The loop and the readers belong to the Engine; Close stops them and waits. Shards of operators run on goroutines that live for one call.
package engine
