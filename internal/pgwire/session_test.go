package pgwire

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// withTable returns a client of a database with a table.
func withTable(t *testing.T) (*client, string) {
	t.Helper()
	_, address := listen(t, openDatabase(t), Options{})
	c := connect(t, address)
	want(t, c.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR)"), "C:CREATE_TABLE Z:I")
	return c, address
}

func TestStatements(t *testing.T) {
	c, _ := withTable(t)
	want(t, c.sql("INSERT INTO t VALUES (1, 'a'), (2, NULL)"), "C:INSERT_0_2 Z:I")
	want(t, c.sql("SELECT id, name FROM t ORDER BY id"), "T:id/23,name/1043 D:1,a D:2,∅ C:SELECT_2 Z:I")
	want(t, c.sql("UPDATE t SET name = 'b' WHERE id = 2; DELETE FROM t WHERE id = 1; SELECT count(*) AS n FROM t"), "C:UPDATE_1 C:DELETE_1 T:n/20 D:1 C:SELECT_1 Z:I")
	want(t, c.sql("SELECT 1 AS a FROM nothing"), "E:42P01 Z:I")
	want(t, c.sql("SELECT 1 AS a; SELECT nope FROM t; SELECT 2 AS b"), "T:a/23 D:1 C:SELECT_1 E:42703 Z:I")
	if got := c.sql("SHOW tidemill.token"); strings.Contains(got, "D: ") {
		t.Errorf("no token after a write: %s", got)
	}
}

// TestErrorPosition expects positions to be those in the whole text, in characters.
func TestErrorPosition(t *testing.T) {
	c, _ := withTable(t)
	text := "SELECT 'ß' AS a; SELECT nope FROM t"
	c.Send(&pgproto3.Query{String: text})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := c.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			if want := int32(strings.Index(text, "nope")); e.Position != want { // one multi-byte character before: 1-based and one byte less
				t.Errorf("position %d, want %d: %s", e.Position, want, e.Message)
			}
			return
		}
	}
}

// TestStatementsOfOneMessageTakeEffectTogether: the second INSERT fails, so the first leaves nothing.
func TestStatementsOfOneMessageTakeEffectTogether(t *testing.T) {
	c, _ := withTable(t)
	if got := c.sql("INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, nope)"); !strings.Contains(got, "E:42703") || !strings.HasSuffix(got, "Z:I") {
		t.Error(got)
	}
	want(t, c.sql("SELECT count(*) AS n FROM t"), "T:n/20 D:0 C:SELECT_1 Z:I")
}

func TestTransactionBlocks(t *testing.T) {
	c, _ := withTable(t)
	want(t, c.sql("BEGIN"), "C:BEGIN Z:T")
	want(t, c.sql("BEGIN"), "N:25001 C:BEGIN Z:T")
	want(t, c.sql("INSERT INTO t VALUES (1, 'a')"), "C:INSERT_0_1 Z:T")
	want(t, c.sql("COMMIT"), "C:COMMIT Z:I")
	want(t, c.sql("BEGIN; INSERT INTO t VALUES (2, 'b'); SELECT nope FROM t"), "C:BEGIN C:INSERT_0_1 E:42703 Z:E")
	want(t, c.sql("SELECT 1"), "E:25P02 Z:E")
	want(t, c.sql("SHOW server_version"), "E:25P02 Z:E")
	want(t, c.sql("COMMIT"), "C:ROLLBACK Z:I")
	want(t, c.sql("SELECT count(*) AS n FROM t"), "T:n/20 D:1 C:SELECT_1 Z:I")
	want(t, c.sql("BEGIN; SHOW nonsense"), "C:BEGIN E:42704 Z:E")
	want(t, c.sql("ROLLBACK"), "C:ROLLBACK Z:I")
	want(t, c.sql("START TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY"), "C:START_TRANSACTION Z:T")
	if got := c.sql("INSERT INTO t VALUES (3, 'c')"); !strings.HasPrefix(got, "E:") {
		t.Errorf("a write in a read-only block: %s", got)
	}
	want(t, c.sql("END"), "C:ROLLBACK Z:I")
	want(t, c.sql("SET default_transaction_read_only = on; INSERT INTO t VALUES (3, 'c')"), "C:SET E:25006 Z:I")
}

