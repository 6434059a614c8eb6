// Package nexmark generates the events of the Nexmark benchmark, an online auction, and holds its queries.
//
// It follows the model of the reference generator (1 person, 3 auctions and 46 bids in 50 events; hot sellers,
// auctions and bidders; log-uniform prices), with three differences, so that two systems can be held against each other:
// every event is a function of the seed and its number alone, so any range can be made anywhere, again and in parallel; a
// bid's bidder is a person's ID (the reference adds the base of the IDs twice); and each row has its event's number
// in seq, which breaks ties. The word lists are our own.
//
// It is not a feed: it makes batches of rows and knows no clock, no log and no database. A Generator is immutable and safe
// for concurrent use.
package nexmark
