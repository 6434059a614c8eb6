//go:build !unix

package node

// openFilesMost is how many files the process may have open.
func openFilesMost() int64 { return 1 << 20 }