func TestSavepoints(t *testing.T) {
	c, _ := withTable(t)
	want(t, c.sql("BEGIN; SAVEPOINT a; SELECT 1 AS x; RELEASE SAVEPOINT a; RELEASE a"), "C:BEGIN C:SAVEPOINT T:x/23 D:1 C:SELECT_1 C:RELEASE E:3B001 Z:E")
	want(t, c.sql("ROLLBACK"), "C:ROLLBACK Z:I")
	want(t, c.sql("BEGIN; SAVEPOINT a; SELECT nope FROM t"), "C:BEGIN C:SAVEPOINT E:42703 Z:E")
	want(t, c.sql("ROLLBACK TO SAVEPOINT a"), "C:ROLLBACK Z:T")
	want(t, c.sql("INSERT INTO t VALUES (1, 'a')"), "C:INSERT_0_1 Z:T")
	want(t, c.sql("SAVEPOINT b"), "C:SAVEPOINT Z:T")
	want(t, c.sql("INSERT INTO t VALUES (2, 'b'); INSERT INTO t VALUES (2, 'again')"), "C:INSERT_0_1 E:23505 Z:E")
	want(t, c.sql("ROLLBACK TO b"), "C:ROLLBACK Z:T")
	want(t, c.sql("SELECT id FROM t ORDER BY id"), "T:id/23 D:1 C:SELECT_1 Z:T")
	want(t, c.sql("INSERT INTO t VALUES (3, 'c')"), "C:INSERT_0_1 Z:T")
	want(t, c.sql("COMMIT"), "C:COMMIT Z:I")
	want(t, c.sql("SELECT id FROM t ORDER BY id"), "T:id/23 D:1 D:3 C:SELECT_2 Z:I")
}

func TestParametersAndFormats(t *testing.T) {
	c, _ := withTable(t)
	sync := &pgproto3.Sync{}
	want(t, c.ask(&pgproto3.Parse{Name: "i", Query: "INSERT INTO t VALUES ($1, $2)"}, &pgproto3.Describe{ObjectType: 'S', Name: "i"}, sync), "1 t:[23 1043] n Z:I")
	four := binary.BigEndian.AppendUint32(nil, 7)
	want(t, c.ask(&pgproto3.Bind{PreparedStatement: "i", ParameterFormatCodes: []int16{1, 0}, Parameters: [][]byte{four, []byte("x")}}, &pgproto3.Execute{},
		&pgproto3.Bind{PreparedStatement: "i", Parameters: [][]byte{[]byte("8"), nil}}, &pgproto3.Execute{}, sync), "2 C:INSERT_0_1 2 C:INSERT_0_1 Z:I")
	want(t, c.ask(&pgproto3.Parse{Query: "SELECT id, name FROM t WHERE id >= $1 ORDER BY id"}, &pgproto3.Bind{Parameters: [][]byte{[]byte("7")}},
		&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Execute{MaxRows: 1}, sync),
		"1 2 T:id/23,name/1043 D:7,x s D:8,∅ s C:SELECT_2 Z:I")
	want(t, c.ask(&pgproto3.Bind{PreparedStatement: "i", Parameters: [][]byte{[]byte("x"), nil}}, &pgproto3.Execute{}, sync), "E:22P02 Z:I")
	want(t, c.ask(&pgproto3.Bind{PreparedStatement: "i", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{1}, nil}}, &pgproto3.Execute{}, sync), "E:22P03 Z:I")
	want(t, c.ask(&pgproto3.Bind{PreparedStatement: "i", Parameters: [][]byte{[]byte("9"), []byte("a\xff")}}, &pgproto3.Execute{}, sync), "E:22021 Z:I")
	want(t, c.sql("PREPARE q(INTEGER) AS SELECT name FROM t WHERE id = $1; EXECUTE q(3 + 4); EXECUTE q; DEALLOCATE q"),
		"C:PREPARE T:name/1043 D:x C:SELECT_1 E:42601 Z:I")
}

