package session_test

import (
	"fmt"
	"testing"
)

// TestLateInJoins scripts which rows below the watermark a join leaves out: those of which some of what they match may be gone.
func TestLateInJoins(t *testing.T) {
	d := newTimed(t)
	for _, s := range []string{"a", "b"} {
		d.must(fmt.Sprintf(`CREATE STREAM %s (k INTEGER, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL 10 SECONDS)`, s))
	}
	views := map[string]string{
		"range":   `SELECT a.at AS x, b.at AS y FROM a JOIN b ON b.at BETWEEN a.at - INTERVAL 5 SECONDS AND a.at + INTERVAL 5 SECONDS`,
		"buckets": `SELECT a.at AS x, b.at AS y FROM a JOIN b ON time_bucket(INTERVAL 20 SECONDS, a.at) = time_bucket(INTERVAL 20 SECONDS, b.at)`,
		"since":   `SELECT a.at AS x, b.at AS y FROM a JOIN b ON a.k = b.k AND a.at >= b.at`,
		"keys":    `SELECT a.at AS x, b.at AS y FROM a JOIN b ON a.k = b.k`,
		"nearest": `SELECT a.at AS x, b.at AS y FROM a ASOF JOIN b ON a.k = b.k AND a.at >= b.at`,
	}
	for name, q := range views {
		d.must(`CREATE MATERIALIZED VIEW "` + name + `" AS ` + q)
	}
	d.insert("a", "(1, "+at(41)+")", "(1, "+at(60)+")")
	d.insert("b", "(1, "+at(44)+")", "(1, "+at(60)+")") // the watermark is 50 s
	d.insert("a", "(1, "+at(47)+")")                    // below it, in an open bucket
	d.insert("b", "(1, "+at(30)+")")                    // in a closed one
	row := func(x, y float64) string {
		return fmt.Sprintf("%s|%s", noonPlus(x), noonPlus(y))
	}
	for name, want := range map[string]struct {
		late string
		rows []string
	}{
		"range":   {"2", []string{row(41, 44), row(60, 60)}},
		"buckets": {"1", []string{row(41, 44), row(47, 44), row(60, 60)}},
		"since":   {"1", []string{row(47, 44), row(60, 44), row(60, 60)}},
		"keys":    {"0", []string{row(41, 30), row(41, 44), row(41, 60), row(47, 30), row(47, 44), row(47, 60), row(60, 30), row(60, 44), row(60, 60)}},
		"nearest": {"2", []string{row(60, 60)}},
	} {
		d.want(`SELECT x, y FROM "`+name+`"`, want.rows...)
		d.want(`SELECT late_rows FROM tidemill.view_status WHERE name = '`+name+`'`, want.late)
	}
}

func noonPlus(seconds float64) string {
	text := at(seconds)
	return text[len("TIMESTAMP '") : len("TIMESTAMP '")+len("2006-01-02 15:04:05")]
}
