package httpapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/session"
)

// reserved are query parameters that are not columns.
var reserved = []string{"limit", "cursor", "from", "to", "order", "after", "database", "sql", "lastEventId", "conflate", "snapshot"}

// equalities are the query's parameters that name columns, in a stable order.
func equalities(q url.Values) []session.Equality {
	var out []session.Equality
	for name, vals := range q {
		if !slices.Contains(reserved, name) {
			for _, v := range vals {
				out = append(out, session.Equality{Column: name, Value: v})
			}
		}
	}
	slices.SortFunc(out, func(a, b session.Equality) int {
		if a.Column < b.Column {
			return -1
		}
		return 1
	})
	return out
}

// lookup reads a view or table by key.
func (s *Server) lookup(w http.ResponseWriter, r *http.Request) {
	ses, err := s.session(r)
	if err != nil {
		writeError(w, err)
		return
	}
	defer ses.Close()
	q := r.URL.Query()
	req := session.LookupRequest{Relation: r.PathValue("name"), Equals: equalities(q), Cursor: q.Get("cursor"), Desc: q.Get("order") == "desc"}
	if v := q.Get("limit"); v != "" {
		if req.Limit, err = strconv.Atoi(v); err != nil || req.Limit < 1 {
			writeError(w, fault.New(fault.InvalidParameterValue, "limit is %q, want a positive number", v))
			return
		}
	}
	if q.Has("from") {
		v := q.Get("from")
		req.From = &v
	}
	if q.Has("to") {
		v := q.Get("to")
		req.To = &v
	}
	if v := q.Get("order"); v != "" && v != "asc" && v != "desc" {
		writeError(w, fault.New(fault.InvalidParameterValue, "order is %q, want asc or desc", v))
		return
	}
	ctx, stop := s.until(r)
	defer stop()
	res, err := ses.Lookup(ctx, req)
	if err != nil {
		writeError(w, err)
		return
	}
	enc := row.NewRowEncoder(res.Columns)
	out := []byte(`{"rows":[`)
	for i := range res.Rows.Len {
		if i > 0 {
			out = append(out, ',')
		}
		out = enc.AppendRow(out, res.Rows, i)
	}
	out = append(out, ']')
	if res.Next != "" {
		out = append(out, `,"cursor":`...)
		out = appendJSONString(out, res.Next)
	}
	out = appendJSONString(append(out, `,"token":`...), res.Token)
	out = append(out, '}', '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(tokenHeader, res.Token)
	_, _ = w.Write(out)
}

func appendJSONString(dst []byte, s string) []byte {
	b, _ := json.Marshal(s) // of a string it cannot fail
	return append(dst, b...)
}