func TestCursors(t *testing.T) {
	c, _ := withTable(t)
	want(t, c.sql("INSERT INTO t SELECT i, 'n' || i FROM range(1, 6) r(i)"), "C:INSERT_0_5 Z:I")
	want(t, c.sql("DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id; FETCH c; FETCH 2 FROM c; FETCH ALL IN c; FETCH c; CLOSE c; FETCH c"),
		"C:DECLARE_CURSOR T:id/23 D:1 C:FETCH_1 T:id/23 D:2 D:3 C:FETCH_2 T:id/23 D:4 D:5 C:FETCH_2 T:id/23 C:FETCH_0 C:CLOSE_CURSOR E:34000 Z:I")
	want(t, c.sql("BEGIN; DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id; DECLARE h CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id DESC"), "C:BEGIN C:DECLARE_CURSOR C:DECLARE_CURSOR Z:T")
	want(t, c.sql("COMMIT"), "C:COMMIT Z:I")
	want(t, c.sql("FETCH h; FETCH c"), "T:id/23 D:5 C:FETCH_1 E:34000 Z:I")
}

// TestSubscribe follows changes until another connection cancels.
func TestSubscribe(t *testing.T) {
	c, address := withTable(t)
	want(t, c.sql("CREATE MATERIALIZED VIEW v AS SELECT name, count(*) AS n FROM t GROUP BY name"), "C:CREATE_MATERIALIZED_VIEW Z:I")
	want(t, c.sql("INSERT INTO t VALUES (1, 'a')"), "C:INSERT_0_1 Z:I")
	s := dial(t, address)
	s.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "ada", "database": "main"}})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	var key pgproto3.BackendKeyData
	for ready := false; !ready; {
		m, err := s.Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *pgproto3.BackendKeyData:
			key = pgproto3.BackendKeyData{ProcessID: m.ProcessID, SecretKey: append([]byte(nil), m.SecretKey...)}
		case *pgproto3.ReadyForQuery:
			ready = true
		}
	}
	s.Send(&pgproto3.Query{String: "SUBSCRIBE TO v"})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	rows := func() string {
		for {
			m, err := s.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if d, ok := m.(*pgproto3.DataRow); ok && string(d.Values[1]) != "t" { // not a progress row
				return string(d.Values[2]) + ":" + string(d.Values[3]) + ":" + string(d.Values[4])
			}
			if e, ok := m.(*pgproto3.ErrorResponse); ok {
				t.Fatal(e.Message)
			}
		}
	}
	want(t, rows(), "1:a:1")
	want(t, c.sql("INSERT INTO t VALUES (2, 'a')"), "C:INSERT_0_1 Z:I")
	got := map[string]bool{rows(): true, rows(): true}
	if !got["-1:a:1"] || !got["1:a:2"] {
		t.Errorf("got %v", got)
	}
	k := dial(t, address)
	k.Send(&pgproto3.CancelRequest{ProcessID: key.ProcessID, SecretKey: []byte{0, 0, 0, 0}})
	want(t, k.answer(), "end")
	k = dial(t, address)
	k.Send(&pgproto3.CancelRequest{ProcessID: key.ProcessID, SecretKey: key.SecretKey})
	want(t, k.answer(), "end")
	if got := s.answer(); !strings.HasSuffix(got, "E:57014 Z:I") {
		t.Error(got)
	}
	want(t, s.sql("SELECT 1 AS a"), "T:a/23 D:1 C:SELECT_1 Z:I")
	if got := s.sql("SET statement_timeout = '50ms'; SUBSCRIBE TO v"); !strings.HasSuffix(got, "E:57014 Z:I") {
		t.Error(got)
	}
}

func TestSubscriptionCursor(t *testing.T) {
	c, _ := withTable(t)
	want(t, c.sql("INSERT INTO t VALUES (1, 'a')"), "C:INSERT_0_1 Z:I")
	want(t, c.sql("DECLARE s CURSOR FOR SUBSCRIBE TO t"), "C:DECLARE_CURSOR Z:I")
	if got := c.sql("FETCH 10 FROM s"); !strings.Contains(got, ",1,1,a ") || !strings.Contains(got, " C:FETCH_") {
		t.Error(got)
	}
	if got := c.sql("FETCH 10 FROM s WITH (timeout = '20ms')"); !strings.Contains(got, " C:FETCH_") {
		t.Error(got)
	}
	want(t, c.sql("INSERT INTO t VALUES (2, 'b')"), "C:INSERT_0_1 Z:I")
	var seen bool
	for range 5 {
		if got := c.sql("FETCH 10 FROM s WITH (timeout = '2s')"); strings.Contains(got, ",1,2,b ") {
			seen = true
			break
		}
	}
	if !seen {
		t.Error("the change never came")
	}
	want(t, c.sql("CLOSE s"), "C:CLOSE_CURSOR Z:I")
}

