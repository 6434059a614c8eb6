package doctor

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"
)

// doorTimeout bounds how long a door may take to answer.
const doorTimeout = 2 * time.Second

func examineDoors(ctx context.Context, addresses map[string]string) []DoorFacts {
	var out []DoorFacts
	node := false
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		if addresses[name] == "" {
			continue
		}
		d := DoorFacts{Name: name, Address: addresses[name]}
		var l net.Listener
		if l, d.Err = new(net.ListenConfig).Listen(ctx, "tcp", d.Address); d.Err == nil {
			_ = l.Close()
		} else if name == "http" {
			d.OurNode = alive(ctx, d.Address)
			node = d.OurNode
		}
		out = append(out, d)
	}
	for i := range out { // the other doors do not tell whose they are
		out[i].OurNode = out[i].OurNode || node && out[i].Err != nil
	}
	return out
}

// alive reports whether a node answers at an address.
func alive(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, doorTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func judgeDoor(d DoorFacts) Finding {
	x := Finding{Check: d.Name + " door", Verdict: OK, Found: d.Address + " is free"}
	switch {
	case d.OurNode:
		x.Found = d.Address + " is a running node's"
	case d.Err != nil:
		x.Verdict, x.Found = Fail, fmt.Sprintf("%s cannot be listened on: %v", d.Address, d.Err)
		x.Means, x.Raise = "a node does not start", fmt.Sprintf("stop what listens there, or pass another address with --%s", d.Name)
	}
	return x
}
