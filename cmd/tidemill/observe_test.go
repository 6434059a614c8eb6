package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/doctor"
)

// TestDoctor: the report is for people and for programs, and the exit code says whether a node would run.
func TestDoctor(t *testing.T) {
	dir := t.TempDir()
	var out, errOut bytes.Buffer
	doctorWith := func(args ...string) int {
		out.Reset()
		errOut.Reset()
		return run(append([]string{"doctor", "--data", dir, "--pg", "127.0.0.1:0"}, args...), strings.NewReader(""), &out, &errOut)
	}
	if code := doctorWith("--http", "127.0.0.1:0"); code != 0 || !strings.Contains(out.String(), "What binds first:") || !strings.Contains(out.String(), "fsync") {
		t.Errorf("%d\n%s%s", code, out.String(), errOut.String())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() { // it is no node: it closes whatever comes
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	if code := doctorWith("--http", l.Addr().String(), "--json"); code != 1 {
		t.Errorf("a port that is taken: %d\n%s", code, errOut.String())
	}
	var r doctor.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.OK || len(r.Findings) < 5 || len(r.Connections) < 2 {
		t.Errorf("%v %+v", err, r)
	}
	if code := doctorWith("--http", startNode(t)); code != 0 || !strings.Contains(out.String(), "is a running node's") {
		t.Errorf("beside a node: %d\n%s", code, out.String())
	}
	if code := doctorWith("--no-such-flag"); code != 2 {
		t.Errorf("wrong usage: %d", code)
	}
}

// TestLogFlags: the log comes in the format and from the level that was asked for.
func TestLogFlags(t *testing.T) {
	var out bytes.Buffer
	l, err := newLogger(&out, "json", slog.LevelWarn)
	if err != nil {
		t.Fatal(err)
	}
	l.Info("not this")
	l.Warn("this", "n", 1)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["msg"] != "this" || line["level"] != "WARN" || line["n"] != 1.0 {
		t.Errorf("%v %s", err, out.String())
	}
	for _, args := range [][]string{{"--log-format", "xml"}, {"--log-level", "loud"}, {"--trace-ratio", "2"}} {
		if code := run(append([]string{"serve", "--memory", "--http", "127.0.0.1:0", "--pg", ""}, args...), strings.NewReader(""), io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
