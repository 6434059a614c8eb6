package crash

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidemill/tidemill/test/crash/faultfs"
)

var (
	flagFor   = flag.Duration("crash.for", 0, "how long to run; 0 runs for -crash.kills")
	flagKills = flag.Int("crash.kills", 30, "kills to run for, without -crash.for")
	flagSeed  = flag.Uint64("crash.seed", 0, "seed of the first era; 0 takes one from the clock")
	flagEra   = flag.Int("crash.era", 12, "kills on one data directory")
	flagPlain = flag.Bool("crash.plain", false, "on a plain directory: no power cuts, no faults of the disk")
	flagRace  = flag.Bool("crash.race", false, "build the node with the race detector")
	flagDir   = flag.String("crash.dir", "", "where eras keep their data; default is the directory for temporary files")
	flagBin   = flag.String("crash.binary", "", "the binary to kill; default builds it")
)

// TestKilled runs eras until enough nodes were killed or enough time has passed.
func TestKilled(t *testing.T) {
	dir, err := os.MkdirTemp(*flagDir, "tidemill-crash-")
	if err != nil {
		t.Fatal(err)
	}
	binary := *flagBin
	if binary == "" {
		binary = filepath.Join(dir, "tidemill")
		if err := buildNode(binary, *flagRace); err != nil {
			t.Fatal(err)
		}
	}
	plain := *flagPlain
	if !plain {
		if err := tryMount(dir); err != nil {
			t.Logf("no faults of the disk and no power cuts, only kills: %v", err)
			plain = true
		}
	}
	seed := *flagSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	sum, began := &totals{}, time.Now()
	kills := *flagKills
	if testing.Short() {
		kills = min(kills, 6)
	}
	for n := 0; ; n++ {
		left := kills - sum.kills
		if *flagFor > 0 {
			left = *flagEra
		}
		if left <= 0 || *flagFor > 0 && time.Since(began) > *flagFor {
			break
		}
		e := &era{t: t, binary: binary, seed: seed, totals: sum, clients: newClients(), dir: filepath.Join(dir, fmt.Sprintf("era-%d", seed))}
		if !e.run(min(left, *flagEra), plain) {
			t.Fatalf("failed in an era with -crash.seed=%d; after %v: %v", seed, time.Since(began).Round(time.Second), sum)
		}
		seed = rand.New(rand.NewPCG(seed, 1)).Uint64() % 1_000_000_000
	}
	t.Logf("no violation in %v: %v", time.Since(began).Round(time.Second), sum)
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// tryMount finds out whether file systems can be mounted here.
func tryMount(dir string) error {
	d, err := newDisk(filepath.Join(dir, "try"), 1, false)
	if err != nil {
		return err
	}
	if err := d.attach(); err != nil {
		return errors.Join(err, os.RemoveAll(d.dir))
	}
	return errors.Join(d.detach(), d.remove())
}

// era is a data directory and the lives of nodes on it.
type era struct {
	t       *testing.T
	binary  string
	dir     string
	seed    uint64
	disk    *disk
	log     io.Writer
	totals  *totals
	clients *clients
	lives   int
}

// run lives through an era; it reports whether everything held.
func (e *era) run(kills int, plain bool) bool {
	e.t.Helper()
	var err error
	if e.disk, err = newDisk(e.dir, e.seed, plain); err != nil {
		e.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(e.dir, "node.log"))
	if err != nil {
		e.t.Fatal(err)
	}
	defer log.Close()
	e.log = log
	until := e.totals.kills + kills
	for e.totals.kills < until {
		if !e.live(false) {
			return false
		}
	}
	if !e.live(true) {
		return false
	}
	if err := e.disk.remove(); err != nil {
		e.t.Error(err)
	}
	return true
}

// live is a life of a node; the last one of an era ends in peace.
func (e *era) live(last bool) bool {
	e.lives++
	seed := e.seed*1000 + uint64(e.lives)
	rng := rand.New(rand.NewPCG(seed, 0))
	v := &verdicts{}
	began := time.Now()
	n, err := e.start(rng, last)
	if err != nil {
		return e.failed(n, v, fmt.Sprintf("life %d: %v", e.lives, err))
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{node: n, verdicts: v, totals: e.totals, seed: seed, ctx: ctx, quiet: make(chan struct{})}
	var running sync.WaitGroup
	if e.lives == 1 {
		err = setUp(l)
	}
	for _, s := range e.clients.subscribers {
		running.Go(func() { s.run(l) })
	}
	if err == nil {
		err = e.clients.check(l, e.totals)
	}
	checked := time.Since(began)
	if err != nil {
		l.violated("checking: %v", err)
	}
	story := "ended in peace"
	if last || len(v.list()) > 0 {
		e.end(l, last)
	} else {
		for _, a := range e.clients.actors {
			running.Go(func() { a.run(l) })
		}
		story = e.trouble(l, rng)
	}
	close(l.quiet)
	cancel()
	running.Wait()
	if trace := n.alarm(); trace != "" {
		l.violated("the node says:\n%s", trace)
	}
	if len(v.list()) > 0 {
		return e.failed(n, v, fmt.Sprintf("life %d, %s", e.lives, story))
	}
	e.t.Logf("seed %d life %d: started and checked in %v, %s after %v; %v", e.seed, e.lives, checked.Round(time.Millisecond), story, time.Since(began).Round(time.Millisecond), e.totals)
	return true
}

// start begins a life, after some that are killed before they are ready.
func (e *era) start(rng *rand.Rand, last bool) (*node, error) {
	for {
		if err := e.disk.attach(); err != nil {
			return nil, err
		}
		n, err := startNode(e.binary, e.disk.data, e.log)
		if err != nil {
			return nil, errors.Join(err, e.disk.detach())
		}
		patience := waitMax
		early := !last && e.lives > 1 && rng.IntN(5) == 0
		if early {
			patience = time.Duration(rng.IntN(500)) * time.Millisecond
		}
		select {
		case <-n.ready:
			return n, nil
		case <-n.exited:
			return n, errors.New("the node ended while it started")
		case <-time.After(patience):
		}
		if !early {
			return n, fmt.Errorf("the node is not ready after %v", patience)
		}
		power := rng.IntN(2) == 0
		if err := e.disk.kill(n, power); err != nil {
			return n, err
		}
		e.totals.kills++
		e.totals.startKills++
		if power && e.disk.volume != nil {
			e.totals.powerCuts++
		}
	}
}

func setUp(l *life) error {
	for _, s := range schema {
		if _, err := l.sql(l.ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// trouble lets the clients work, makes the disk fail, and kills the node; it returns what happened.
func (e *era) trouble(l *life, rng *rand.Rand) string {
	long := 100*time.Millisecond + time.Duration(rng.IntN(1400))*time.Millisecond
	power := rng.IntN(2) == 0 && e.disk.volume != nil
	story := "healthy disk"
	switch f := badDay(rng); {
	case e.disk.volume == nil || rng.IntN(3) == 0:
		e.wait(l, rng, long)
	case f.Errno == 0 && !f.Full:
		story = fmt.Sprintf("slow disk, up to %v", f.DelayMax)
		e.disk.faults(f)
		e.wait(l, rng, long)
	default:
		story = fmt.Sprintf("failing disk (%+v)", f)
		e.wait(l, rng, long/3)
		l.failing.Store(true)
		e.disk.faults(f)
		e.wait(l, rng, long/3)
		if rng.IntN(3) > 0 {
			e.disk.faults(faultfs.Faults{})
			e.clients.probe.recovered(l)
			l.failing.Store(false)
			story += ", recovered"
			e.wait(l, rng, long/3)
		}
	}
	select {
	case <-l.exited:
		l.violated("the node ended by itself")
	default:
	}
	how := "killed"
	if power {
		how = "power cut"
		e.totals.powerCuts++
	}
	e.totals.kills++
	if err := e.disk.kill(l.node, power); err != nil {
		l.violated("the test's disk: %v", err)
	}
	return story + ", " + how
}

// badDay is how the disk is in a life.
func badDay(rng *rand.Rand) faultfs.Faults {
	rate := []float64{0.01, 0.05, 0.3, 1}[rng.IntN(4)]
	errno := []syscall.Errno{syscall.EIO, syscall.ENOSPC}[rng.IntN(2)]
	switch rng.IntN(7) {
	case 0:
		return faultfs.Faults{Full: true, Short: 0.5, Errno: syscall.ENOSPC}
	case 1:
		return faultfs.Faults{Sync: rate, Errno: syscall.EIO}
	case 2:
		return faultfs.Faults{Write: rate, Short: 0.5, Errno: errno}
	case 3:
		return faultfs.Faults{Name: rate, Errno: errno}
	case 4:
		return faultfs.Faults{Write: rate, Sync: rate, Name: rate, Short: 0.3, Errno: errno, Delay: 0.1, DelayMax: 10 * time.Millisecond}
	}
	return faultfs.Faults{Delay: 0.1 + 0.9*rng.Float64(), DelayMax: time.Duration(1+rng.IntN(30)) * time.Millisecond}
}

// telling lines are those after which a kill may hit what is rare.
var telling = regexp.MustCompile(`(?i)checkpoint|compact|bootstrap|snapshot`)

// wait waits, less if the node says that it does something rare.
func (e *era) wait(l *life, rng *rand.Rand, d time.Duration) {
	over := time.After(d)
	listen := rng.IntN(2) == 0
	for {
		select {
		case <-over:
			return
		case <-l.dead:
			return
		case line := <-l.lines:
			if listen && !strings.HasPrefix(line, "ready ") && telling.MatchString(line) {
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
				return
			}
		}
	}
}

// end stops a node that was not killed.
func (e *era) end(l *life, inPeace bool) {
	if !inPeace {
		if err := e.disk.kill(l.node, false); err != nil {
			l.violated("the test's disk: %v", err)
		}
		return
	}
	code, err := l.stop()
	if err != nil || code != 0 {
		l.violated("the node ended with code %d: %v", code, err)
		l.kill(nil)
	}
	if err := e.disk.detach(); err != nil {
		l.violated("the test's disk: %v", err)
	}
}

// failed reports violations and keeps the data.
func (e *era) failed(n *node, v *verdicts, what string) bool {
	e.t.Helper()
	said := ""
	if n != nil {
		if !n.isDead() {
			n.kill(nil)
		}
		said = n.said()
	}
	if err := e.disk.detach(); err != nil {
		e.t.Error(err)
	}
	kept, err := e.disk.keep()
	if err != nil {
		e.t.Errorf("keeping the data: %v", err)
	}
	e.t.Errorf("seed %d, %s\n%s\ndata and the nodes' logs: %s\nthe node's last words:\n%s", e.seed, what, strings.Join(v.list(), "\n"), kept, said)
	return false
}
