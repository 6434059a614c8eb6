package admission

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
)

func grow(t *testing.T, l *Lease, n int64) {
	t.Helper()
	if err := l.Grow(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != code {
		t.Errorf("%v, want %s", err, code)
	}
}

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100)
		a, c := b.NewLease(0), b.NewLease(time.Second)
		grow(t, a, 90)
		began := time.Now()
		wantCode(t, c.Grow(t.Context(), 20), fault.Overloaded)
		if d := time.Since(began); d != time.Second {
			t.Errorf("refused after %v", d)
		}
		wantCode(t, c.Grow(t.Context(), 101), fault.LimitExceeded)
		wantCode(t, a.Grow(t.Context(), 11), fault.LimitExceeded)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := b.NewLease(0).Grow(ctx, 20); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		grow(t, c, 10)
		if u := b.Usage(); u.Used != 100 || u.Waiting != 0 || u.Refused != 1 {
			t.Errorf("%+v", u)
		}
		a.Release()
		grow(t, c, 90)
		c.Release()
		if u := b.Usage(); u.Used != 0 {
			t.Errorf("%+v", u)
		}
	})
}

// TestOldestGoesOn: clients that each hold a part and want more do not wait for each other for ever.
func TestOldestGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				l := b.NewLease(0)
				for range 10 {
					time.Sleep(time.Duration(rand.N(1000)) * time.Millisecond)
					grow(t, l, 10)
				}
				if u := b.Usage(); u.Used > 200 {
					t.Errorf("%+v", u)
				}
				l.Release()
			})
		}
		all.Wait()
		if u := b.Usage(); u.Used != 0 || u.Waiting != 0 || u.Refused != 0 {
			t.Errorf("%+v", u)
		}
	})
}

func TestBody(t *testing.T) {
	b := New(1 << 20)
	for _, n := range []int64{0, 1, 100, step - 1, step, step + 1, 700_000} {
		for _, said := range []int64{0, n} {
			l := b.NewLease(0)
			body := NewBody(t.Context(), io.LimitReader(strings.NewReader(strings.Repeat("x", 1<<20)), n), l, said)
			text, err := io.ReadAll(body)
			if err != nil || int64(len(text)) != n || body.Taken() < n || body.Taken() > n+step || l.Bytes() != body.Taken() {
				t.Errorf("%d bytes: %d read, %d taken, %v", n, len(text), body.Taken(), err)
			}
			l.Release()
		}
	}
	l := b.NewLease(time.Millisecond)
	grow(t, b.NewLease(0), 900_000)
	_, err := io.ReadAll(NewBody(t.Context(), strings.NewReader(strings.Repeat("x", 200_000)), l, 0))
	wantCode(t, err, fault.Overloaded)
}
