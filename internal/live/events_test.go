package live

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/internal/session"
)

// TestFraming: every byte of a stream, with values that would break lines and quotes.
func TestFraming(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO t VALUES (1, 'a', 'line' || chr(10) || 'data: x' || chr(13) || chr(10) || chr(10) || '"')`)
	c := w.live(session.SubscribeRequest{Relation: "t", After: w.token(), Progress: 10 * time.Millisecond})
	var lines []string
	id := func(line string) string {
		name, value, _ := strings.Cut(line, ": ")
		if name != "id" || value == "" || strings.ContainsAny(value, " \r") {
			t.Fatalf("no token in %q", line)
		}
		return value
	}
	read := func() string {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
		return strings.TrimSuffix(line, "\n")
	}
	for _, want := range []string{"retry: 1000", ""} {
		if got := read(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	first := id(read())
	for _, want := range []string{"event: snapshot", `data: {"rows":[{"k":1,"g":"a","v":"line\ndata: x\r\n\n\""}],"more":false}`, ""} {
		if got := read(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	w.exec(`UPDATE t SET v = NULL WHERE k = 1`)
	second := id(read())
	if first == second {
		t.Error("the token did not move")
	}
	for _, want := range []string{"event: change", `data: {"inserts":[{"k":1,"g":"a","v":null}],"deletes":[{"k":1,"g":"a","v":"line\ndata: x\r\n\n\""}]}`, ""} {
		if got := read(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	// A tick that changes nothing here is told as progress.
	w.exec(`CREATE TABLE other (k INTEGER)`)
	w.exec(`INSERT INTO other VALUES (1)`)
	if third := id(read()); third == second {
		t.Error("progress with the token of the frame before")
	}
	for _, want := range []string{"event: progress", "data: {}", ""} {
		if got := read(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

// TestResume: who comes back gets what it missed, once, and no snapshot.
func TestResume(t *testing.T) {
	w := newWorld(t)
	c := w.live(session.SubscribeRequest{Relation: "counts"})
	c.wants("snapshot", `{"rows":[],"more":false}`)
	w.exec(`INSERT INTO t VALUES (1, 'a', ''), (2, 'a', '')`)
	token := c.wants("change", `{"inserts":[{"g":"a","n":2}],"deletes":[]}`)
	c.close()
	w.exec(`INSERT INTO t VALUES (3, 'a', '')`)
	w.exec(`INSERT INTO t VALUES (4, 'a', '')`)
	c = w.live(session.SubscribeRequest{Relation: "counts", Resume: token, After: w.token()})
	token = c.wants("change", `{"inserts":[{"g":"a","n":4}],"deletes":[{"g":"a","n":2}]}`)
	w.exec(`DELETE FROM t`)
	c.wants("change", `{"inserts":[],"deletes":[{"g":"a","n":4}]}`)
	c.close()
	// The token of a frame that was received, but is not the last that was sent.
	c = w.live(session.SubscribeRequest{Relation: "counts", Resume: token})
	c.wants("change", `{"inserts":[],"deletes":[{"g":"a","n":4}]}`)
	c.close()
	for _, bad := range []string{"x", token + "x", token[:len(token)-1]} {
		r := session.SubscribeRequest{Relation: "counts", Resume: bad}
		w.request.Store(&r)
		res, err := http.Get(w.server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("token %q: status %d", bad, res.StatusCode)
		}
		_ = res.Body.Close()
	}
}

// TestResetAfterRestart: a token of an earlier run starts over, and says so.
func TestResetAfterRestart(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO t VALUES (1, 'a', '')`)
	c := w.live(session.SubscribeRequest{Relation: "counts", After: w.token()})
	token := c.wants("snapshot", `{"rows":[{"g":"a","n":1}],"more":false}`)
	w.restart()
	if e := c.next(); e.name != "error" || !strings.Contains(e.data, `"57P01"`) {
		t.Errorf("the end of the run is told as %+v", e)
	}
	c = w.live(session.SubscribeRequest{Relation: "counts", Resume: token})
	token = c.wants("snapshot", `{"rows":[{"g":"a","n":1}],"more":false,"reset":true}`)
	w.exec(`INSERT INTO t VALUES (2, 'b', '')`)
	c.wants("change", `{"inserts":[{"g":"b","n":1}],"deletes":[]}`)
	c.close()
	c = w.live(session.SubscribeRequest{Relation: "counts", Resume: token})
	c.wants("change", `{"inserts":[{"g":"b","n":1}],"deletes":[]}`)
}

