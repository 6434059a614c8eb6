package httpapi

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// TestClientThatDoesNotRead: who takes nothing of a large answer is cut, and holds nothing from others.
func TestClientThatDoesNotRead(t *testing.T) {
	d := open(t)
	d.s.opts.WriteTimeout = 200 * time.Millisecond
	body := `{"sql":"SELECT x, 'some text to make it longer' FROM range(100000000) t(x)"}`
	for range 20 { // more than queries run at once
		c, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /v1/sql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	if got := d.sql(`SELECT count(*) FROM range(1000)`); !strings.Contains(got, "1000") || time.Since(began) > 20*time.Second {
		t.Errorf("after %v: %s", time.Since(began), got)
	}
}
