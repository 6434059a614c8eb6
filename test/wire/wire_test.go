package wire

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// binary is what TestMain found or built.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if binary = os.Getenv("TIDEMILL_BIN"); binary == "" {
		dir, err := os.MkdirTemp("", "wire")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "tidemill")
		build := exec.Command("go", "build", "-o", binary, "../../cmd/tidemill")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building tidemill:", err)
			return 1
		}
	}
	return m.Run()
}

// node starts a node that keeps nothing and returns the address of its Postgres door.
func node(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--memory", "--http", "127.0.0.1:0", "--pg", "127.0.0.1:0", "--mqtt", "")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		scanner := bufio.NewScanner(stderr)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			default:
			}
		}
		close(lines)
		ended <- cmd.Wait()
	}()
	t.Cleanup(func() { stop(t, cmd, ended) })
	ready := regexp.MustCompile(`^ready .*\bpg=(\S+)`)
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatal("the node ended")
			}
			if m := ready.FindStringSubmatch(line); m != nil {
				return m[1]
			}
		case <-timeout:
			t.Fatal("the node is not ready after 30 s")
		}
	}
}

// stop drains the node and expects it to end well.
func stop(t *testing.T, cmd *exec.Cmd, ended chan error) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the node ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		cmd.Process.Kill()
		t.Error("the node did not stop within 20 s")
	}
}

func connect(t *testing.T, address string) (context.Context, *pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	db, err := pgx.Connect(ctx, "postgres://ada@"+address+"/main")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(context.Background()) })
	return ctx, db
}

// greenhouse makes a relation of each kind.
func greenhouse(t *testing.T, address string) {
	t.Helper()
	ctx, db := connect(t, address)
	for _, s := range []string{
		"CREATE TABLE sensors (id VARCHAR PRIMARY KEY, zone VARCHAR, kind VARCHAR)",
		"COMMENT ON TABLE sensors IS 'all sensors'",
		"CREATE STREAM readings (sensor VARCHAR NOT NULL, metric VARCHAR, value DOUBLE, price DECIMAL(10,2), at TIMESTAMPTZ)",
		"CREATE MATERIALIZED VIEW climate AS SELECT sensor, avg(value) AS mean, count(*) AS n FROM readings GROUP BY sensor",
		"CREATE VIEW zones AS SELECT DISTINCT zone FROM sensors",
		"INSERT INTO sensors VALUES ('s1', 'A', 'air'), ('s2', 'B', NULL)",
	} {
		if _, err := db.Exec(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// program runs a client with its arguments; the environment names the node.
func program(t *testing.T, address, stdin, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	host, port, _ := strings.Cut(address, ":")
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER=ada", "PGDATABASE=main", "PAGER=", "LC_ALL=C.UTF-8")
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("%s: %v", name, err)
	}
	return string(out)
}

func need(t *testing.T, name string, args ...string) {
	t.Helper()
	if exec.Command(name, args...).Run() != nil {
		t.Skipf("%s %s: not installed", name, strings.Join(args, " "))
	}
}

// TestPgxTypes sends a value of every type there and back, in the binary format, as pgx does.
func TestPgxTypes(t *testing.T) {
	ctx, db := connect(t, node(t))
	check := func(cast string, in, out any, want string) {
		t.Helper()
		if err := db.QueryRow(ctx, "SELECT $1::"+cast, in).Scan(out); err != nil {
			t.Errorf("%s: %v", cast, err)
			return
		}
		switch v := out.(type) {
		case *time.Time:
			out = v.UTC().Format(time.RFC3339Nano)
		case *pgtype.Numeric:
			f, err := v.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			out = string(f)
		default:
			out = regexp.MustCompile(`^&`).ReplaceAllString(fmt.Sprintf("%v", deref(out)), "")
		}
		if out != want {
			t.Errorf("%s: got %v, want %s", cast, out, want)
		}
	}
	check("BOOLEAN", true, new(bool), "true")
	check("TINYINT", -7, new(int16), "-7")
	check("SMALLINT", -300, new(int16), "-300")
	check("INTEGER", 1<<20, new(int32), "1048576")
	check("BIGINT", int64(1)<<40, new(int64), "1099511627776")
	check("UINTEGER", int64(1)<<31, new(int64), "2147483648")
	check("HUGEINT", "170141183460469231731687303715884105727", new(pgtype.Numeric), "170141183460469231731687303715884105727")
	check("UBIGINT", "18446744073709551615", new(pgtype.Numeric), "18446744073709551615")
	check("DECIMAL(10,2)", "-12.30", new(pgtype.Numeric), "-12.30")
	check("FLOAT", float32(1.5), new(float32), "1.5")
	check("DOUBLE", 1e300, new(float64), "1e+300")
	check("VARCHAR", "ß'\"\n", new(string), "ß'\"\n")
	check("BLOB", []byte{0, 255}, new([]byte), "[0 255]")
	check("DATE", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), new(time.Time), "2026-11-22T00:00:00Z")
	check("TIMESTAMP", time.Date(2026, 11, 22, 1, 2, 3, 4000, time.UTC), new(time.Time), "2026-11-22T01:02:03.000004Z")
	check("TIMESTAMPTZ", time.Date(1969, 11, 22, 1, 2, 3, 4000, time.UTC), new(time.Time), "1969-11-22T01:02:03.000004Z")
	check("UUID", "00112233-4455-6677-8899-aabbccddeeff", new(string), "00112233-4455-6677-8899-aabbccddeeff")
	var null *int32
	if err := db.QueryRow(ctx, "SELECT $1::INTEGER", nil).Scan(&null); err != nil || null != nil {
		t.Errorf("null: %v %v", null, err)
	}
	var list []int32
	if err := db.QueryRow(ctx, "SELECT [1, 2, 3]").Scan(&list); err != nil || fmt.Sprint(list) != "[1 2 3]" {
		t.Errorf("list: %v %v", list, err)
	}
	var span pgtype.Interval
	if err := db.QueryRow(ctx, "SELECT INTERVAL '1 month 2 days 3 seconds'").Scan(&span); err != nil || span.Months != 1 || span.Days != 2 || span.Microseconds != 3_000_000 {
		t.Errorf("interval: %v %v", span, err)
	}
}

func deref(p any) any {
	switch v := p.(type) {
	case *bool:
		return *v
	case *int16:
		return *v
	case *int32:
		return *v
	case *int64:
		return *v
	case *float32:
		return *v
	case *float64:
		return *v
	case *string:
		return *v
	case *[]byte:
		return *v
	}
	return p
}

// TestLargeResult reads more than any buffer on the way holds.
func TestLargeResult(t *testing.T) {
	ctx, db := connect(t, node(t))
	rows, err := db.Query(ctx, "SELECT i, repeat('x', 100) AS s FROM range(200000) r(i)")
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for rows.Next() {
		var i int64
		var s string
		if err := rows.Scan(&i, &s); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if rows.Err() != nil || n != 200_000 {
		t.Errorf("%d rows: %v", n, rows.Err())
	}
}

// TestCancel ends a long query through pgx' context, and the connection's session with it; others go on.
func TestCancel(t *testing.T) {
	address := node(t)
	_, db := connect(t, address)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := db.Exec(ctx, "SELECT count(*) FROM range(100000000) a(i), range(100000) b(j) WHERE (i * j) % 7 = 3")
	if err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	later, again := connect(t, address)
	if err := again.Ping(later); err != nil {
		t.Error(err)
	}
}
