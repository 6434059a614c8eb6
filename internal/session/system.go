package session

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// systemRelation is a relation that is computed when it is read.
type systemRelation struct {
	name    string
	columns row.Schema
	rows    func(ctx context.Context, db *Database, b *rowWriter) error
}

func (s *systemRelation) scan(ctx context.Context, db *Database, columns []int) (engine.Iterator, error) {
	w := &rowWriter{bb: row.NewBatchBuilder(s.columns.Types(), 16)}
	if err := s.rows(ctx, db, w); err != nil {
		return nil, err
	}
	all := w.bb.Finish(w.n)
	out := &row.Batch{Cols: make([]row.Vec, len(columns)), Len: all.Len}
	for i, c := range columns {
		if c < 0 {
			out.Cols[i] = row.FromValues(row.T(row.Int64), make([]int64, all.Len), nil)
		} else {
			out.Cols[i] = all.Cols[c]
		}
	}
	return &oneBatchIterator{out}, nil
}

// rowWriter appends rows of Go values.
type rowWriter struct {
	bb *row.BatchBuilder
	n  int
}

// add appends a row of strings, integers, booleans, durations and nils.
func (w *rowWriter) add(vals ...any) {
	for i, v := range vals {
		switch v := v.(type) {
		case nil:
			w.bb.Cols[i].AppendNull()
		case string:
			w.bb.Cols[i].AppendString(v)
		case bool:
			w.bb.Cols[i].AppendBool(v)
		case int64:
			w.bb.Cols[i].AppendInt(v)
		case int:
			w.bb.Cols[i].AppendInt(int64(v))
		case uint64:
			w.bb.Cols[i].AppendInt(int64(v))
		case time.Duration:
			w.bb.Cols[i].AppendInterval(row.IntervalValue{Micros: v.Microseconds()})
		default:
			w.bb.Cols[i].AppendString(fmt.Sprint(v))
		}
	}
	w.n++
}

func columnsOf(spec string) row.Schema {
	var s row.Schema
	for part := range strings.SplitSeq(spec, ",") {
		name, typ, _ := strings.Cut(strings.TrimSpace(part), " ")
		t, _ := row.ParseType(typ)
		s = append(s, row.Column{Name: name, Type: t})
	}
	return s
}

func systemRelations() []*systemRelation {
	relation := "name VARCHAR, id BIGINT, columns JSON, options JSON, comment VARCHAR, created_at TIMESTAMPTZ, create_statement VARCHAR"
	return []*systemRelation{
		{"tidemill.streams", columnsOf(relation + ", partitions INTEGER, watermark VARCHAR"), listRelations(catalog.Stream)},
		{"tidemill.tables", columnsOf(relation + ", primary_key VARCHAR"), listRelations(catalog.Table)},
		{"tidemill.views", columnsOf(relation + ", materialized BOOLEAN, query VARCHAR, view_key VARCHAR, append_only BOOLEAN"), listRelations(catalog.View)},
		{"tidemill.view_status", columnsOf("name VARCHAR, rows BIGINT, frontier BIGINT, lag_ms BIGINT, state_bytes BIGINT, content_bytes BIGINT, late_rows BIGINT, rejected_rows BIGINT, ticks BIGINT, cpu_ms BIGINT, error VARCHAR, watermark TIMESTAMPTZ, verified_at TIMESTAMPTZ, verified_equal BOOLEAN"), viewStatus},
		{"tidemill.lineage", columnsOf("name VARCHAR, kind VARCHAR, reads VARCHAR, reads_kind VARCHAR"), lineage},
		{"tidemill.settings", columnsOf("name VARCHAR, value VARCHAR, description VARCHAR"), settingsRows},
		{"tidemill.subscriptions", columnsOf(subscriptionsColumns), subscriptionsRows},
		{"tidemill.nodes", columnsOf(nodesColumns), nodesRows},
	}
}

func (db *Database) defineSystem() error {
	db.system = map[string]*systemRelation{}
	for _, s := range systemRelations() {
		if err := db.planner.DefineTable(s.name, s.columns, nil); err != nil {
			return fmt.Errorf("defining %s: %w", s.name, err)
		}
		if err := db.reader.DefineTable(s.name, s.columns); err != nil {
			return fmt.Errorf("defining %s: %w", s.name, err)
		}
		db.system[s.name] = s
	}
	return nil
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}

