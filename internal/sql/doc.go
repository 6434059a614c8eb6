// Package sql reads the statements that are Tidemill's own.
//
// It splits a text into statements (Split), parses DDL, DML and the streaming statements by recursive
// descent (Parse), and passes every SELECT, expression and type on untouched, as a Text: its characters
// and its byte offset in the statement, so that an error which the planner reports inside a fragment can
// be shown at the right place in what the user wrote (PositionAt, Error.Shift). The lexer agrees with
// DuckDB's to the byte, because a text that is cut at another place than DuckDB would cut it is a text
// that means something else.
//
// It is not a SELECT parser: it does not know which relations a query reads, whether a name exists or
// which type an expression has. It imports no other package of the project and holds no state; every
// function is safe for concurrent use and starts no goroutine.
//
// # Invariants
//
//   - The work is linear in the length of the text, for any bytes. Recursion is bounded by maxDepth.
//   - No input makes a function panic.
//   - For each Text t of a statement parsed from s: s[t.Pos:t.Pos+len(t.SQL)] == t.SQL.
//   - Sizes are bounded, with an error that names the bound: a statement is at most 1 MiB, one that
//     carries data (INSERT … VALUES, COPY) at most 64 MiB; brackets nest at most 500 deep; a name has at
//     most 255 bytes; a list at most 16384 members.
//   - Every error is an *Error.
//
// # Adapting a text for DuckDB
//
// DuckDB cannot bind a parameter whose type it does not know, does not take the bare word at as a name,
// and shifts its error positions when a text has Unicode spaces. ForDuckDB rewrites a fragment
// accordingly and returns a Map that leads positions back.
package sql
