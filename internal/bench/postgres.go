package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// errNoPostgres is wrapped in the error for a machine without PostgreSQL's server.
var errNoPostgres = errors.New("PostgreSQL's server is not installed")

// postgres is a PostgreSQL server of our own, with its settings as they come, on a port of its own.
type postgres struct {
	dsn, version string
	cmd          *exec.Cmd
	dir          string
	ended        chan struct{} // closed when the server has ended
}

// postgresStart bounds how long the server may take to start and to stop.
const postgresStart = 30 * time.Second

// findPostgres returns the directory of the server's programs.
func findPostgres() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.Sort(dirs)
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range slices.Backward(dirs) {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", errNoPostgres
}

// unprivileged is the identity the server runs with: it refuses to be root. nil is our own.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uerr, gerr); err != nil {
			return nil, fmt.Errorf("reading the user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("%w for a user that is not root", errNoPostgres)
}

// startPostgres makes a cluster in a temporary directory and starts its server.
func startPostgres(ctx context.Context) (p *postgres, err error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	p = &postgres{ended: make(chan struct{})}
	if p.dir, err = os.MkdirTemp("", "tidemill-postgres-"); err != nil {
		return nil, fmt.Errorf("making a directory for PostgreSQL: %w", err)
	}
	defer func() {
		if err != nil {
			p.stop()
			p = nil
		}
	}()
	if who != nil {
		if err := os.Chown(p.dir, int(who.Uid), int(who.Gid)); err != nil {
			return p, fmt.Errorf("making a directory for PostgreSQL: %w", err)
		}
	}
	data := filepath.Join(p.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "bench", "--no-sync", "-E", "UTF8", "--locale=C")
	p.asUser(initdb, who)
	if out, err := initdb.CombinedOutput(); err != nil {
		return p, fmt.Errorf("making a PostgreSQL cluster: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return p, err
	}
	p.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=127.0.0.1", "-c", "port="+port, "-c", "unix_socket_directories=")
	p.asUser(p.cmd, who)
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return p, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	p.dsn = "postgres://bench@127.0.0.1:" + port + "/postgres?sslmode=disable"
	return p, p.awaitReady(ctx)
}

func (p *postgres) asUser(cmd *exec.Cmd, who *syscall.Credential) {
	cmd.Dir = p.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TMPDIR=" + p.dir}
	if who != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

func (p *postgres) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, postgresStart)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := pgx.Connect(ctx, p.dsn)
		if err == nil {
			err = c.QueryRow(ctx, "SHOW server_version").Scan(&p.version)
			p.version, _, _ = strings.Cut(p.version, " ")
			return errors.Join(err, c.Close(ctx))
		}
		select {
		case <-again.C:
		case <-p.ended:
			return errors.New("PostgreSQL ended right after its start")
		case <-ctx.Done():
			return fmt.Errorf("waiting for PostgreSQL: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// stop ends the server and removes the cluster.
func (p *postgres) stop() {
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(syscall.SIGINT) // ends sessions and stops; an error says that it has ended
		kill := time.AfterFunc(postgresStart, func() { _ = p.cmd.Process.Kill() })
		<-p.ended
		kill.Stop()
	}
	_ = os.RemoveAll(p.dir)
}
