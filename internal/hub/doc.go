// Package hub routes what a tick changed to the subscriptions that want it.
//
// A subscription is a shape: a relation and equality on some of its columns. Subscriptions with the same columns and values share a
// bucket; a tick's rows are divided among the buckets of a relation by one look-up per row and set of columns, and all
// subscriptions of a bucket get the same Frame, which is encoded once. So the cost follows changed rows and interested
// subscriptions, not their product.
//
// # No gap, none twice
//
// A subscription is entered before its snapshot is taken, and drops frames of ticks that the snapshot shows. A subscription that falls behind
// loses its queue and not its place: it reads what it missed from the relation's change history, as one change, or starts over with
// a snapshot (Reset) if the history no longer reaches back. So a slow subscriber costs nobody and holds a bounded number of frames.
//
// # Goroutines
//
// Tick is called by the engine's loop and only queues; one goroutine of the Hub routes. Subscription methods run on the caller's goroutine.
package hub