type columnInfo struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	NotNull bool   `json:"not_null"`
	Comment string `json:"comment,omitempty"`
}

func columnInfos(r *catalog.Relation) []columnInfo {
	out := make([]columnInfo, len(r.Columns))
	for i, c := range r.Columns {
		out[i] = columnInfo{c.Name, c.Type.String(), c.NotNull, r.ColumnComments[c.Name]}
	}
	return out
}

func keyNames(r *catalog.Relation) any {
	if r.Key == nil {
		return nil
	}
	var names []string
	for _, k := range r.Key {
		names = append(names, r.Columns[k].Name)
	}
	return strings.Join(names, ", ")
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func listRelations(kind catalog.Kind) func(context.Context, *Database, *rowWriter) error {
	return func(_ context.Context, db *Database, w *rowWriter) error {
		for _, r := range db.catalog.All() {
			if r.Kind != kind && !(kind == catalog.View && r.Kind == catalog.MaterializedView) {
				continue
			}
			vals := []any{r.Name, r.ID, asJSON(columnInfos(r)), asJSON(r.Options), orNull(r.Comment), r.CreatedAt.UnixMicro(), r.Create}
			switch kind {
			case catalog.Stream:
				var mark any
				if r.Watermark != nil {
					text := fmt.Sprintf("%s AS %s", r.Watermark.Column, r.Watermark.Expr)
					if len(r.Watermark.Per) > 0 {
						text += " PER " + strings.Join(r.Watermark.Per, ", ")
					}
					mark = text
				}
				vals = append(vals, r.Partitions, mark)
			case catalog.Table:
				vals = append(vals, keyNames(r))
			default:
				vals = append(vals, r.Kind == catalog.MaterializedView, r.Query, keyNames(r), r.AppendOnly)
			}
			w.add(vals...)
		}
		return nil
	}
}

func viewStatus(_ context.Context, db *Database, w *rowWriter) error {
	st, _, tick := db.engine.Status(db.now())
	for _, v := range st {
		r := db.catalog.ByID(v.Relation)
		if r == nil || v.Building {
			continue // the view of a subscription, or one that is not there yet
		}
		var stopped any
		if v.Stopped != nil {
			stopped = v.Stopped.Error()
		}
		var mark any
		if v.Watermark != 0 {
			mark = v.Watermark
		}
		verifiedAt, verifiedEqual := db.verifications.of(r.ID)
		w.add(r.Name, v.Rows, tick.Number, v.Lag.Milliseconds(), v.StateBytes, v.Bytes, v.LateCount, v.RejectCount, v.Ticks, v.CPUNanos/1_000_000, stopped, mark, verifiedAt, verifiedEqual)
	}
	return nil
}

func lineage(_ context.Context, db *Database, w *rowWriter) error {
	for _, r := range db.catalog.All() {
		for _, id := range r.DependsOn {
			if d := db.catalog.ByID(id); d != nil {
				w.add(r.Name, string(r.Kind), d.Name, string(d.Kind))
			}
		}
	}
	return nil
}

func settingsRows(_ context.Context, db *Database, w *rowWriter) error {
	w.add("tidemill.database", db.name, "the database of this session")
	w.add("tidemill.workers", fmt.Sprint(db.workers), "shards per operator")
	w.add(afterSetting, "", "a token: reads wait until they can see what it stands for")
	w.add(resultBytesSetting, "", "the most bytes of a query's rows; 0 is no bound")
	w.add("tidemill.dedupe_window", db.dedupe.window.String(), "how long repeated events are known, where a relation does not say")
	u := db.admission.Usage()
	w.add("tidemill.inflight_bytes", fmt.Sprint(u.Max), "the most bytes of writes that are taken and not stored yet")
	return nil
}

var showKinds = map[sql.Kind][]catalog.Kind{
	sql.KindStream: {catalog.Stream}, sql.KindTable: {catalog.Table},
	sql.KindView: {catalog.View, catalog.MaterializedView}, sql.KindMaterializedView: {catalog.MaterializedView},
}

func showColumns(st *sql.Show) row.Schema {
	switch {
	case st.All:
		return columnsOf("name VARCHAR, setting VARCHAR, description VARCHAR")
	case st.Setting != "":
		return row.Schema{{Name: st.Setting, Type: row.T(row.String)}}
	case showKinds[st.Kind] != nil:
		return columnsOf("name VARCHAR, kind VARCHAR, columns VARCHAR, comment VARCHAR")
	}
	if st.Kind == sql.KindType {
		return columnsOf("name VARCHAR, type VARCHAR")
	}
	return columnsOf("name VARCHAR")
}

// show lists relations or tells a setting.
func (s *Session) show(ctx context.Context, st *sql.Show) (*Result, error) {
	cols := showColumns(st)
	w := &rowWriter{bb: row.NewBatchBuilder(cols.Types(), 8)}
	switch {
	case st.All:
		if err := settingsRows(ctx, s.db, w); err != nil {
			return nil, err
		}
	case st.Setting != "":
		v, ok := s.Setting(st.Setting)
		if !ok {
			return nil, fault.New(fault.UndefinedObject, "there is no setting %q", st.Setting)
		}
		w.add(v)
	case showKinds[st.Kind] != nil:
		for _, r := range s.db.catalog.All() {
			if slices.Contains(showKinds[st.Kind], r.Kind) && likeName(st.Like, r.Name) {
				w.add(r.Name, string(r.Kind), strings.Join(r.Columns.Names(), ", "), orNull(r.Comment))
			}
		}
	case st.Kind == sql.KindType:
		for _, t := range s.db.catalog.Types() {
			if likeName(st.Like, t.Name) {
				w.add(t.Name, t.Type.String())
			}
		}
	case st.Kind == sql.KindDatabase:
		if likeName(st.Like, s.db.name) {
			w.add(s.db.name)
		}
	case st.Kind == sql.KindSchema:
		for _, n := range []string{"main", catalog.SystemSchema} {
			if likeName(st.Like, n) {
				w.add(n)
			}
		}
	}
	r := oneBatch(cols, w.bb.Finish(w.n))
	r.tag = "SHOW"
	return r, nil
}

// likeName matches a name with a LIKE pattern, without regard to case.
func likeName(pattern *string, name string) bool {
	if pattern == nil {
		return true
	}
	glob := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "%", "*", "_", "?").Replace(strings.ToLower(*pattern))
	ok, err := path.Match(glob, strings.ToLower(name))
	return ok && err == nil
}