// TestResetWhenTheHistoryIsGone: a token before what is remembered of the changes starts over.
func TestResetWhenTheHistoryIsGone(t *testing.T) {
	w := newWorld(t)
	c := w.live(session.SubscribeRequest{Relation: "t"})
	token := c.wants("snapshot", `{"rows":[],"more":false}`)
	c.close()
	// The history holds 32 MiB.
	for i := range 12 {
		w.exec(fmt.Sprintf(`INSERT INTO t SELECT (i + %d)::INTEGER, 'a', repeat('x', 40000) FROM range(100) r(i)`, i*100))
	}
	w.exec(`DELETE FROM t WHERE k < 1199`)
	c = w.live(session.SubscribeRequest{Relation: "t", Resume: token, After: w.token()})
	e := c.next()
	if e.name != "snapshot" || !strings.HasSuffix(e.data, `"more":false,"reset":true}`) || strings.Count(e.data, `"k":`) != 1 {
		t.Errorf("after the history was gone: %s with %.100s", e.name, e.data)
	}
}

// TestRebuiltViewResets: a view that was dropped and made anew is another one.
func TestRebuiltViewResets(t *testing.T) {
	w := newWorld(t)
	c := w.live(session.SubscribeRequest{Relation: "counts"})
	token := c.wants("snapshot", `{"rows":[],"more":false}`)
	w.exec(`DROP MATERIALIZED VIEW counts`)
	if e := c.next(); e.name != "error" || !strings.Contains(e.data, `"42P01"`) {
		t.Errorf("the drop is told as %+v", e)
	}
	w.exec(`INSERT INTO t VALUES (1, 'a', '')`)
	w.exec(`CREATE MATERIALIZED VIEW counts AS SELECT g, count(*) + 100 AS n FROM t GROUP BY g`)
	c = w.live(session.SubscribeRequest{Relation: "counts", Resume: token})
	c.wants("snapshot", `{"rows":[{"g":"a","n":101}],"more":false,"reset":true}`)
}

// TestConflate: changes that come faster than asked for are joined to the latest state.
func TestConflate(t *testing.T) {
	w := newWorld(t)
	c := w.live(session.SubscribeRequest{Relation: "counts", Conflate: 300 * time.Millisecond})
	got := fold{}
	got.take(t, c.next())
	const writes = 60
	for i := range writes {
		w.exec(fmt.Sprintf(`INSERT INTO t VALUES (%d, 'a', '')`, i))
	}
	w.exec(`INSERT INTO t VALUES (1000, 'b', '')`)
	w.exec(`DELETE FROM t WHERE k = 1000`)
	w.exec(`INSERT INTO t VALUES (1001, 'c', '')`)
	frames := 0
	for !maps.Equal(got, fold{fmt.Sprintf(`{"g":"a","n":%d}`, writes): 1, `{"g":"c","n":1}`: 1}) {
		e := c.next()
		if n := strings.Count(e.data, `"g":"a"`); n > 2 {
			t.Fatalf("a frame has more than the latest state: %s", e.data)
		}
		got.take(t, e)
		frames++
	}
	if frames > writes/2 {
		t.Errorf("%d frames for %d writes", frames, writes+3)
	}
}

