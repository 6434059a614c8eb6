// Package faultfs is a file system for tests that can lose what was not synced, fail, stall and run full. A Volume holds the content;
// Mount shows it to other processes through FUSE (Linux only, and only where /dev/fuse may be used).
//
// # What survives a power cut
//
// It behaves like a journaling file system with ordered metadata (ext4's default):
//
//   - A write is durable after a successful fsync of its file, or at once if the file was opened with O_SYNC or O_DSYNC.
//   - Changes of names (create, rename, unlink, mkdir) are durable in the order in which they were made: after a successful fsync of any
//     file or directory all earlier ones are; of later ones a power cut keeps some first ones.
//   - Of the writes to a file that were not synced a power cut keeps none, all, some first ones with the next one torn, or any.
//   - After a failed fsync the writes that it was about are still read back, but no later fsync makes them durable: only writing them again does.
//
// All of it is decided by a seed.
//
// # Faults
//
// While Faults are set, operations take longer, fail with an error number, or write only a part of what they were given. They
// hit operations that change something; reading never fails.
//
// # Life
//
// A Volume outlives the processes that use it. Freeze is the moment of the power cut: nothing that is asked for later is done or
// answered, so what had been answered before is all that anyone can have relied on. Then the process is killed, the mount is released with Mount.Close, and
// Volume.Crash undoes what was not durable. Kill without Crash is the end of a process on a machine that stays up.
package faultfs