// TestGoneClientEndsItsSubscription waits until the server has noticed that a client in a SUBSCRIBE went away.
func TestGoneClientEndsItsSubscription(t *testing.T) {
	s, address := listen(t, openDatabase(t), Options{})
	c := connect(t, address)
	want(t, c.sql("CREATE TABLE t (id INTEGER PRIMARY KEY)"), "C:CREATE_TABLE Z:I")
	c.Send(&pgproto3.Query{String: "SUBSCRIBE TO t"})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(); err != nil {
		t.Fatal(err)
	}
	c.nc.Close()
	for deadline := time.Now().Add(10 * time.Second); s.Connections() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the connection is still there")
		}
		connect(t, address).nc.Close() // something to do while waiting
	}
}

func TestCloseEndsSubscriptions(t *testing.T) {
	s, address := listen(t, openDatabase(t), Options{})
	c := connect(t, address)
	want(t, c.sql("CREATE TABLE t (id INTEGER PRIMARY KEY)"), "C:CREATE_TABLE Z:I")
	c.Send(&pgproto3.Query{String: "SUBSCRIBE TO t"})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if got := c.answer(); !strings.HasSuffix(got, "E:57P01 end") {
		t.Error(got)
	}
}

func TestCopy(t *testing.T) {
	c, _ := withTable(t)
	c.Send(&pgproto3.Query{String: "COPY t FROM STDIN"})
	c.Send(&pgproto3.CopyData{Data: []byte("1\ta\n2\t")})
	c.Send(&pgproto3.CopyData{Data: []byte("\\N\n")})
	want(t, c.ask(&pgproto3.CopyDone{}), "G C:COPY_2 Z:I")
	want(t, c.sql("COPY t TO STDOUT"), "H d:1\ta\n d:2\t\\N\n c C:COPY_2 Z:I")
	want(t, c.sql("COPY (SELECT * FROM t ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)"), "H d:id,name\n d:1,a\n d:2,\n c C:COPY_2 Z:I")
	c.Send(&pgproto3.Query{String: "COPY t FROM STDIN WITH (FORMAT csv)"})
	want(t, c.ask(&pgproto3.CopyData{Data: []byte("3,c\n")}, &pgproto3.CopyFail{Message: "changed my mind"}), "G E:57014 Z:I")
	c.Send(&pgproto3.Query{String: "COPY t FROM STDIN"})
	if got := c.ask(&pgproto3.CopyData{Data: []byte("x\ty\n")}, &pgproto3.CopyDone{}); !strings.HasPrefix(got, "G E:") || !strings.HasSuffix(got, "Z:I") {
		t.Error(got)
	}
	want(t, c.sql("SELECT count(*) AS n FROM t"), "T:n/20 D:2 C:SELECT_1 Z:I")
}

// TestPgx drives the door with pgx as programs do.
func TestPgx(t *testing.T) {
	_, address := withTable(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		db, err := pgx.Connect(ctx, "postgres://ada@"+address+"/main?default_query_exec_mode="+mode)
		if err != nil {
			t.Fatal(err)
		}
		var (
			n    int64
			text string
			at   time.Time
			on   bool
			f    float64
		)
		now := time.Date(2026, 11, 22, 1, 2, 3, 4000, time.UTC)
		for range 2 {
			err = db.QueryRow(ctx, "SELECT $1::BIGINT, $2::VARCHAR, $3::TIMESTAMPTZ, $4::BOOLEAN, $5::DOUBLE", int64(1)<<40, "ß'", now, true, 1.5).Scan(&n, &text, &at, &on, &f)
			if err != nil || n != 1<<40 || text != "ß'" || !at.Equal(now) || !on || f != 1.5 {
				t.Errorf("%s: %d %q %v %v %v: %v", mode, n, text, at, on, f, err)
			}
		}
		if err := db.QueryRow(ctx, "SELECT name FROM t WHERE id = $1", 99).Scan(&text); err != pgx.ErrNoRows {
			t.Errorf("%s: %v", mode, err)
		}
		if err := db.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestPgxBatchAndCopy(t *testing.T) {
	_, address := withTable(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, "postgres://ada@"+address+"/main")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx)
	b := &pgx.Batch{}
	for i := range 10 {
		b.Queue("INSERT INTO t VALUES ($1, $2)", i, "x")
	}
	if err := db.SendBatch(ctx, b).Close(); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "DELETE FROM t WHERE id < 5"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM t").Scan(&n); err != nil || n != 5 {
		t.Errorf("%d rows: %v", n, err)
	}
}

