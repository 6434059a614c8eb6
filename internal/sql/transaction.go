package sql

import "strings"

// TxModes are the modes of a transaction. Every transaction is serializable here, so they are checked
// and only ReadOnly has an effect.
type TxModes struct {
	// Isolation is the level asked for in lower case ("read committed"), empty if none is named.
	Isolation string
	// ReadOnly is nil if neither READ ONLY nor READ WRITE is named.
	ReadOnly *bool
}

// Begin is BEGIN or START TRANSACTION.
type Begin struct {
	Modes TxModes
	// Start is set for START TRANSACTION.
	Start bool
}

// Commit is COMMIT or END.
type Commit struct{}

// Rollback is ROLLBACK or ABORT.
type Rollback struct{}

// SetTransaction is SET TRANSACTION or, with Session, SET SESSION CHARACTERISTICS AS TRANSACTION.
type SetTransaction struct {
	Session bool
	Modes   TxModes
}

func (p *parser) begin() Statement {
	s := &Begin{Start: p.is("START")}
	p.advance()
	if s.Start {
		p.expect("TRANSACTION")
	} else if !p.accept("TRANSACTION") {
		p.accept("WORK")
	}
	s.Modes = p.txModes()
	return s
}

// txModes takes modes up to the end of the statement, with or without commas between.
func (p *parser) txModes() TxModes {
	var m TxModes
	for p.err == nil && !p.atEnd() {
		switch {
		case p.accept("ISOLATION"):
			p.expect("LEVEL")
			m.Isolation = p.isolation()
		case p.accept("READ"):
			ro := p.is("ONLY")
			p.expect("ONLY", "WRITE")
			m.ReadOnly = &ro
		case p.accept("NOT"):
			p.expect("DEFERRABLE")
		case p.accept("DEFERRABLE"):
		default:
			p.unexpected("ISOLATION LEVEL, READ ONLY, READ WRITE or the end of the statement", "ISOLATION", "READ", "NOT", "DEFERRABLE")
		}
		if p.acceptPunct(",") && p.atEnd() {
			p.unexpected("a mode of the transaction")
		}
	}
	return m
}

func (p *parser) isolation() string {
	start := p.tok.start
	if p.accept("READ") {
		p.expect("COMMITTED", "UNCOMMITTED")
	} else if p.accept("REPEATABLE") {
		p.expect("READ")
	} else {
		p.expect("SERIALIZABLE", "READ", "REPEATABLE", "SNAPSHOT")
	}
	return strings.ToLower(strings.Join(strings.Fields(p.textFrom(start).SQL), " "))
}

func (p *parser) commit() Statement {
	p.advance()
	p.txEnd()
	if p.is("PREPARED") {
		p.refuse(p.tok.start, "two-phase commit is not available", "Use COMMIT.")
	}
	return &Commit{}
}

func (p *parser) rollback() Statement {
	p.advance()
	p.txEnd()
	if p.is("TO") {
		p.refuseSavepoint()
	}
	if p.is("PREPARED") {
		p.refuse(p.tok.start, "two-phase commit is not available", "Use ROLLBACK.")
	}
	return &Rollback{}
}

// txEnd takes what may follow COMMIT and ROLLBACK.
func (p *parser) txEnd() {
	if !p.accept("WORK") {
		p.accept("TRANSACTION")
	}
	if pos := p.tok.start; p.accept("AND") {
		if !p.accept("NO") && p.is("CHAIN") {
			p.refuse(pos, "AND CHAIN is not available", "Write BEGIN for the next transaction.")
		}
		p.expect("CHAIN")
	}
}

func (p *parser) refuseSavepoint() {
	p.refuse(p.tok.start, "savepoints are not available",
		"A transaction takes effect as a whole: COMMIT it, or ROLLBACK and begin again.")
}
