package sql

import (
	"strings"
	"testing"
)

func BenchmarkParseValues(b *testing.B) {
	text := "INSERT INTO t VALUES " + strings.Repeat("(12345, 'sensor-17', 21.5, TIMESTAMP '2026-01-01 00:00:00'), ", 10000) + "(1, 'a', 2, NULL)"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseSelect(b *testing.B) {
	text := "SELECT zone, metric, time_bucket(INTERVAL 1 MINUTE, at) AS minute, avg(value) AS mean FROM readings WHERE zone = $1 GROUP BY ALL"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseLiteral(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		for _, expr := range []string{"12345", "'sensor-17'", "-21.5", "TIMESTAMP '2026-01-01 00:00:00'", "NULL", "$1"} {
			if _, ok := ParseLiteral(expr); !ok {
				b.Fatal(expr)
			}
		}
	}
}
