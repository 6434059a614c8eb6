package pgwire

import (
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// BenchmarkPointRead is a prepared read by primary key, one at a time over loopback: Bind, Describe, Execute, Sync.
func BenchmarkPointRead(b *testing.B) {
	_, address := listen(b, openDatabase(b), Options{})
	c := connect(b, address)
	c.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR)")
	c.sql("INSERT INTO t SELECT i, 'n' || i FROM range(1, 1000) r(i)")
	c.ask(&pgproto3.Parse{Name: "q", Query: "SELECT name FROM t WHERE id = $1"}, &pgproto3.Sync{})
	request := encode(b, &pgproto3.Bind{PreparedStatement: "q", Parameters: [][]byte{[]byte("77")}, ResultFormatCodes: []int16{1}},
		&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
	if _, err := c.nc.Write(request); err != nil {
		b.Fatal(err)
	}
	answer := make([]byte, 4096)
	size, err := c.nc.Read(answer)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.nc.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c.nc, answer[:size]); err != nil {
			b.Fatal(err)
		}
	}
}

func encode(t testing.TB, messages ...pgproto3.FrontendMessage) (data []byte) {
	t.Helper()
	for _, m := range messages {
		var err error
		if data, err = m.Encode(data); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// BenchmarkRows sends a large result as text and as binary.
func BenchmarkRows(b *testing.B) {
	_, address := listen(b, openDatabase(b), Options{})
	c := connect(b, address)
	for _, format := range []int16{0, 1} {
		b.Run([]string{"text", "binary"}[format], func(b *testing.B) {
			request := encode(b, &pgproto3.Parse{Query: "SELECT i, i * 1.5::DOUBLE AS d, 'name ' || i AS s, TIMESTAMPTZ '2026-01-01' + to_seconds(i) AS t FROM range(100000) r(i)"},
				&pgproto3.Bind{ResultFormatCodes: []int16{format}}, &pgproto3.Execute{}, &pgproto3.Sync{})
			buf := make([]byte, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.nc.Write(request); err != nil {
					b.Fatal(err)
				}
				total := 0
				for {
					n, err := c.nc.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					if total += n; n >= 6 && buf[n-6] == 'Z' && buf[n-1] == 'I' {
						break
					}
				}
				b.SetBytes(int64(total))
			}
		})
	}
}
