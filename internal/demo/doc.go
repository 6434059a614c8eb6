// Package demo is the greenhouse example that lives: a simulator of a greenhouse, a reader of this machine's telemetry, and the feed that
// sends both into a node.
//
// The simulator (Greenhouse) is pure: its readings follow from the seed and the span of time it is asked for, and from nothing else. It knows
// no clock and starts no goroutine. Its physics is a small but honest energy, water and carbon balance per zone; what flows in and out is
// accounted for (Zone.Balance), so that a test can hold it to conservation of energy.
//
// Feed owns the goroutines: Run returns when its context ends. Time comes from package time; tests run it in a synctest bubble.
//
// This is not a load generator: it makes tens of readings a second.
package demo
