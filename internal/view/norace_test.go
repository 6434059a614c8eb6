//go:build !race

package view

// underRace says that the race detector is on.
const underRace = false
