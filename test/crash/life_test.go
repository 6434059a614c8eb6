package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// totals counts what a run has seen.
type totals struct {
	kills, powerCuts, startKills       int
	acks, unknown, repeats, refused    atomic.Int64
	commits, defined, pulls, compared  atomic.Int64
	frames, resumes, resets, pgResumes atomic.Int64
	verified, present, absent          int
	recovered                          atomic.Int64
}

// String is the last line of a report.
func (t *totals) String() string {
	return fmt.Sprintf("kills %d (%d power cuts, %d while starting), acknowledged %d (%d commits), repeated %d, refused %d, unanswered %d (there %d, not there %d), "+
		"definitions %d, frames %d, resumes %d (%d over Postgres), of them resets %d, pulls %d (%d under the token of a fold), views verified %d",
		t.kills, t.powerCuts, t.startKills, t.acks.Load(), t.commits.Load(), t.repeats.Load(), t.refused.Load(), t.unknown.Load(), t.present, t.absent,
		t.defined.Load(), t.frames.Load(), t.resumes.Load(), t.pgResumes.Load(), t.resets.Load(), t.pulls.Load(), t.compared.Load(), t.verified)
}

// verdicts collects violations.
type verdicts struct {
	mu    sync.Mutex
	found []string
}

func (v *verdicts) violated(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.found) < 20 {
		v.found = append(v.found, fmt.Sprintf(format, args...))
	}
}

func (v *verdicts) list() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.found...)
}

// life is what the clients of one life of a node share.
type life struct {
	*node
	*verdicts
	totals *totals
	seed   uint64
	// ctx ends when the node is dead and its last answers have been read.
	ctx context.Context
	// quiet is closed when nobody shall begin anything new.
	quiet chan struct{}
	// failing is set while the disk does.
	failing atomic.Bool
}

// rng is the source of an actor's decisions in this life.
func (l *life) rng(actor uint64) *rand.Rand { return rand.New(rand.NewPCG(l.seed, actor)) }

// over reports whether an actor shall stop.
func (l *life) over() bool {
	select {
	case <-l.quiet:
		return true
	case <-l.dead:
		return true
	default:
		return false
	}
}

// pause waits; it reports false if the life is over.
func (l *life) pause(d time.Duration) bool {
	select {
	case <-l.quiet:
		return false
	case <-l.dead:
		return false
	case <-time.After(d):
		return true
	}
}

// fate is what a client knows of a write.
type fate uint8

const (
	unknown fate = iota // it may be there, whole and once, or not
	acked
	refused // it must not be there
)

// fateOf reads the outcome of a write over either door.
func (l *life) fateOf(what string, err error) fate {
	var answer *refusal
	var pg *pgconn.PgError
	code, message := "", ""
	switch {
	case err == nil:
		l.totals.acks.Add(1)
		return acked
	case errors.As(err, &answer):
		code, message = answer.code, answer.Error()
	case errors.As(err, &pg):
		code, message = pg.Code, pg.Message+" "+pg.Detail
	default:
		l.totals.unknown.Add(1)
		return unknown
	}
	if !certain(code) {
		l.totals.unknown.Add(1)
		if !l.failing.Load() && strings.HasPrefix(code, "XX") && !strings.Contains(message, "canceled") {
			l.violated("%s failed with an internal error on a healthy disk: %s", what, message)
		}
		return unknown
	}
	l.totals.refused.Add(1)
	// Replacing a view in place may not be available; then it is dropped and created.
	if code != "40001" && !(code == "0A000" && strings.HasPrefix(what, "CREATE OR REPLACE MATERIALIZED")) {
		l.violated("%s was refused: %s %s", what, code, message)
	}
	return refused
}
