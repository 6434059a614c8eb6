// Package session is the one door to a database: every protocol executes statements, ingests events, looks up keys and
// subscribes through a Session.
//
// A Database puts the parts together: the catalog and its changelog, DuckDB as planner and reader, the engine, the hub of
// subscriptions and the writers of streams and tables. A Session is one client: its settings, its transaction
// block, the writes it must be able to read. Errors for users are *fault.Error.
//
// # Writes
//
// A statement or request is one group in the log and so one tick. A transaction block collects its writes and appends them at COMMIT; one that spans relations, or is too large
// for a group, is written in pieces that count only once their commit record is in the topic "tx".
// Statements that read what they write (UPDATE, DELETE, INSERT into a table with a primary key) hold the table's write lock and first wait until the
// table shows all earlier writes; in a block they are checked again at COMMIT, which fails if somebody else wrote in between.
//
// # Reads
//
// A read sees one tick: the last one, after the session's own writes, after what SQL statements of any session have written, and after the token it
// was given. It does not wait for events that others ingest, unless its token is one of theirs.
package session
