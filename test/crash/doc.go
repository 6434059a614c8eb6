// Package crash kills nodes and wants every promise about what they keep to hold afterwards.
//
// A run is a sequence of eras, each on a data directory of its own; an era is a sequence of lives of the built binary. In each
// life clients write through every door and remember what was acknowledged, others define, replace and drop views and tables, subscribers
// fold every frame, and readers pull; meanwhile the disk stalls, fails and runs full; then comes kill -9, or a power cut that takes what was
// not synced with it (faultfs). The next life begins with a check, before anyone writes:
//
//   - each acknowledged request is there whole and once; one whose answer never came is there whole and once, or not at all; one that was
//     repeated with its identity is there once;
//   - tables have what was last acknowledged, transactions over several relations are whole;
//   - views equal what DuckDB computes from the stored rows (VERIFY VIEW), and what the test's own model says;
//   - what was defined is there, what was dropped is gone, and nothing in between;
//   - subscribers have resumed by their tokens, and the fold of all frames they ever saw is what a pull shows.
//
// While a life lasts, every frame and every pull keeps the invariants: the bank's sums, transactions that are whole, one tick for all
// relations of a query, and the same content under the same token for a pull and a fold.
//
//	go test ./test/crash                                  some dozens of kills
//	go test ./test/crash -timeout 3h -crash.for=2h        as long as one likes
//	go test ./test/crash -crash.seed=7 -crash.kills=12    what failed, again
//
// A seed decides what clients do, what the disk does and when the kill comes, not how the processes' goroutines interleave: a failure shows again as far as timing
// allows. The data directory of a failure is kept, its place printed.
package crash
