// Package bench measures Tidemill: Nexmark queries against DuckDB, small changes after long histories, ingest over HTTP, the freshness of
// live queries, and point reads over Postgres wire against PostgreSQL.
//
// What runs in the process that is measured is only what is measured: load comes from a child process (see Client), and CPU
// time is the process's own, from the operating system. A rate "per core" is events ÷ CPU seconds. Times on a machine
// that does other things, too, are worth little; CPU seconds suffer less, and their ratio to those of another system
// that ran right before or after suffers least. So the benchmarks run in turns and report medians.
//
// It is not a load generator for other machines, and its numbers are not fit for comparison with those of other machines.
package bench
