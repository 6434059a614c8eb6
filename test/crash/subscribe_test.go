package crash

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rowsFollower is a subscriber over the Postgres wire. It keeps the rows of a moment back until the row that says that the moment is complete, and
// comes back with that row's token.
type rowsFollower struct {
	*fold
	query string // what is subscribed to
	last  string // the token of the last complete moment
}

func (r *rowsFollower) run(l *life) {
	rng := l.rng(uint64(6000) + uint64(len(r.name)))
	for !l.isDead() {
		ctx, cancel := context.WithCancel(l.ctx)
		if rng.IntN(3) == 0 {
			time.AfterFunc(time.Duration(50+rng.IntN(700))*time.Millisecond, cancel)
		}
		err := r.connect(ctx, l)
		cancel()
		if err != nil {
			l.violated("following %s over Postgres: %v", r.name, err)
			return
		}
		select {
		case <-l.dead:
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// connect follows until the connection ends; its error is a violation.
func (r *rowsFollower) connect(ctx context.Context, l *life) error {
	conn, err := l.connect(ctx)
	if err != nil {
		return nil
	}
	defer conn.Close(context.Background())
	options := "progress = true"
	if r.last != "" {
		options += ", resume = '" + r.last + "'"
		l.totals.resumes.Add(1)
		l.totals.pgResumes.Add(1)
	}
	rows, err := conn.Query(ctx, "SUBSCRIBE TO "+r.query+" WITH ("+options+")", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil
	}
	defer rows.Close()
	var waiting []weighted
	for rows.Next() {
		raw := rows.RawValues()
		w := weighted{token: string(raw[0]), done: string(raw[1]) == "t", start: raw[2] == nil}
		if !w.start {
			if _, err := fmt.Sscan(string(raw[2]), &w.weight); err != nil {
				return err
			}
		}
		for _, v := range raw[3:] {
			w.row += "|" + string(v)
		}
		if !w.done {
			waiting = append(waiting, w)
			continue
		}
		if err := r.take(l, waiting, w.token); err != nil {
			return err
		}
		waiting = waiting[:0]
	}
	var pg *pgconn.PgError
	if errors.As(rows.Err(), &pg) && !l.isDead() && !l.failing.Load() && pg.Code != "57P01" && pg.Code != "57014" {
		return rows.Err()
	}
	return nil
}

// weighted is a row of SUBSCRIBE.
type weighted struct {
	token, row string
	weight     int
	done       bool // everything up to token was sent
	start      bool // a snapshot follows; what was sent before is void
}

func (r *rowsFollower) take(l *life, waiting []weighted, token string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.totals.frames.Add(1)
	for i, w := range slices.Backward(waiting) {
		if w.start {
			l.totals.resets.Add(1)
			r.restart()
			waiting = waiting[i+1:]
			break
		}
	}
	for _, sign := range []int{1, -1} { // what leaves is taken away last: only the whole moment is a state
		for _, w := range waiting {
			if w.weight*sign <= 0 {
				continue
			}
			if err := r.change(w.row, w.weight); err != nil {
				return err
			}
		}
	}
	r.last = token
	return r.at(token)
}

// settle waits until the fold is what a SELECT shows. Nothing is written meanwhile.
func (r *rowsFollower) settle(l *life) error {
	deadline := time.Now().Add(waitMax)
	conn, err := l.connect(l.ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for {
		pulled := map[string]int{}
		results, err := conn.PgConn().Exec(l.ctx, "SELECT * FROM "+r.query).ReadAll()
		if err != nil {
			return err
		}
		for _, values := range results[0].Rows {
			var b strings.Builder
			for _, v := range values {
				b.WriteString("|" + string(v))
			}
			pulled[b.String()]++
		}
		rows, whole := r.content()
		if whole && maps.Equal(rows, pulled) {
			return nil
		}
		if time.Now().After(deadline) {
			l.violated("%s over Postgres: after quiet minutes the fold of all rows differs from a SELECT: %s", r.name, difference(rows, pulled))
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}
