package session_test

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/log/memlog"
	"github.com/tidemill/tidemill/internal/session"
)

// TestDefinitionsCutShort opens a database on what crashes leave between the log's topics and the catalog: a topic that the catalog does not know yet, and one that
// it does not know any more.
func TestDefinitionsCutShort(t *testing.T) {
	l := memlog.New(memlog.Options{})
	open := func() (*session.Database, *client) {
		db, err := session.OpenDatabase(t.Context(), session.DatabaseOptions{Name: "main", Log: l, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		return db, connect(t, db)
	}
	topics := func() map[string]log.TopicConfig {
		all, err := l.Topics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	db, c := open()
	before := topics()
	c.must(`CREATE TABLE a (k INTEGER PRIMARY KEY)`, `INSERT INTO a VALUES (1)`)
	var name string
	var config log.TopicConfig
	for n, cfg := range topics() {
		if _, was := before[n]; !was {
			name, config = n, cfg
		}
	}
	c.must(`DROP TABLE a`)
	db.Close()
	// The drop's end is undone, and the next table's beginning done.
	for _, n := range []string{name, topicAfter(t, name)} {
		if err := l.Create(t.Context(), n, config); err != nil {
			t.Fatal(err)
		}
	}
	db, c = open()
	defer db.Close()
	if _, is := topics()[name]; is {
		t.Errorf("topic %s of a dropped table is still there", name)
	}
	c.must(`CREATE TABLE b (k INTEGER PRIMARY KEY)`, `INSERT INTO b VALUES (2)`)
	c.want(`SELECT k FROM b`, "2")
}

// topicAfter is the topic of the relation that is created next.
func topicAfter(t *testing.T, name string) string {
	id, err := strconv.Atoi(strings.TrimPrefix(name, "r"))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("r%d", id+1)
}
