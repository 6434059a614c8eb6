// Package admission bounds the bytes of writes that a node holds in memory: what clients have sent and the log has not taken yet.
//
// A Budget is one bound for all doors of a node. Every client has a Lease, which grows with what the client sends and shrinks when that is stored, refused or
// given up. Where the budget is used up a lease waits: a door that has a reply for that refuses the request after a moment (HTTP: 429), the
// others stop reading, which is back-pressure down to the client. Nothing that was acknowledged is ever affected.
//
// What it is not: it does not measure memory. Bytes count as clients send them; decoded, encoded and queued they take some
// times that, which the size of the budget has to allow for.
//
// # Progress
//
// A lease that already holds something grows before others begin, the oldest first, and the oldest of all grows although the
// budget is used up: of many half-finished requests one always comes to its end. So up to one lease's bytes come on top of the
// budget, and a lease is bounded by it, too.
//
// There are no goroutines here.
package admission
