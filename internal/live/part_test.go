package live

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/session"
)

// TestResumeWithinASnapshot comes back, as a browser does, with the token of a part of a snapshot whose rest it never got.
func TestResumeWithinASnapshot(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO t SELECT i, 'a', repeat('x', 20) FROM range(150000) r(i)`)
	c := w.live(session.SubscribeRequest{Relation: "t", After: w.token()})
	first := c.next()
	if first.name != "snapshot" || !strings.Contains(first.data, `"more":true`) {
		t.Fatalf("the snapshot is a single frame of %d bytes", len(first.data))
	}
	c.close()
	c = w.live(session.SubscribeRequest{Relation: "t", Resume: first.id})
	rows, resets := 0, 0
	for more := true; more; {
		e := c.next()
		if e.name != "snapshot" {
			t.Fatalf("after a part of the snapshot comes a %s: the other rows never do", e.name)
		}
		rows += strings.Count(e.data, `"k":`)
		resets += strings.Count(e.data, `"reset":true`)
		more = strings.Contains(e.data, `"more":true`)
	}
	if rows != 150000 || resets != 1 {
		t.Errorf("%d rows and %d resets after coming back", rows, resets)
	}
}
