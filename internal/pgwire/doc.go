// Package pgwire is the door for Postgres clients: version 3 of the Postgres wire protocol, simple and extended, text and
// binary, with COPY, cancellation and TLS.
//
// It turns messages into calls on a session.Session and results into messages, and keeps what belongs to
// a connection rather than to the database: prepared statements, portals and cursors (one set of names, as in
// Postgres), client settings, savepoints. It does not know what a statement means: whatever is not about the connection
// goes to the session as text. Queries over Postgres' catalog are rewritten by package pgcatalog first.
//
// Messages are cut out of the stream here rather than by pgproto3.Backend, for three reasons: a header that announces a large
// message must not make us allocate it, a point read must not allocate per message, and a statement that waits has to notice that
// its client went away, which takes a look at the stream while nobody reads it. The messages themselves are pgproto3's where
// they are not on the path of every row.
//
// # Goroutines
//
// Serve owns one goroutine per connection; it reads, executes and writes. A statement that runs longer
// than watchAfter gets a second one that looks for the end of the stream; it has ended before the first one
// reads again. Close waits for all of them.
//
// # Bounds
//
// Connections (Options.MaxConnections), the size of a message (Options.MaxMessage), the time of a startup, the number of prepared statements and of
// portals per connection: at the bound an error names it. Output is sent whenever outputHigh bytes have
// gathered, and a client that does not read stops its own statement only.
//
// # Semantics
//
//   - A message of the simple protocol with several statements is not one transaction, except when all of them are INSERT, UPDATE or
//     DELETE: then they take effect at one tick.
//   - In the extended protocol each Execute outside of a transaction block is its own transaction.
//   - A portal or cursor made in a transaction block ends with it, unless it was declared WITH HOLD; a cursor may be declared outside of one.
//   - FETCH from a subscription waits for at least one row, or until its timeout; then it returns what there is.
//   - TimeZone decides how a TIMESTAMPTZ is written, not how text without an offset is read: that is UTC, as in SQL.
//   - ROLLBACK TO takes back what was written since the savepoint; what was read since stays read when COMMIT looks for conflicts.
package pgwire
