// Package logtest is the conformance suite of the log: the contract of internal/log as tests that
// every implementation passes. It uses only what the contract exports.
//
// What it is not: a test of durability under crashes, of damage or of speed; those depend on the
// implementation and stay with it.
//
// Run opens a fresh log for each test and closes it afterwards. Goroutines a test starts end before
// it returns.
package logtest
