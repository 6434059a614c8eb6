// Package frame is the format in which jetlog stores records: a frame holds one or more groups of
// records, whole, with a checksum. docs/formats/log-frame.md describes the bytes.
//
// What it is not: a stream format. A frame is one message of the storage; where it begins and ends is
// known from there.
//
// A Frame is immutable, and its functions may be called from any goroutine. Decode accepts exactly
// what Encode makes, and no input makes it panic.
package frame
