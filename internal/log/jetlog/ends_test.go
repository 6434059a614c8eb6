package jetlog

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/log"
)

// TestLostEndIsFound damages the newest block of a topic whose process was killed: JetStream then takes the topic to end where the damage begins. A reader is told, and nothing is put in
// the place of what is lost.
func TestLostEndIsFound(t *testing.T) {
	live := t.TempDir()
	l := mustOpen(t, live, Options{})
	defer l.Close()
	for _, topic := range []string{"hurt", "whole", "gone"} {
		mustCreate(t, l, topic, log.TopicConfig{Partitions: 1})
	}
	var offsets []log.Offset
	for i := range 50 {
		offsets = append(offsets, appendBody(t, l, "hurt", damageBody(i)))
		appendBody(t, l, "whole", damageBody(i))
	}
	appendBody(t, l, "gone", damageBody(0))
	if err := l.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	block := filepath.Join("jetstream", "$G", "streams", l.topic("hurt").stream, "msgs", "1.blk")
	r := rand.New(rand.NewPCG(1, 2))
	for range 6 {
		dir := t.TempDir() // as it is when the process is killed
		if err := os.CopyFS(dir, os.DirFS(live)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, block)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := r.IntN(len(b))
		b[at] ^= 1 << r.IntN(8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			l := mustOpen(t, dir, Options{})
			rs, err := readAll(t, l, "hurt")
			if !errors.Is(err, log.ErrCorrupt) || !strings.Contains(err.Error(), "hurt") || !strings.Contains(err.Error(), ".blk") {
				t.Errorf("bit flipped at byte %d of %d: %d records, %v", at, len(b), len(rs), err)
			}
			for i, rec := range rs {
				if rec.Offset != offsets[i] || string(rec.Body) != string(damageBody(i)) {
					t.Errorf("record %d is wrong", i)
				}
			}
			if _, err := l.Append(t.Context(), "hurt", []log.Entry{{Body: []byte("x")}}); !errors.Is(err, log.ErrCorrupt) {
				t.Errorf("appending to what has lost its end: %v", err)
			}
			appendBody(t, l, "whole", []byte("x"))
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestEndsFile: what is in the file that is no slot is passed over.
func TestEndsFile(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 10*slotBytes+7)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	if err := os.WriteFile(filepath.Join(dir, endsName), noise, 0o600); err != nil {
		t.Fatal(err)
	}
	for round := range uint64(3) {
		e, err := openEnds(dir, []string{"a", "b", "c"})
		if err != nil {
			t.Fatal(err)
		}
		if e.last("a") != round || e.last("b") != 0 || e.last("c") != 10*round {
			t.Errorf("round %d: %v", round, e.found)
		}
		for _, err := range []error{e.note("b", 5), e.note("c", 10*(round+1)), e.note("a", round+1)} {
			if err != nil {
				t.Error(err)
			}
		}
		e.forget("b")
		if len(e.at) != 2 || e.size != 10*slotBytes {
			t.Errorf("%d slots, %d bytes", len(e.at), e.size)
		}
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzEnds(f *testing.F) {
	f.Add([]byte("anything"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, endsName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := openEnds(dir, []string{"a"})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(e.note("a", 3), e.close()); err != nil {
			t.Fatal(err)
		}
		if e, err = openEnds(dir, []string{"a"}); err != nil || e.last("a") != 3 {
			t.Errorf("%d, %v", e.last("a"), err)
		}
		_ = e.close()
	})
}
