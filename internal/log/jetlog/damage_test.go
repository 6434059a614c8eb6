package jetlog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/log"
)

// TestDamageIsFound damages the files of a topic in many ways. A reader must get either every record as
// it was appended, or an error that says the log is damaged and where, after nothing but right records.
func TestDamageIsFound(t *testing.T) {
	pristine := t.TempDir()
	const n = 700
	l := mustOpen(t, pristine, Options{})
	mustCreate(t, l, "topic-x", log.TopicConfig{Partitions: 1})
	var offsets []log.Offset
	for i := range n {
		offsets = append(offsets, appendBody(t, l, "topic-x", damageBody(i)))
	}
	msgs := filepath.Join("jetstream", "$G", "streams", l.topic("topic-x").stream, "msgs")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	blocks, err := filepath.Glob(filepath.Join(pristine, msgs, "*.blk"))
	if err != nil || len(blocks) < 2 {
		t.Fatalf("blocks %v, %v", blocks, err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	found := 0
	for round := range 16 {
		block := filepath.Base(blocks[round%len(blocks)])
		var what string
		damage := func(b []byte) []byte {
			at := r.IntN(len(b))
			switch round / 2 % 4 {
			case 0, 1:
				what = fmt.Sprintf("bit flipped at byte %d of %s", at, block)
				b[at] ^= 1 << r.IntN(8)
			case 2:
				what = fmt.Sprintf("%s cut to %d bytes of %d", block, at, len(b))
				b = b[:at]
			case 3:
				what = fmt.Sprintf("4 KiB of zeroes at byte %d of %s", at, block)
				clear(b[at:min(at+4096, len(b))])
			}
			return b
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(pristine)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, msgs, block)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if unclean := round/8 == 1; unclean { // as after a crash: the server looks at all blocks
			what += ", index removed"
			if err := os.Remove(filepath.Join(dir, msgs, "index.db")); err != nil {
				t.Fatal(err)
			}
		}
		if readDamaged(t, dir, what, offsets) {
			found++
		}
	}
	if found < 12 {
		t.Errorf("only %d of 16 damages were found", found)
	}
}

func damageBody(i int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("record %06d ", i)), 1200)
}

// readDamaged reads the topic, and reports whether damage was found.
func readDamaged(t *testing.T, dir, what string, offsets []log.Offset) bool {
	l := mustOpen(t, dir, Options{})
	defer l.Close()
	end := offsets[len(offsets)-1] + 1
	bounds, err := l.Bounds(t.Context(), "topic-x")
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	err = l.ReadRange(t.Context(), "topic-x", 0, min(end, bounds.Next), func(r log.Record) error {
		if r.Offset != offsets[i] || !bytes.Equal(r.Body, damageBody(i)) {
			return fmt.Errorf("offset %d is not record %d", r.Offset, i)
		}
		i++
		return nil
	})
	if err == nil && i == len(offsets) {
		t.Logf("%s: nothing is missing", what)
		return false
	}
	if err == nil {
		// The log ends early, which whoever has been further finds out.
		err = l.ReadRange(t.Context(), "topic-x", end, end+1, nil)
	}
	if !errors.Is(err, log.ErrCorrupt) || !strings.Contains(err.Error(), "topic-x") {
		t.Errorf("%s: after record %d at offset %d: %v", what, i, offsets[i], err)
	}
	t.Logf("%s: %v", what, err)
	return true
}
