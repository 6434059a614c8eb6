// Package checkpoint keeps blocks of bytes in files, in order, each of them whole or not at all: the engine's saved state.
//
// A Journal is a directory of segments. Append adds a block to the last one and returns when it is durable; Scan reads all blocks in order, and tells
// where they stop making sense; Drop removes whole segments at the beginning once their blocks are not needed any more. Every block has a checksum
// (CRC-32C) and the number of its predecessor plus one, so that a torn end, a flipped bit and a missing file are all noticed. The format is in
// docs/formats/checkpoint.md.
//
// # What is not here
//
// What a block means. There is one writer; Append, Drop and Close are for one goroutine at a time.
package checkpoint
