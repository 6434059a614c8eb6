package session

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidemill/tidemill/internal/hub"
	"github.com/tidemill/tidemill/internal/row"
)

// subscriptionsColumns are those of tidemill.subscriptions. The relation is null for a query that has a view of its own, the filter for a
// subscription to all rows.
const subscriptionsColumns = "id BIGINT, relation VARCHAR, filter JSON, waiting_frames BIGINT, behind BOOLEAN"

func subscriptionsRows(_ context.Context, db *Database, w *rowWriter) error {
	for _, s := range db.hub.List() {
		var relation, filter any
		if r := db.catalog.ByID(s.Relation); r != nil {
			relation = r.Name
			if len(s.Columns) > 0 {
				text, err := filterJSON(&s, r.Columns)
				if err != nil {
					return err
				}
				filter = text
			}
		}
		w.add(s.ID, relation, filter, s.Waiting, s.Behind)
	}
	return nil
}

// filterJSON is a subscription's filter as an object of columns and the values they equal, as text.
func filterJSON(s *hub.Listed, columns row.Schema) (string, error) {
	terms := make(map[string]string, len(s.Columns))
	for i, c := range s.Columns {
		v := s.Values[i].Repeat(1)
		terms[columns[c].Name] = string(row.AppendText(nil, &v, 0))
	}
	text, err := json.Marshal(terms)
	if err != nil {
		return "", fmt.Errorf("describing a subscription: %w", err)
	}
	return string(text), nil
}