// TestPgxReturning reads what statements return of the rows they wrote, in every mode, inside a transaction block whose statements are typed in several tries.
func TestPgxReturning(t *testing.T) {
	_, address := withTable(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for i, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		db, err := pgx.Connect(ctx, "postgres://ada@"+address+"/main?default_query_exec_mode="+mode)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := db.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var id int
		var name string
		id0 := 10 * i
		if err := tx.QueryRow(ctx, "INSERT INTO t (id, name) VALUES ($1, $2) RETURNING id, name || '!' AS name", id0, "x").Scan(&id, &name); err != nil || id != id0 || name != "x!" {
			t.Errorf("%s: insert: %d, %q: %v", mode, id, name, err)
		}
		if err := tx.QueryRow(ctx, "SELECT $1 AS echo", "text").Scan(&name); err != nil || name != "text" {
			t.Errorf("%s: a parameter without a type: %q, %v", mode, name, err)
		}
		if err := tx.QueryRow(ctx, "UPDATE t SET name = $2 WHERE id = $1 RETURNING name", id0, "y").Scan(&name); err != nil || name != "y" {
			t.Errorf("%s: update: %q, %v", mode, name, err)
		}
		tag, err := tx.Exec(ctx, "MERGE INTO t USING (SELECT $1::INTEGER AS id) s ON s.id = t.id WHEN MATCHED THEN UPDATE SET name = 'z'", id0)
		if err != nil || tag.String() != "MERGE 1" {
			t.Errorf("%s: merge: %s, %v", mode, tag, err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if err := db.QueryRow(ctx, "DELETE FROM t WHERE id = $1 RETURNING name", id0).Scan(&name); err != nil || name != "z" {
			t.Errorf("%s: delete: %q, %v", mode, name, err)
		}
		if err := db.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

// FuzzMessages sends arbitrary bytes behind a startup. Whatever they are, the server goes on to serve others.
func FuzzMessages(f *testing.F) {
	add := func(messages ...pgproto3.FrontendMessage) {
		var data []byte
		for _, m := range messages {
			var err error
			if data, err = m.Encode(data); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(data)
	}
	add(&pgproto3.Query{String: "SELECT 1; SHOW ALL"})
	add(&pgproto3.Parse{Name: "a", Query: "SELECT $1"}, &pgproto3.Bind{PreparedStatement: "a", Parameters: [][]byte{[]byte("x")}, ResultFormatCodes: []int16{1}},
		&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Close{ObjectType: 'S', Name: "a"}, &pgproto3.Flush{}, &pgproto3.Sync{})
	add(&pgproto3.Query{String: "COPY t FROM STDIN"}, &pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyDone{}, &pgproto3.CopyFail{})
	add(&pgproto3.Query{String: "DECLARE c CURSOR FOR SELECT 1; FETCH c"}, &pgproto3.FunctionCall{}, &pgproto3.Terminate{})
	f.Add([]byte("Q\x00\x00\x00\x00"))
	db := openDatabase(f)
	_, address := listen(f, db, Options{MaxMessage: 1 << 16, StartupTimeout: time.Second})
	raw, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "ada", "statement_timeout": "100ms"}}).Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if err := nc.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _ = nc.Write(append(append([]byte(nil), raw...), data...))
		_ = nc.(*net.TCPConn).CloseWrite()
		buf := make([]byte, 4096)
		for {
			n, err := nc.Read(buf)
			if strings.Contains(string(buf[:n]), "XX000") {
				t.Fatalf("an internal error: %q", buf[:n])
			}
			if err != nil {
				return
			}
		}
	})
}
