package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// loadProgress draws how far a load is, on one line of a terminal. It is safe for concurrent use.
type loadProgress struct {
	out    io.Writer
	size   int64
	silent bool
	start  time.Time

	mu             sync.Mutex
	read           int64
	rows, rejected int
	ending         chan struct{}
	ended          sync.WaitGroup
}

// progressEvery is how often the line is drawn.
const progressEvery = 200 * time.Millisecond

// startProgress begins to draw; size is the number of bytes there are to read, 0 if that is not known.
func startProgress(out io.Writer, size int64, silent bool) *loadProgress {
	p := &loadProgress{out: out, size: size, silent: silent, start: time.Now(), ending: make(chan struct{})}
	if silent {
		return p
	}
	p.ended.Go(func() {
		t := time.NewTicker(progressEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				fmt.Fprint(p.out, "\r\x1b[K"+p.line(time.Since(p.start)))
			case <-p.ending:
				fmt.Fprint(p.out, "\r\x1b[K")
				return
			}
		}
	})
	return p
}

// add counts what has been loaded.
func (p *loadProgress) add(read int64, rows, rejected int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read += read
	p.rows += rows
	p.rejected += rejected
}

// stop takes the line away.
func (p *loadProgress) stop() {
	close(p.ending)
	p.ended.Wait()
}

func (p *loadProgress) line(took time.Duration) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	if p.size > 0 && p.read > 0 {
		const cells = 24
		share := min(1, float64(p.read)/float64(p.size))
		full := int(share * cells)
		fmt.Fprintf(&b, "%3.0f%% %s%s %s of %s  ", 100*share, strings.Repeat("█", full), strings.Repeat("░", cells-full), bytesText(p.read), bytesText(p.size))
	}
	fmt.Fprintf(&b, "%s rows", thousands(p.rows))
	if s := took.Seconds(); s > 0 {
		fmt.Fprintf(&b, "  %s rows/s", thousands(int(float64(p.rows)/s)))
	}
	if p.rejected > 0 {
		fmt.Fprintf(&b, "  %s rejected", thousands(p.rejected))
	}
	return b.String()
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

// thousands is a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	start := len(s) % 3
	if start == 0 {
		start = 3
	}
	var b strings.Builder
	b.WriteString(s[:min(start, len(s))])
	for i := start; i < len(s); i += 3 {
		b.WriteString("," + s[i:i+3])
	}
	return b.String()
}
