package pgwire

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestClientThatDoesNotRead: who takes nothing of a large answer is cut, and holds nothing from others.
func TestClientThatDoesNotRead(t *testing.T) {
	s, address := listen(t, openDatabase(t), Options{WriteTimeout: 200 * time.Millisecond})
	for range 20 { // more than queries run at once
		c := connect(t, address)
		c.Send(&pgproto3.Query{String: "SELECT x, 'some text to make it longer' FROM range(100000000) t(x)"})
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); s.Connections() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d clients that do not read are still there", s.Connections())
		}
	}
	c := connect(t, address)
	want(t, c.sql("SELECT count(*) AS n FROM range(1000)"), "T:n/20 D:1000 C:SELECT_1 Z:I")
}
