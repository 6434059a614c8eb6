package main

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/demo"
	"github.com/tidemill/tidemill/internal/node"
)

// The demo creates the project, has a day behind it, and goes on.
func TestDemo(t *testing.T) {
	out, errOut := &buffer{}, &buffer{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- runDemo(ctx, node.Config{HTTP: "127.0.0.1:0", PG: "127.0.0.1:0", Workers: 2}, demo.Options{Seed: 1}, out, errOut)
	}()
	out.waitFor(t, "Ctrl-C")
	at := regexp.MustCompile(`page +http://([0-9.:]+)/`).FindStringSubmatch(out.String())
	if at == nil {
		t.Fatal(out.String())
	}
	t.Setenv("TIDEMILL_SERVER", "")
	c := &cli{t, at[1]}
	for _, q := range regexp.MustCompile(`(?m)^  ((?:SELECT|UPDATE).*;)$`).FindAllStringSubmatch(out.String(), -1) {
		if code, _, errOut := c.run("sql", "-c", q[1]); code != 0 {
			t.Errorf("%s: %s", q[1], errOut)
		}
	}
	if got := c.sql("SELECT count(DISTINCT zone) AS zones, count(*) > 10000 AS many FROM climate"); got != "zones,many\n4,true\n" {
		t.Errorf("%q", got)
	}
	for _, moving := range []string{"SELECT max(minute) AS x FROM climate", "SELECT max(at) AS x FROM latest WHERE zone = 'machine'"} {
		before := c.sql(moving)
		waitUntil(t, func() bool { return c.sql(moving) != before }, func() string { return moving + " does not move" })
	}
	if got := c.sql("SELECT count(*) > 20 AS many FROM health"); got != "many\ntrue\n" {
		t.Errorf("%q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("%v\n%s", err, errOut.String())
	}
	if s := errOut.String(); strings.Contains(s, "level=ERROR") || strings.Contains(s, "level=WARN") {
		t.Errorf("the log has\n%s", s)
	}
}
