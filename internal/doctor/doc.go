// Package doctor examines a machine before, or while, a node runs on it: limits of the operating system, ports, disk, clock, memory. It says what binds first,
// at which number, and how to raise it.
//
// Examine reads the facts of the machine (Facts) and then judges them (Judge); the judgement is pure, so that tests hold it against machines of all
// kinds. What the operating system does not tell is left out rather than guessed. Nothing is changed but for a file that is written, fsynced and removed in the
// data directory to measure the disk, and ports that are opened and closed again. It starts no goroutine that outlives the call.
package doctor
