package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
)

func scrape(t *testing.T, s *Set) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d %v %s", w.Code, err, text)
	}
	return string(text)
}

// TestNilCountsNothing: every part works without metrics.
func TestNilCountsNothing(t *testing.T) {
	var s *Set
	s.Watch(nil)
	db := s.Database("x")
	door := db.Ingest.Door(HTTP)
	door.Stored(1, 1, time.Now())
	door.Rejected("x", 1)
	door.Failed(errors.New("x"))
	db.Ticks.Ended(1, 1)
	db.Checkpoints.Saved(1, 1, 1)
	db.Checkpoints.Failed()
	db.Queries.Begun()
	db.Queries.Ended(Select, time.Now())
	db.Queries.Failed(errors.New("x"))
	sub := db.Subscriptions
	sub.Opened()
	sub.Closed()
	sub.Frame(FrameChange)
	sub.Wrote(1)
	sub.Reset()
	sub.Behind()
	sub.Cut()
	sub.Conflated(1)
	s.Log().Appended(1, 1, nil)
	s.Log().Synced(1)
	s.Doors().Connected(HTTP)
	s.Doors().Disconnected(HTTP)
	s.Doors().Denied(HTTP)
	s.Doors().Requested("x", 200, 1, false)
}

// TestCardinality: views beyond the bound are summed up, those created first keep their series, and a name that looks like ours does no harm.
func TestCardinality(t *testing.T) {
	s := New("test")
	st := DatabaseState{Name: "main"}
	for i := range RelationsMax + 50 {
		st.Views = append(st.Views, View{ID: int64(RelationsMax + 50 - i), Name: fmt.Sprintf("v%d", RelationsMax+50-i), Rows: 2, Lag: time.Duration(i) * time.Second})
		st.Inputs = append(st.Inputs, Input{ID: int64(i), Name: fmt.Sprintf("s%d", i), QueuedBytes: 3})
	}
	for i := range 7 {
		st.Views = append(st.Views, View{ID: int64(10_000 + i), Name: Anonymous, Rows: 5})
	}
	st.Views = append(st.Views, View{ID: -1, Name: Others, Rows: 11}, View{ID: 20_000, Name: "v1", Rows: 13})
	for i := range 300 {
		st.Problems = append(st.Problems, Problem{"input", fmt.Sprintf("s%d", i/2)})
	}
	s.Watch(func() State { return State{Databases: []DatabaseState{st}, Problems: []Problem{{"log", "log"}}} })
	text := scrape(t, s)
	for _, want := range []string{`tidemill_view_rows{database="main",view="v1"} 2`, fmt.Sprintf(`tidemill_view_rows{database="main",view="v%d"} 2`, RelationsMax),
		`tidemill_view_rows{database="main",view="(others)"} 124`, `tidemill_view_rows{database="main",view="(subscription)"} 35`,
		`tidemill_view_lag_seconds{database="main",view="(others)"} 49`, `tidemill_input_queued_bytes{database="main",relation="(others)"} 150`, "tidemill_ready 0"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not there", want)
		}
	}
	if n := strings.Count(text, "\ntidemill_view_rows{"); n != RelationsMax+2 {
		t.Errorf("%d views have series", n)
	}
	if n := strings.Count(text, "\ntidemill_stuck{"); n != problemsMax+1 || !strings.Contains(text, `tidemill_stuck{database="",kind="log",name="log"} 1`) {
		t.Errorf("%d problems have series", n)
	}
}

// TestDoors: what is not a door of ours counts as another one; it does not become a label.
func TestDoors(t *testing.T) {
	s := New("test")
	s.Database("main").Ingest.Door("' OR 1=1").Stored(3, 1, time.Now())
	if text := scrape(t, s); !strings.Contains(text, `tidemill_ingest_events_total{database="main",door="other"} 3`) || strings.Contains(text, "OR 1=1") {
		t.Error(text)
	}
}

func TestClassOf(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		if got := ClassOf(err); got != want {
			t.Errorf("%v is of class %s, want %s", err, got, want)
		}
	}
	f(fault.New(fault.SyntaxError, "x"), ClassUser)
	f(fault.New(fault.LimitExceeded, "x"), ClassLimit)
	f(fault.New(fault.SerializationFailure, "x"), ClassConflict)
	f(fault.New(fault.DiskFull, "x"), ClassUnavailable)
	f(fault.New(fault.IOError, "x"), ClassInternal)
	f(fmt.Errorf("waiting: %w", context.Canceled), ClassCanceled)
	f(context.DeadlineExceeded, ClassCanceled)
	f(errors.New("x"), ClassInternal)
}

// BenchmarkPieces: what a batch, a tick and a query pay.
func BenchmarkPieces(b *testing.B) {
	db := New("test").Database("main")
	door := db.Ingest.Door(HTTP)
	b.Run("batch", func(b *testing.B) {
		for b.Loop() {
			door.Stored(100, 10_000, time.Now())
		}
	})
	b.Run("tick", func(b *testing.B) {
		for b.Loop() {
			db.Ticks.Ended(time.Millisecond, 100)
		}
	})
	b.Run("frame", func(b *testing.B) {
		for b.Loop() {
			db.Subscriptions.Frame(FrameChange)
			db.Subscriptions.Wrote(100)
		}
	})
}
