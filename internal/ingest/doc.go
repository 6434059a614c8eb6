// Package ingest turns what arrives into what is kept: Decode reads a body of events into rows, Target.Encode puts rows into
// the records of the log. CopyParser does Decode's work for the COPY of a Postgres client.
//
// It knows no HTTP, no catalog and no log on disk: the doors give it bytes and the columns they are for, and append
// the entries it returns. It starts no goroutine; nothing in it is shared between calls.
//
// # Events
//
// An event becomes one row. Events stand for themselves: a bad one is refused with a reason (EventError) and its neighbours go on; half of
// a row never stays behind. Only what makes the whole body meaningless is an error of Decode: an unknown content type, a header line that names an
// unknown column, a body beyond its bound. Where the end of a bad event cannot be found (within a malformed JSON array or Arrow stream, behind an
// unbalanced quote) the rest of the body counts as one refused event, and the events before it are kept. So Events is always
// the number of rows plus Rejected.
//
// Fields are matched to columns by name, exactly or else without regard to case. An unknown field refuses its event. A
// column without a field takes its default, or null. For a table, the field _deleted says by true that the row of the event's key is
// deleted; then only the key's columns count.
//
// # Values
//
// Text, in JSON strings and in CSV, is cast to the column's type as DuckDB casts it. JSON numbers never pass through a float on their
// way to integers and decimals: integer columns take only whole numbers (1e3 and 12.0 are whole), decimals are rounded to their
// scale. A number in a DATE-and-time column is an instant since 1970-01-01 UTC: milliseconds from 1e11 up, in either direction, else seconds; digits beyond
// microseconds are cut off. Numbers, booleans, objects and arrays go into VARCHAR as their JSON text, and any value goes into a JSON column as it
// was written. Text with a NUL character, invalid UTF-8, numbers beyond the column's range and nesting beyond 128 levels are refused.
//
// # Identity
//
// A CloudEvent's identity is its source and id (Decoded.IDs); a repeat can so be recognised. Other events have none of their own:
// their identity is that of the request and their position in it, which the session knows.
//
// # Bounds
//
// A body is read whole, up to Format.BodyBytesMax, one event of it up to EventBytesMax. Its rows may take up to 512 MiB, however few bytes
// make a row; errors are described up to ErrorsKept, each with the first EventKept bytes of its event. A COPY takes up to 1 GiB of data,
// and as many rows as a body.
package ingest
