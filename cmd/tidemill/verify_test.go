package main

import (
	"strings"
	"testing"
)

func TestVerify(t *testing.T) {
	c := newCLI(t)
	c.sql(`CREATE STREAM s (n INTEGER); CREATE MATERIALIZED VIEW "a view" AS SELECT sum(n) AS n, n % 2 AS odd FROM s GROUP BY n % 2; INSERT INTO s VALUES (1), (2), (3)`)
	if code, out, errOut := c.run("verify", "a view"); code != 0 || !strings.HasPrefix(out, "a view: equal, 2 rows compared at tick ") {
		t.Errorf("code %d: %s%s", code, out, errOut)
	}
	if code, out, errOut := c.run("verify", "a view", "--sample", "0.5", "--rows", "1"); code != 0 || !strings.HasPrefix(out, "a view: equal, ") {
		t.Errorf("code %d: %s%s", code, out, errOut)
	}
	if code, _, errOut := c.run("verify", "s"); code != 1 || !strings.Contains(errOut, "materialized view") {
		t.Errorf("code %d: %s", code, errOut)
	}
	for _, bad := range [][]string{{"verify"}, {"verify", "a", "b"}, {"verify", "a", "--sample", "2"}} {
		if code, _, _ := c.run(bad...); code != 2 {
			t.Errorf("%q: code %d, want 2", bad, code)
		}
	}
}