func (s *Session) showCreate(st *sql.ShowCreate) (*Result, error) {
	name, err := s.db.relationName(st.Name)
	if err != nil {
		return nil, err
	}
	rel, err := s.db.catalog.Lookup(name)
	if err != nil {
		return nil, err
	}
	r := textLines("create_statement", rel.Create)
	r.tag = "SHOW"
	return r, nil
}

func describeColumns() row.Schema {
	return columnsOf("column_name VARCHAR, column_type VARCHAR, not_null BOOLEAN, key VARCHAR, default VARCHAR, comment VARCHAR")
}

// describe lists the columns of a relation or a query.
func (s *Session) describe(ctx context.Context, whole string, st *sql.Describe) (*Result, error) {
	w := &rowWriter{bb: row.NewBatchBuilder(describeColumns().Types(), 8)}
	if st.Query != nil {
		p, err := s.db.planSelect(ctx, whole, *st.Query, nil)
		if err != nil {
			return nil, err
		}
		for _, c := range p.columns {
			w.add(c.Name, c.Type.String(), false, nil, nil, nil)
		}
	} else {
		name, err := s.db.relationName(st.Name)
		if err != nil {
			return nil, err
		}
		if err := s.db.describeRelation(name, w); err != nil {
			return nil, positionedAt(err, whole, st.Name.Pos)
		}
	}
	r := oneBatch(describeColumns(), w.bb.Finish(w.n))
	r.tag = "DESCRIBE"
	return r, nil
}

func (db *Database) describeRelation(name string, w *rowWriter) error {
	if sys := db.system[catalog.Fold(name)]; sys != nil {
		for _, c := range sys.columns {
			w.add(c.Name, c.Type.String(), false, nil, nil, nil)
		}
		return nil
	}
	r, err := db.catalog.Lookup(name)
	if err != nil {
		return err
	}
	for i, c := range r.Columns {
		var key, def any
		if slices.Contains(r.Key, i) {
			key = "KEY"
		}
		if i < len(r.Defaults) {
			def = orNull(r.Defaults[i])
		}
		w.add(c.Name, c.Type.String(), c.NotNull, key, def, orNull(r.ColumnComments[c.Name]))
	}
	return nil
}
