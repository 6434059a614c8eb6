package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// verdictOf is the verdict on a check, empty if there is none.
func verdictOf(r Report, check string) string {
	for _, f := range r.Findings {
		if f.Check == check {
			return f.Verdict
		}
	}
	return ""
}

// TestJudge holds machines of all kinds against what is to be said of them.
func TestJudge(t *testing.T) {
	no := false
	f := func(facts Facts, check, want string) {
		t.Helper()
		r := Judge(facts)
		if got := verdictOf(r, check); got != want {
			t.Errorf("%s: %q, want %q in %+v", check, got, want, r.Findings)
		}
		if r.OK == (want == Fail) {
			t.Errorf("%s is %q and the whole is ok: %t", check, want, r.OK)
		}
		for _, x := range r.Findings {
			if x.Verdict != OK && x.Means == "" {
				t.Errorf("%s does not say what it means", x.Check)
			}
		}
	}
	f(Facts{OpenFilesSoft: 1 << 20, OpenFilesHard: 1 << 20}, "open files", OK)
	f(Facts{OpenFilesSoft: 1024, OpenFilesHard: 4096}, "open files", Warn)
	f(Facts{OpenFilesSoft: 200, OpenFilesHard: 200}, "open files", Fail)
	f(Facts{}, "open files", "")
	f(Facts{ListenQueue: 128}, "listen queue", Warn)
	f(Facts{ListenQueue: 4096}, "listen queue", OK)
	f(Facts{PortLow: 32768, PortHigh: 60999}, "outgoing ports", OK)
	f(Facts{PortLow: 60000, PortHigh: 60999}, "outgoing ports", Warn)
	f(Facts{MemoryBytes: 16 << 30, MemoryAvailable: 8 << 30}, "memory", OK)
	f(Facts{MemoryBytes: 16 << 30, MemoryLimit: 1 << 30}, "memory", Warn)
	f(Facts{MemoryBytes: 16 << 30, MemoryLimit: 256 << 20}, "memory", Fail)
	f(Facts{MemoryBytes: 16 << 30, MemoryAvailable: 1 << 30}, "memory", Warn)
	f(Facts{MemoryBytes: 16 << 30, MemoryLimit: 4 << 30, MemoryBudget: 8 << 30}, "memory", Warn)
	f(Facts{CPUs: 8}, "processors", OK)
	f(Facts{CPUs: 8, CPULimit: 0.5}, "processors", Warn)
	f(Facts{Doors: []DoorFacts{{Name: "http", Address: "x:1"}}}, "http door", OK)
	f(Facts{Doors: []DoorFacts{{Name: "http", Address: "x:1", Err: errors.New("in use")}}}, "http door", Fail)
	f(Facts{Doors: []DoorFacts{{Name: "pg", Address: "x:1", Err: errors.New("in use"), OurNode: true}}}, "pg door", OK)
	f(Facts{Disk: &DiskFacts{Path: "/d", FileSystem: "ext4", Free: 1 << 40, Total: 2 << 40}}, "data directory", OK)
	f(Facts{Disk: &DiskFacts{Path: "/d", FileSystem: "tmpfs", Free: 1 << 40, Total: 2 << 40}}, "data directory", Warn)
	f(Facts{Disk: &DiskFacts{Path: "/d", Free: 1 << 20, Total: 2 << 40}}, "data directory", Fail)
	f(Facts{Disk: &DiskFacts{Path: "/d", Free: 6 << 30, Total: 2 << 40}}, "data directory", Warn)
	f(Facts{Disk: &DiskFacts{Path: "/d", Err: os.ErrPermission}}, "data directory", Fail)
	f(Facts{Disk: &DiskFacts{Syncs: []time.Duration{time.Millisecond, 2 * time.Millisecond}}}, "fsync", OK)
	f(Facts{Disk: &DiskFacts{Syncs: []time.Duration{time.Millisecond, 80 * time.Millisecond}}}, "fsync", Warn)
	f(Facts{Disk: &DiskFacts{Syncs: []time.Duration{time.Microsecond, 2 * time.Microsecond}}}, "fsync", Warn)
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	f(Facts{Clock: ClockFacts{Now: now, Over: time.Second}}, "clock", OK)
	f(Facts{Clock: ClockFacts{Now: now, Over: time.Second, Drift: -time.Minute}}, "clock", Warn)
	f(Facts{Clock: ClockFacts{Now: time.Unix(0, 0), Over: time.Second}}, "clock", Fail)
	f(Facts{Clock: ClockFacts{Now: now, Synchronized: &no}}, "NTP", Warn)
}

// TestBindsFirst: the lowest bound comes first, and says how to raise it.
func TestBindsFirst(t *testing.T) {
	r := Judge(Facts{OpenFilesSoft: 600, OpenFilesHard: 600, MemoryBytes: 8 << 30, PortLow: 32768, PortHigh: 60999})
	if b := r.Connections[0]; b.At != 600-filesReserved || !strings.Contains(b.By, "open files") || !strings.Contains(b.Raise, "ulimit") {
		t.Errorf("%+v", b)
	}
	r = Judge(Facts{OpenFilesSoft: 1 << 20, OpenFilesHard: 1 << 20, MemoryBytes: 8 << 30, PortLow: 32768, PortHigh: 60999})
	for i := 1; i < len(r.Connections); i++ {
		if r.Connections[i].At < r.Connections[i-1].At {
			t.Errorf("not in order: %+v", r.Connections)
		}
	}
}

// TestExamine examines the machine that the test runs on: it leaves nothing behind and finds the port that is taken.
func TestExamine(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	r := Examine(context.Background(), Options{DataDir: filepath.Join(dir, "not", "there"), DiskTime: 50 * time.Millisecond,
		Addresses: map[string]string{"http": "127.0.0.1:0", "pg": l.Addr().String(), "mqtt": ""}})
	if verdictOf(r, "pg door") != Fail || verdictOf(r, "http door") != OK || verdictOf(r, "mqtt door") != "" || r.OK {
		t.Errorf("the doors: %+v", r.Findings)
	}
	if verdictOf(r, "fsync") == "" || verdictOf(r, "clock") == "" {
		t.Errorf("not examined: %+v", r.Findings)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
