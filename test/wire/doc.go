// Package wire drives a real node with real Postgres clients: psql, pgx, psycopg, SQLAlchemy and node-postgres. Clients that are not installed are skipped.
//
// The tests start the binary that TIDEMILL_BIN names, or build it.
package wire
