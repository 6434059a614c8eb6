// Package row is the vocabulary of the data: types, schemas, columns of values and
// batches of rows, with hashing, comparison, text forms and the record codec.
//
// It imports nothing else of Tidemill and knows no SQL, no log and no clock.
//
// # Layout
//
// A Vec is one column of values in Apache Arrow's memory layout: fixed-width little-endian
// values, or 32-bit offsets into bytes, and a validity bitmap (least significant bit first,
// 1 = valid, nil = no nulls). Two types differ from Arrow in memory, for the speed of the
// kernels: BOOLEAN takes one byte per value (0 or 1), INTERVAL is {months int32, days int32,
// micros int64}. Everything else goes to and from Arrow, and so to and from the log, without
// copying.
//
// # Nested values
//
// A list, struct or map is one value of a column of bytes, in the form of a key: its parts as AppendKey writes them, one after the other, which begin with a
// mark; lists and maps have a mark at the end. So equality, order, hashing and keys need to know nothing of what is inside, and agree with DuckDB, which takes nulls in there as equal and last. A map
// is a list of STRUCT(key, value). AppendElement and its like make values, Elements goes through one, Unlist and Unstruct take a column apart into columns, ListVec and StructVec
// put one together. Keys do not keep everything: in a nested value -0.0 becomes 0.0, and an interval's days and microseconds are
// carried ('30 days' becomes '1 month'). An ENUM is the position among its type's values.
//
// A Batch is a set of columns of one length and, inside the engine, a weight per row: +1
// inserted, -1 retracted (a Z-set); nil weights mean +1 for all.
//
// # Ownership
//
// Vecs and Batches that have been handed on are immutable, so columns are shared freely
// between batches. Only the Builder that makes a Vec writes to it. Memory is the garbage
// collector's: nothing has to be released. The value under a null is unspecified.
//
// # Texts and casts
//
// AppendText, Builder.AppendParsed and CastVec do what DuckDB's casts do, value for value; tests compare them
// with DuckDB itself. Known exceptions, where DuckDB's answer is an accident: floats written with underscores and more than
// 18 digits, 2^81 and some other powers of two as text, floats that overflow an integer only by being rounded (an
// error here), TIMESTAMPTZ after the year 9999 (rounded there), and zone names other than those of the IANA database.
//
// # Bytes from outside
//
// Codec.Decode, UnmarshalSchema, DecodeKey, NewArrowReader with CastArrow, and all parsing take any bytes: what is damaged or
// hostile is an error, never a panic, and takes no more memory than a small multiple of its size, or the stated limits.
//
// # Equality
//
// Equal, Hash and Compare agree with DuckDB: nulls equal each other (as in GROUP BY), NaN equals
// NaN and is the largest number, -0.0 equals 0.0, intervals compare by 30-day months and
// 24-hour days, text by its UTF-8 bytes.
package row
