//go:build race

package dataflow

// underRace says that the race detector is on: it makes tests several times slower, so they take fewer seeds.
const underRace = true
