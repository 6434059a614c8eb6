//go:build !linux

package doctor

import "runtime"

// systemFacts knows only what the Go runtime does.
func systemFacts() Facts { return Facts{CPUs: runtime.NumCPU()} }

func fileSystem(string) (kind string, free, total int64) { return "", 0, 0 }

func synchronized() *bool { return nil }
