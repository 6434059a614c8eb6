package accept

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamagedStream flips a bit in what a node has stored of a stream, after a regular end and after a kill. The node starts, names the stream, the place and the file, serves neither the stream
// nor what has to read it, and everything else.
func TestDamagedStream(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed=%t", killed), func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, "--data", dir)
			p.must(`CREATE STREAM hurt (n INTEGER, pad VARCHAR)`)
			p.must(`CREATE STREAM whole (n INTEGER)`)
			p.must(`CREATE TABLE names (n INTEGER PRIMARY KEY, name VARCHAR)`)
			p.must(`CREATE MATERIALIZED VIEW of_hurt AS SELECT n % 3 AS k, count(*) AS c FROM hurt GROUP BY k`)
			p.must(`CREATE MATERIALIZED VIEW of_both AS SELECT whole.n, of_hurt.c FROM whole JOIN of_hurt ON of_hurt.k = whole.n`)
			p.must(`CREATE MATERIALIZED VIEW of_whole AS SELECT n, name FROM whole JOIN names USING (n)`)
			for i := range 30 {
				p.must(fmt.Sprintf(`INSERT INTO hurt VALUES (%d, '%s')`, i, strings.Repeat("x", 10_000)))
				p.must(fmt.Sprintf(`INSERT INTO whole VALUES (%d)`, i))
				p.must(fmt.Sprintf(`INSERT INTO names VALUES (%d, 'n%d')`, i, i))
			}
			topic := fmt.Sprintf("r%d", number(p.must(`SELECT id FROM tidemill.streams WHERE name = 'hurt'`).Rows[0][0]))
			if killed {
				p.kill()
			} else {
				p.stop()
			}
			blocks, err := filepath.Glob(filepath.Join(dir, "log", "jetstream", "*", "streams", "L_"+topic+"_*", "msgs", "*.blk"))
			if err != nil || len(blocks) != 1 {
				t.Fatalf("%v, %v", blocks, err)
			}
			flipBit(t, blocks[0])

			if !killed {
				// Views whose state is saved need not read what was damaged.
				p = start(t, "--data", dir)
				if a := p.sql(`SELECT count(*) FROM hurt`, ""); a.Error == nil || a.Error.Code != "XX001" {
					t.Errorf("the damaged stream: %+v", a.Error)
				}
				if n := number(p.must(`SELECT sum(c) FROM of_hurt`).Rows[0][0]); n != 30 {
					t.Errorf("a view that was saved has %d rows", n)
				}
				p.stop()
			}
			if err := os.RemoveAll(filepath.Join(dir, "checkpoints")); err != nil {
				t.Fatal(err)
			}
			p = start(t, "--data", dir)
			for _, query := range []string{`SELECT count(*) FROM hurt`, `SELECT * FROM of_hurt`, `SELECT * FROM of_both`} {
				a := p.sql(query, "")
				if a.Error == nil || a.Error.Code != "XX001" || !strings.Contains(a.Error.Message+a.Error.Detail, "hurt") || !strings.Contains(a.Error.Detail, "offset") || !strings.Contains(a.Error.Detail, ".blk") {
					t.Errorf("%s: %+v", query, a.Error)
				}
			}
			if n := number(p.must(`SELECT count(*) FROM of_whole`).Rows[0][0]); n != 30 {
				t.Errorf("a view of what is whole has %d rows", n)
			}
			p.must(`INSERT INTO whole VALUES (7)`)
			if n := number(p.must(`SELECT count(*) FROM of_whole`).Rows[0][0]); n != 31 {
				t.Errorf("a view of what is whole has %d rows", n)
			}
			for _, r := range p.must(`SELECT name, error FROM tidemill.view_status`).Rows {
				if stopped := r[1] != nil; stopped != (r[0] != "of_whole") {
					t.Errorf("the status of %v is %v", r[0], r[1])
				}
			}
			if status, text, _ := p.request("GET", "/v1/live/of_hurt", "", ""); status == http.StatusOK {
				t.Errorf("a live query of what stopped begins: %s", text)
			}
			if out := p.stderr.String(); !strings.Contains(out, "relation=hurt") || !strings.Contains(out, blocks[0]) {
				t.Errorf("the node's log does not name the damage: %s", out)
			}
			// What is damaged can be dropped and made again.
			p.must(`DROP STREAM hurt CASCADE`)
			p.must(`CREATE STREAM hurt (n INTEGER)`)
			p.must(`INSERT INTO hurt VALUES (1)`)
			if n := number(p.must(`SELECT count(*) FROM hurt`).Rows[0][0]); n != 1 {
				t.Errorf("the new stream has %d rows", n)
			}
		})
	}
}

// flipBit changes a bit in the middle of a file.
func flipBit(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := len(b)/4 + rand.IntN(len(b)/2)
	b[at] ^= 1 << rand.IntN(8)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("bit flipped at byte %d of %d", at, len(b))
}

// TestDamagedMarks flips a bit in the topic that only saves the node from reading everything for identities: all is as before.
func TestDamagedMarks(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--data", dir)
	p.must(`CREATE STREAM s (n INTEGER) WITH (dedupe = 'n')`)
	for range 3 {
		for i := range 5 {
			p.must(fmt.Sprintf(`INSERT INTO s VALUES (%d)`, i))
		}
		p.kill()
		blocks, err := filepath.Glob(filepath.Join(dir, "log", "jetstream", "*", "streams", "L_identities_*", "msgs", "*.blk"))
		if err != nil || len(blocks) != 1 {
			t.Fatalf("%v, %v", blocks, err)
		}
		flipBit(t, blocks[0])
		p = start(t, "--data", dir)
		p.kill()
		p = start(t, "--data", dir)
		p.must(`INSERT INTO s VALUES (1), (2)`)
		if n := number(p.must(`SELECT count(*) FROM s`).Rows[0][0]); n != 5 {
			t.Errorf("%d rows", n)
		}
	}
}
