package accept

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// dataDir holds data sets of others that the project does not ship; TIDEMILL_TEST_DATA names another place.
func dataDir(t *testing.T) string {
	dir := os.Getenv("TIDEMILL_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no data sets: %v", err)
	}
	return dir
}

// runCommand runs the binary to its end and returns its output and exit code.
func runCommand(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

func (p *process) load(args ...string) {
	p.t.Helper()
	out, code := runCommand(p.t, append([]string{"load", "--server", "http://" + p.http}, args...)...)
	if code != 0 {
		p.t.Fatalf("load %v: exit code %d\n%s", args, code, out)
	}
}

// TestMachineTemperatures loads a series of the Numenta Anomaly Benchmark and wants hourly means as DuckDB computes them from
// the rows, in the view and in the fold of a subscription that was there from the beginning.
func TestMachineTemperatures(t *testing.T) {
	file := filepath.Join(dataDir(t), "nab", "machine_temperature_system_failure.csv")
	p := start(t, "--memory")
	p.must(`CREATE STREAM temperatures (at TIMESTAMP, value DOUBLE)`)
	query := `SELECT time_bucket(INTERVAL 1 HOUR, at) AS hour, avg(value) AS mean, count(*) AS n FROM temperatures GROUP BY hour`
	p.must(`CREATE MATERIALIZED VIEW hourly AS ` + query)
	live := p.follow("hourly")
	p.load("temperatures", file, "--columns", "timestamp=at")
	if n := number(p.must(`SELECT count(*) FROM temperatures`).Rows[0][0]); n != 22695 {
		t.Fatalf("%d rows, want 22695", n)
	}
	same(t, p, `SELECT hour, round(mean, 6) AS mean, n FROM hourly`,
		`SELECT time_bucket(INTERVAL 1 HOUR, at) AS hour, round(avg(value), 6) AS mean, count(*) AS n FROM temperatures GROUP BY hour`)
	live.agrees(query, "mean")
}

// TestFlights loads three million flights and airports and wants delays per origin as DuckDB computes them from
// the rows, in the view and in the fold of a subscription that was there from the beginning.
func TestFlights(t *testing.T) {
	if testing.Short() {
		t.Skip("three million rows")
	}
	dir := dataDir(t)
	p := start(t, "--data", t.TempDir())
	p.must(`CREATE TABLE airports (iata VARCHAR PRIMARY KEY, name VARCHAR, city VARCHAR, state VARCHAR, country VARCHAR, latitude DOUBLE, longitude DOUBLE)`)
	p.must(`CREATE STREAM flights (date DATE, delay SMALLINT, distance SMALLINT, origin VARCHAR, destination VARCHAR)`)
	query := `SELECT a.iata, a.name, a.state, count(*) AS flights, avg(f.delay) AS mean_delay, max(f.delay) AS worst
		FROM flights f JOIN airports a ON a.iata = f.origin GROUP BY ALL`
	p.must(`CREATE MATERIALIZED VIEW delays AS ` + query)
	live := p.follow("delays")
	p.load("airports", filepath.Join(dir, "airports.csv"))
	p.load("flights", filepath.Join(dir, "flights-3m.parquet"))
	if n := number(p.must(`SELECT count(*) FROM flights`).Rows[0][0]); n != 3000000 {
		t.Fatalf("%d flights, want 3000000", n)
	}
	same(t, p, `SELECT iata, name, state, flights, round(mean_delay, 6) AS mean, worst FROM delays`,
		`SELECT iata, name, state, flights, round(mean_delay, 6) AS mean, worst FROM (`+query+`)`)
	live.agrees(query, "mean_delay")
}

// same wants two queries to have the same rows.
func same(t *testing.T, p *process, a, b string) {
	t.Helper()
	for _, q := range []string{a + ` EXCEPT ALL ` + b, b + ` EXCEPT ALL ` + a} {
		res := p.must(`SELECT count(*) FROM (` + q + `)`)
		if n := number(res.Rows[0][0]); n != 0 {
			t.Errorf("%d rows differ: %v", n, p.must(`SELECT * FROM (`+q+`) LIMIT 5`).Rows)
		}
	}
	if n := number(p.must(`SELECT count(*) FROM (` + a + `)`).Rows[0][0]); n == 0 {
		t.Error("there are no rows to compare")
	}
}
