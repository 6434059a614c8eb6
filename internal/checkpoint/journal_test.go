package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/internal/checkpoint"
)

func open(t *testing.T, dir string) *checkpoint.Journal {
	t.Helper()
	j, err := checkpoint.Open(dir, checkpoint.Options{SegmentBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func scan(t *testing.T, j *checkpoint.Journal) (numbers []uint64, bodies [][]byte, err error) {
	t.Helper()
	err = j.Scan(func(b checkpoint.Block) error {
		numbers, bodies = append(numbers, b.Number), append(bodies, bytes.Clone(b.Body))
		return nil
	})
	return numbers, bodies, err
}

// fill writes n blocks of random sizes and returns them.
func fill(t *testing.T, j *checkpoint.Journal, n int) [][]byte {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var all [][]byte
	for i := range n {
		body := bytes.Repeat([]byte{byte(i + 1)}, r.IntN(500))
		at := r.IntN(len(body) + 1)
		number, err := j.Append(body[:at], body[at:])
		if err != nil || number != uint64(i) {
			t.Fatal(number, err)
		}
		all = append(all, body)
	}
	return all
}

func TestBlocksComeBack(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if n, _, err := scan(t, j); n != nil || err != nil {
		t.Fatal(n, err)
	}
	want := fill(t, j, 40)
	again := open(t, dir)
	_, got, err := scan(t, again)
	if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("%d blocks, want %d (%v)", len(got), len(want), err)
	}
	if again.Bytes() < 5000 {
		t.Errorf("%d bytes", again.Bytes())
	}
	if err := again.Drop(20); err != nil {
		t.Fatal(err)
	}
	if number, err := again.Append([]byte("more")); err != nil || number != 40 {
		t.Fatal(number, err)
	}
	numbers, _, err := scan(t, open(t, dir))
	if err != nil || numbers[0] > 20 || numbers[0] == 0 || numbers[len(numbers)-1] != 40 {
		t.Errorf("after Drop there are %v (%v)", numbers, err)
	}
}

// TestTornEnd cuts the last file at every place: what was whole is there, and the journal goes on.
func TestTornEnd(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	_, _, _ = scan(t, j)
	want := fill(t, j, 6)
	last := lastFile(t, dir)
	whole, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	before := -1
	for n := range len(whole) {
		torn := t.TempDir()
		copyAll(t, dir, torn)
		if err := os.Truncate(filepath.Join(torn, filepath.Base(last)), int64(n)); err != nil {
			t.Fatal(err)
		}
		j := open(t, torn)
		_, got, err := scan(t, j)
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if len(got) < before || !slices.EqualFunc(got, want[:len(got)], bytes.Equal) {
			t.Fatalf("cut at %d: %d blocks", n, len(got))
		}
		before = len(got)
		if number, err := j.Append([]byte("x")); err != nil || number != uint64(len(got)) {
			t.Fatalf("cut at %d: block %d: %v", n, number, err)
		}
		if _, after, err := scan(t, open(t, torn)); err != nil || len(after) != len(got)+1 {
			t.Fatalf("cut at %d: %d blocks after one more: %v", n, len(after), err)
		}
	}
}

// TestFlippedBits flips bits everywhere: the blocks before are there, and the damage is told.
func TestFlippedBits(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	_, _, _ = scan(t, j)
	want := fill(t, j, 8)
	files, err := filepath.Glob(filepath.Join(dir, "*.ckp"))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 2))
	for range 300 {
		bad := t.TempDir()
		copyAll(t, dir, bad)
		file := filepath.Join(bad, filepath.Base(files[r.IntN(len(files))]))
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := r.IntN(len(b))
		b[at] ^= 1 << r.IntN(8)
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		j := open(t, bad)
		_, got, err := scan(t, j)
		if !errors.Is(err, checkpoint.ErrDamaged) || len(got) >= len(want) || !slices.EqualFunc(got, want[:len(got)], bytes.Equal) {
			t.Fatalf("byte %d of %s: %d blocks, %v", at, filepath.Base(file), len(got), err)
		}
		if _, err := j.Append([]byte("on")); err != nil {
			t.Fatal(err)
		}
		if _, after, err := scan(t, open(t, bad)); err != nil || len(after) != len(got)+1 {
			t.Fatalf("%d blocks after one more: %v", len(after), err)
		}
	}
}

func TestMissingSegment(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	_, _, _ = scan(t, j)
	fill(t, j, 20)
	files, _ := filepath.Glob(filepath.Join(dir, "*.ckp"))
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	if _, got, err := scan(t, j); !errors.Is(err, checkpoint.ErrDamaged) || len(got) == 0 || len(got) >= 20 {
		t.Errorf("%d blocks, %v", len(got), err)
	}
}

func TestCut(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	_, _, _ = scan(t, j)
	fill(t, j, 20)
	j = open(t, dir)
	err := j.Scan(func(b checkpoint.Block) error {
		if b.Number == 11 {
			return checkpoint.ErrCut
		}
		return nil
	})
	if err != nil || j.Next() != 11 {
		t.Fatal(j.Next(), err)
	}
	if numbers, _, err := scan(t, open(t, dir)); err != nil || len(numbers) != 11 {
		t.Errorf("%v, %v", numbers, err)
	}
}

func TestErrorsOfTheReaderAreItsOwn(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	_, _, _ = scan(t, j)
	fill(t, j, 3)
	mine := fmt.Errorf("mine")
	if err := open(t, dir).Scan(func(checkpoint.Block) error { return mine }); !errors.Is(err, mine) {
		t.Error(err)
	}
	if numbers, _, err := scan(t, open(t, dir)); err != nil || len(numbers) != 3 {
		t.Errorf("%v, %v", numbers, err)
	}
}

func lastFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.ckp"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files[len(files)-1]
}

func copyAll(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
