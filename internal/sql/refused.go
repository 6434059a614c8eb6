package sql

import "strings"

// refusal says of something that is understood but not available what to use instead.
type refusal struct{ what, hint string }

// refuseVerb fails if the statement's first word is one of Postgres or DuckDB that is not available, and
// reports whether it is.
func (p *parser) refuseVerb() bool {
	start, verb := p.tok.start, strings.ToUpper(p.word())
	r, ok := refusedVerb(verb)
	if !ok {
		return false
	}
	if r.what == "" {
		r.what = verb + " is not available"
	}
	p.refuse(start, r.what, r.hint)
	return true
}

func refusedVerb(verb string) (refusal, bool) {
	const (
		rights  = "Rights are not managed by SQL; a node without them listens on loopback only."
		plain   = "Send the statement itself."
		upkeep  = "There is nothing to do: storage is kept in order in the background."
		files   = "Only streams, tables and views of this database can be read; load files with tidemill load or COPY … FROM STDIN."
		signals = "Insert into a stream or table, and SUBSCRIBE to it or to a view of it."
	)
	switch verb {
	case "SAVEPOINT", "RELEASE":
		return refusal{"savepoints are not available", "A transaction takes effect as a whole: COMMIT it, or ROLLBACK and begin again."}, true
	case "MOVE":
		return refusal{"", "A cursor goes forward: fetch the rows and drop them."}, true
	case "GRANT", "REVOKE", "REASSIGN":
		return refusal{"", rights}, true
	case "LISTEN", "NOTIFY":
		return refusal{"", signals}, true
	case "LOCK":
		return refusal{"", "No lock is needed: a transaction takes effect at one tick."}, true
	case "CALL", "DO":
		return refusal{"", plain}, true
	case "USE", "ATTACH", "DETACH":
		return refusal{"", "A connection is to one database: connect to the other one by its name."}, true
	case "VACUUM", "ANALYZE", "ANALYSE", "CLUSTER", "REINDEX", "CHECKPOINT", "REFRESH":
		if verb == "REFRESH" {
			return refusal{"", "A materialized view is always up to date."}, true
		}
		return refusal{"", upkeep}, true
	case "INSTALL", "LOAD", "PRAGMA":
		return refusal{"", "Extensions and internals of the planner are not for users; settings are shown by SHOW ALL."}, true
	case "IMPORT", "EXPORT":
		return refusal{"", files}, true
	case "SECURITY", "IMPERSONATE":
		return refusal{"", rights}, true
	}
	return refusal{}, false
}

// refuseCreate fails if what stands behind CREATE is something known that is not available. start is
// where the statement begins.
func (p *parser) refuseCreate(start int) bool {
	if p.is("TEMP", "TEMPORARY", "UNLOGGED", "GLOBAL", "LOCAL") {
		p.refuse(start, "CREATE "+strings.ToUpper(p.word())+" is not available",
			"Leave "+strings.ToUpper(p.word())+" out and DROP the relation when it is no longer needed.")
		return true
	}
	if p.is("RECURSIVE") {
		p.refuse(start, "CREATE RECURSIVE VIEW is not available", "Write CREATE VIEW … AS WITH RECURSIVE ….")
		return true
	}
	return p.refuseObject(start, "CREATE")
}

// refuseObject fails if the current word is a kind of object that is not available, behind CREATE, DROP
// or ALTER.
func (p *parser) refuseObject(start int, verb string) bool {
	if p.tok.kind != word || len(p.word()) > longestKeyword {
		return false
	}
	kind := strings.ToUpper(p.word())
	hint, ok := refusedObject(kind)
	if !ok {
		return false
	}
	if kind == "UNIQUE" {
		kind = "UNIQUE INDEX"
	}
	if verb != "CREATE" && kind != "TYPE" {
		hint = "There are none."
	}
	p.refuse(start, verb+" "+kind+" is not available", hint)
	return true
}

func refusedObject(kind string) (hint string, ok bool) {
	switch kind {
	case "SINK":
		return "SUBSCRIBE to the view, or COPY (SUBSCRIBE TO …) TO STDOUT, and write the changes to the other system.", true
	case "SOURCE", "CONNECTION", "SECRET":
		return "Create a STREAM or TABLE and send it the data by INSERT, COPY or HTTP.", true
	case "MODEL":
		return "Score in the program and insert the result, or write the formula in a view.", true
	case "ALERT":
		return "Create a MATERIALIZED VIEW of the rows that should raise it, and SUBSCRIBE to it.", true
	case "INDEX", "UNIQUE":
		return "A table is found by its PRIMARY KEY; for another key create a MATERIALIZED VIEW.", true
	case "SCHEMA":
		return "Use the schema main, and a prefix in the names.", true
	case "DATABASE":
		return "A node has the database main; run another node for another one.", true
	case "FUNCTION", "MACRO", "PROCEDURE", "AGGREGATE", "OPERATOR", "CAST":
		return "Write the expression in the query, or in a VIEW.", true
	case "TYPE": // behind ALTER
		return "Create a type with another name.", true
	case "DOMAIN":
		return "CREATE TYPE gives a type a name; keep the rows that break a rule apart in a view.", true
	case "SEQUENCE":
		return "Let the program choose keys, or use DEFAULT uuid().", true
	case "TRIGGER", "RULE", "EVENT":
		return "Create a MATERIALIZED VIEW of what should follow from the rows, and SUBSCRIBE to it.", true
	case "ROLE", "USER", "GROUP", "POLICY", "OWNED", "DEFAULT":
		return "Rights are not managed by SQL; a node without them listens on loopback only.", true
	case "EXTENSION", "LANGUAGE", "SERVER", "FOREIGN", "PUBLICATION", "SUBSCRIPTION", "TABLESPACE", "COLLATION",
		"STATISTICS", "ACCESS", "TEXT", "SYSTEM", "CONVERSION":
		return "It has no meaning here; leave the statement out.", true
	}
	return "", false
}
