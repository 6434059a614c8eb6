// Package pgcatalog lets tools that ask Postgres about its catalog ask Tidemill.
//
// A query that mentions pg_catalog, information_schema or one of the functions and types that belong to them
// is rewritten (Rewrite) into a query in DuckDB's dialect over views in the schemas Schema and
// InfoSchema. Those views and the macros that stand for Postgres' catalog functions are plain SQL
// (Macros) over a handful of base relations (Relations), whose rows come from a Catalog: the
// names, columns and keys of the database's relations. So any query over the catalog has a true answer, not
// only the queries somebody thought of.
//
// Whoever owns the DuckDB instance makes the base relations readable there, runs Schemas and Macros once (before the first query that
// needs them will do), and binds the texts for which IsCatalogQuery is true there and nowhere else.
//
// It is not a SQL parser: the rewrite works on tokens. It keeps everything that it does not know as it was, and
// a text that needs no change is returned as it is.
//
// # Invariants
//
//   - Object identifiers are stable: they follow from Object.ID, and never from an object's place in a list.
//   - The rewrite is linear in the length of the text, apart from casts to reg* types, and never panics.
//   - Nothing here holds state or starts a goroutine; everything is safe for concurrent use.
package pgcatalog
