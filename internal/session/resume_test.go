package session_test

import (
	"slices"
	"strings"
	"testing"
)

// firstRows runs a SUBSCRIBE until it has sent count rows.
func (c *client) firstRows(sql string, count int) []string {
	c.t.Helper()
	p, err := c.Prepare(c.ctx, sql, nil)
	if err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	res, err := c.Execute(c.ctx, p, nil)
	if err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	defer res.Close()
	var out []string
	for len(out) < count {
		b, err := res.Next(c.ctx)
		if err != nil {
			c.t.Fatalf("%s: %v after %q", sql, err, out)
		}
		for i := range b.Len {
			out = append(out, rowText(b, i))
		}
	}
	return out
}

// TestSubscribeSaysThatItStartsOver resumes from where a run is that nobody knows any more, and wants the snapshot that follows to be announced.
func TestSubscribeSaysThatItStartsOver(t *testing.T) {
	var token string
	for run := range 2 {
		c := connect(t, openDatabase(t))
		c.must(`CREATE TABLE t (k INTEGER PRIMARY KEY)`, `INSERT INTO t VALUES (1)`)
		if run == 0 {
			token, _, _ = strings.Cut(c.firstRows(`SUBSCRIBE TO t`, 1)[0], "|")
			continue
		}
		var got []string
		for _, r := range c.firstRows(`SUBSCRIBE TO t WITH (progress = true, resume = '`+token+`')`, 3) {
			_, rest, _ := strings.Cut(r, "|")
			got = append(got, rest)
		}
		if want := []string{"false|NULL|NULL", "false|1|1", "true|NULL|NULL"}; !slices.Equal(got, want) {
			t.Errorf("after a resume that cannot be: %q, want %q", got, want)
		}
		if got := c.firstRows(`SUBSCRIBE TO t WITH (progress = true)`, 2); strings.Contains(got[0], "NULL") {
			t.Errorf("a subscription that begins says that it starts over: %q", got)
		}
	}
}
