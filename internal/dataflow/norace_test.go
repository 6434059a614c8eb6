//go:build !race

package dataflow

// underRace says that the race detector is on.
const underRace = false
