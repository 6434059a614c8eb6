// Package slt holds the differential tests of maintained queries against DuckDB: SQL text files in testdata, and the harness that
// replays each of them in random order and chunking.
//
// A file has a schema, optionally rows of its own, and queries, separated by lines of dashes:
//
//	CREATE TABLE items (id INTEGER PRIMARY KEY, price DOUBLE);
//	CREATE STREAM sales (item INTEGER, n INTEGER);
//	----
//	INSERT INTO items VALUES (1, 2.5);
//	----
//	SELECT item, sum(n) FROM sales GROUP BY item;
//
// The schema may have CREATE TYPE too. The statements of the second part may be missing; random rows are made for every relation in any case, from small domains, so that keys meet,
// with nulls and edge values. Each chunk inserts rows and, into tables, updates and deletes some, as the same SQL text on the node and on DuckDB. Every query becomes a materialized
// view three times: before the first chunk, in the middle, and at the end; a view on the first view; and a subscription. After every chunk, and
// after a restart of the node, all of them must equal DuckDB's answer as multisets, floats to 1e-9 of their size.
//
// A query must have one answer only: no order-dependent aggregates, no ties that SQL leaves open.
//
// TestGeneratedDataflow and TestGeneratedNode do the same with queries that package sqlgen makes over schemas of its own: the first maintains each by itself, some
// thousands a minute, and makes one that fails small; the second runs those on whole nodes.
//
//	go test ./test/slt -run Generated -slt.gen.seed=1 -slt.gen.queries=100000 -slt.gen.for=10m -slt.gen.show
//
// lists what is refused too, with the smallest example of each reason.
//
// TestBankSumsToNothing watches the balances of a bank; -bank.transfers says how many transfers it makes.
//
// Seeds come from -slt.seed and -slt.runs; those that failed once are in testdata/seeds and always run.
package slt