// TestFilter: a subscriber gets the rows it asked for, and those that leave or enter by an update.
func TestFilter(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO t VALUES (1, 'a', ''), (2, 'b', '')`)
	c := w.live(session.SubscribeRequest{Relation: "t", Equals: []session.Equality{{Column: "g", Value: "a"}}, After: w.token()})
	c.wants("snapshot", `{"rows":[{"k":1,"g":"a","v":""}],"more":false}`)
	w.exec(`INSERT INTO t VALUES (3, 'b', ''), (4, NULL, '')`)
	w.exec(`UPDATE t SET g = 'a' WHERE k = 2`)
	c.wants("change", `{"inserts":[{"k":2,"g":"a","v":""}],"deletes":[]}`)
	w.exec(`UPDATE t SET g = NULL WHERE k = 1`)
	c.wants("change", `{"inserts":[],"deletes":[{"k":1,"g":"a","v":""}]}`)
	if got := w.exec(`SELECT relation || ' ' || filter FROM tidemill.subscriptions`); got != `t {"g":"a"}` {
		t.Errorf("the subscription is listed as %s", got)
	}
}

// TestDisconnect: however clients go, nothing is left of them.
func TestDisconnect(t *testing.T) {
	w := newWorld(t)
	var clients []*client
	for i := range 20 {
		r := session.SubscribeRequest{Relation: "t"}
		if i%2 == 0 {
			r = session.SubscribeRequest{SQL: fmt.Sprintf("SELECT g, count(*) AS n FROM t WHERE k > %d GROUP BY g", i%3)}
		}
		c := w.live(r)
		c.next()
		clients = append(clients, c)
	}
	if n := w.count(); n != "20" {
		t.Errorf("%s subscriptions, want 20", n)
	}
	for i, c := range clients {
		if i%3 == 0 {
			w.exec(fmt.Sprintf(`INSERT INTO t VALUES (%d, 'a', '')`, i))
		}
		c.close()
	}
	for w.count() != "0" {
		if w.ctx.Err() != nil {
			t.Fatalf("%s subscriptions are left", w.count())
		}
		time.Sleep(time.Millisecond)
	}
}

// sleeper is a response that takes nothing while it is held.
type sleeper struct {
	header http.Header
	hold   sync.Mutex
	mu     sync.Mutex
	body   bytes.Buffer
	err    error
}

func (s *sleeper) Header() http.Header { return s.header }
func (s *sleeper) WriteHeader(int)     {}
func (s *sleeper) Flush()              {}
func (s *sleeper) Write(b []byte) (int, error) {
	s.hold.Lock()
	defer s.hold.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.body.Write(b)
}

func (s *sleeper) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body.String()
}

// TestSlowReader: who takes nothing holds few frames and costs the others nothing; when it wakes, it has what they have.
func TestSlowReader(t *testing.T) {
	w := newWorld(t)
	out := &sleeper{header: http.Header{}}
	ses := w.db.NewSession(session.Options{})
	defer ses.Close()
	sub, err := ses.Subscribe(w.ctx, session.SubscribeRequest{Relation: "counts", Progress: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		defer sub.Close()
		ServeEvents(w.ctx, out, sub, time.Hour)
	})
	for !strings.Contains(out.text(), "snapshot") && w.ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	out.hold.Lock()
	awake := w.live(session.SubscribeRequest{Relation: "counts"})
	got := fold{}
	got.take(t, awake.next())
	const writes = 400
	for i := range writes {
		w.exec(fmt.Sprintf(`INSERT INTO t VALUES (%d, 'g%d', '')`, i, i%3))
		got.take(t, awake.next())
	}
	if held := w.exec(`SELECT max(waiting_frames) <= 256 AND bool_or(behind) FROM tidemill.subscriptions`); held != "true" {
		t.Errorf("the sleeper is not behind, or holds more frames than the bound")
	}
	out.hold.Unlock()
	late := fold{}
	for done := 0; !maps.Equal(late, got) && w.ctx.Err() == nil; {
		text := out.text()
		events := strings.Split(text[:strings.LastIndex(text, "\n\n")], "\n\n")
		for _, e := range events[done:] {
			if _, data, is := strings.Cut(e, "\ndata: "); is {
				late.take(t, event{data: data})
			}
		}
		done = len(events)
	}
	if n := strings.Count(out.text(), "event: change"); n > 10 {
		t.Errorf("the sleeper got %d changes, want them joined", n)
	}
	// A client that takes nothing for too long is cut.
	out.mu.Lock()
	out.err = os.ErrDeadlineExceeded
	out.mu.Unlock()
	w.exec(`DELETE FROM t`)
	serving.Wait()
	awake.close()
	for w.count() != "0" && w.ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// clocked is a response whose writes can be told by their time.
type clocked struct {
	*httptest.ResponseRecorder
	start    time.Time
	log      []string
	deadline time.Time
	slow     time.Duration // how long each write takes
}

func (c *clocked) SetWriteDeadline(d time.Time) error {
	c.deadline = d
	return nil
}

func (c *clocked) Write(b []byte) (int, error) {
	time.Sleep(c.slow)
	if time.Now().After(c.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	c.log = append(c.log, fmt.Sprintf("%s %q", time.Since(c.start), b))
	return len(b), nil
}

// TestHeartbeat: a quiet stream beats, one that sends does not, and none does once it is over.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &clocked{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
		f := &frames{w: out, rc: http.NewResponseController(out), heartbeat: 15 * time.Second}
		f.startBeating(func() { t.Error("the client is taken for gone") })
		for i := range 4 {
			time.Sleep(10 * time.Second)
			if err := f.send([]byte{byte('0' + i)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(31 * time.Second)
		f.stopBeating()
		time.Sleep(time.Hour)
		want := []string{`10s "0"`, `20s "1"`, `30s "2"`, `40s "3"`, `55s ": heartbeat\n\n"`, `1m10s ": heartbeat\n\n"`}
		if got := strings.Join(out.log, ", "); got != strings.Join(want, ", ") {
			t.Errorf("sent %s\nwant %s", got, strings.Join(want, ", "))
		}
	})
}

// TestHeartbeatFindsTheDead: a client that does not take a heartbeat in time is gone.
func TestHeartbeatFindsTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &clocked{ResponseRecorder: httptest.NewRecorder(), start: time.Now(), slow: writeTimeout + time.Second}
		f := &frames{w: out, rc: http.NewResponseController(out), heartbeat: 15 * time.Second}
		gone := make(chan time.Duration, 1)
		f.startBeating(func() { gone <- time.Since(out.start) })
		if at := <-gone; at != 15*time.Second+out.slow {
			t.Errorf("gone after %s", at)
		}
		if err := f.send([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a frame that is not taken: %v", err)
		}
		f.stopBeating()
	})
}
