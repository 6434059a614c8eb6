package jetlog

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/log"
)

const (
	// crashDir and crashRound make the test binary append to a log until it is killed.
	crashDir   = "TIDEMILL_TEST_CRASH_DIR"
	crashRound = "TIDEMILL_TEST_CRASH_ROUND"
	// crashRounds is how often the crash test kills; unset is 10.
	crashRounds = "TIDEMILL_TEST_CRASH_ROUNDS"

	crashAppenders = 4
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		round, _ := strconv.Atoi(os.Getenv(crashRound))
		fmt.Fprintln(os.Stderr, appendUntilKilled(dir, round))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendUntilKilled prints a line for each acknowledged group: appender, group, offset.
func appendUntilKilled(dir string, round int) error {
	fmt.Println("opening")
	l, err := Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	err = l.Create(context.Background(), "t", log.TopicConfig{Partitions: 2})
	if err != nil && !errors.Is(err, log.ErrTopicExists) {
		return err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range crashAppenders {
		who := round*crashAppenders + i
		wg.Go(func() {
			for g := 0; ; g++ {
				o, err := l.Append(context.Background(), "t", crashGroup(who, g))
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				mu.Lock()
				fmt.Println(who, g, uint64(o))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.New("all appenders failed")
}

// crashGroup is the group g of an appender: some records, now and then large ones.
func crashGroup(who, g int) []log.Entry {
	r := rand.New(rand.NewPCG(uint64(who), uint64(g)))
	group := make([]log.Entry, 1+r.IntN(4))
	for i := range group {
		n := 16 + r.IntN(3000)
		if r.IntN(40) == 0 {
			n = r.IntN(1 << 20)
		}
		b := make([]byte, max(n, 16))
		binary.LittleEndian.PutUint32(b, uint32(who))
		binary.LittleEndian.PutUint32(b[4:], uint32(g))
		for k := 8; k < len(b); k++ {
			b[k] = byte(k * (i + 1))
		}
		group[i] = log.Entry{Partition: uint16(i % 2), Body: b}
	}
	return group
}

// TestKill kills a process that appends, at random moments, and checks each time that what it was
// acknowledged is in the log exactly once, and nothing else but what was under way.
func TestKill(t *testing.T) {
	rounds := 10
	if s := os.Getenv(crashRounds); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", crashRounds, err)
		}
		rounds = n
	}
	dir := t.TempDir()
	acked := map[int][]log.Offset{}
	total := 0
	for round := range rounds {
		killed := killRound(t, dir, round, acked)
		total += killed
		verifyCrash(t, dir, acked)
	}
	t.Logf("%d groups were acknowledged in %d rounds", total, rounds)
}

func killRound(t *testing.T, dir string, round int, acked map[int][]log.Offset) int {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashRound+"="+strconv.Itoa(round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	limit := rand.IntN(300) // lines until the kill; the first one says that the log is being opened
	n := 0
	for i := 0; ; i++ {
		if i == limit {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := lines.ReadString('\n') // goes on after the kill: what was printed was acknowledged
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var who, g int
		var o uint64
		if _, err := fmt.Sscan(line, &who, &g, &o); err != nil {
			continue
		}
		if g != len(acked[who]) {
			t.Fatalf("group %d of %d was acknowledged after %d others", g, who, len(acked[who]))
		}
		acked[who] = append(acked[who], log.Offset(o))
		n++
	}
	_ = cmd.Wait() // it was killed
	return n
}

func verifyCrash(t *testing.T, dir string, acked map[int][]log.Offset) {
	t.Helper()
	l := mustOpen(t, dir, Options{})
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if l.topic("t") == nil {
		if len(acked) > 0 {
			t.Fatal("the topic is gone")
		}
		return
	}
	rs, err := readAll(t, l, "t")
	if err != nil {
		t.Fatal(err)
	}
	groups := map[int]int{}
	for i := 0; i < len(rs); {
		who, g := int(binary.LittleEndian.Uint32(rs[i].Body)), int(binary.LittleEndian.Uint32(rs[i].Body[4:]))
		if g != groups[who] {
			t.Fatalf("group %d of %d follows %d others", g, who, groups[who])
		}
		groups[who]++
		want := crashGroup(who, g)
		for j := range want {
			r := rs[i]
			if r.Partition != want[j].Partition || string(r.Body) != string(want[j].Body) || r.Last != (j == len(want)-1) {
				t.Fatalf("offset %d is not record %d of group %d of %d", r.Offset, j, g, who)
			}
			i++
		}
		if last := rs[i-1].Offset; g < len(acked[who]) && last != acked[who][g] {
			t.Fatalf("group %d of %d is at offset %d, acknowledged was %d", g, who, last, acked[who][g])
		}
	}
	for who, offsets := range acked {
		if groups[who] < len(offsets) {
			t.Fatalf("%d groups of %d are in the log, %d were acknowledged", groups[who], who, len(offsets))
		}
	}
	for who, n := range groups {
		if n > len(acked[who])+1 {
			t.Fatalf("%d groups of %d are in the log, %d were acknowledged", n, who, len(acked[who]))
		}
	}
}
