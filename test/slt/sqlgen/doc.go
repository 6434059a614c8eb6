// Package sqlgen makes random queries that have one answer, for tests that compare two engines.
//
// A Generator makes a schema of streams and tables and then queries over it, from the random numbers it is given only: the same seed makes the same
// queries. Expressions are made for a wanted type, from the columns in scope down, so that nearly every query binds.
//
// Every query has one answer as a multiset of rows. LIMIT, DISTINCT ON, row numbers and frames of rows follow an order by all columns that are there, in
// which only equal rows are tied; aggregates whose value depends on the order have one by their whole argument; the right side of an ASOF
// join has one row per key and time. Floats of the schema are small multiples of an eighth, of which sums are exact; what is computed with
// rounding is only handed on: it is never compared, grouped, ordered or summed up.
//
// Each query is made from a random part of the grammar, so that simple ones come as often as those in which everything meets. A query is a tree of
// which Shrink makes smaller ones.
package sqlgen
