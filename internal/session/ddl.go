package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
	"github.com/tidemill/tidemill/internal/view"
)

// columnsMax bounds the columns of a relation.
const columnsMax = 2000

// relationName returns the catalog's name for a name in a statement.
func (db *Database) relationName(n sql.Name) (string, error) {
	if n.Database != "" && !strings.EqualFold(n.Database, db.name) {
		return "", fault.New(fault.InvalidDatabase, "this session is in database %q, not %q", db.name, n.Database)
	}
	switch strings.ToLower(n.Schema) {
	case "", "main", "public":
		return n.Name, nil
	case catalog.SystemSchema:
		return catalog.SystemSchema + "." + n.Name, nil
	}
	return "", fault.New(fault.UndefinedObject, "there is no schema %q", n.Schema).WithHint("relations are in schema main; Tidemill's own are in schema tidemill")
}

// newName checks that a relation can be created under a name; existing is not nil if there is one and ifNotExists forgives it.
func (db *Database) newName(n sql.Name, ifNotExists, orReplace bool) (name string, existing *catalog.Relation, err error) {
	if name, err = db.relationName(n); err != nil {
		return "", nil, err
	}
	if strings.HasPrefix(name, catalog.SystemSchema+".") {
		return "", nil, fault.New(fault.InvalidName, "schema tidemill is Tidemill's own").WithHint("choose a name without that schema")
	}
	r := db.catalog.Get(name)
	if r == nil || ifNotExists {
		return name, r, nil
	}
	if orReplace {
		return "", nil, fault.New(fault.FeatureNotSupported, "replacing %s %q is not available", r.Kind, r.Name).
			WithHint("DROP it first, then CREATE it; only plain views are replaced")
	}
	return "", nil, fault.New(fault.DuplicateObject, "there is already a %s %q", r.Kind, r.Name).WithHint("choose another name, or use IF NOT EXISTS")
}

// commitChange makes a change of the catalog durable and then true.
func (db *Database) commitChange(ctx context.Context, ch catalog.Change) error {
	body, err := ch.Encode()
	if err != nil {
		return fmt.Errorf("writing a change of the catalog: %w", err)
	}
	if _, err := db.log.Append(context.WithoutCancel(ctx), catalogTopic, []log.Entry{{Body: body}}); err != nil {
		return userError(err)
	}
	if r := db.catalog.ByID(ch.Drop); r != nil {
		db.logger.Info("a relation was dropped", "database", db.name, "kind", r.Kind, "name", r.Name)
	}
	db.catalog.Apply(ch)
	if r := ch.Put; r != nil && !r.System() {
		db.logger.Info("a relation was defined", "database", db.name, "kind", r.Kind, "name", r.Name)
	}
	return nil
}

func (db *Database) createStored(ctx context.Context, r *catalog.Relation) error {
	c, err := topicConfig(r)
	if err != nil {
		return err
	}
	r.CreatedAt = db.now().UTC()
	r.Versions = []row.Schema{r.Columns}
	for err = log.ErrTopicExists; errors.Is(err, log.ErrTopicExists); { // one whose creation was cut short between the topic and the catalog keeps its ID
		r.ID = db.catalog.NextID()
		err = db.log.Create(ctx, r.Topic(), c)
	}
	if err != nil {
		return fmt.Errorf("creating the topic of %s: %w", r.Name, err)
	}
	if err := db.define(r); err != nil {
		return userError(errors.Join(err, db.log.Delete(ctx, r.Topic())))
	}
	if err := db.commitChange(ctx, catalog.Change{Put: r}); err != nil {
		return userError(errors.Join(err, db.undefine(r), db.log.Delete(ctx, r.Topic())))
	}
	return db.openStored(r, true)
}

func (db *Database) createStream(ctx context.Context, whole string, s *sql.CreateStream) (tag string, err error) {
	db.ddlMu.Lock()
	defer db.ddlMu.Unlock()
	name, existing, err := db.newName(s.Name, s.IfNotExists, s.OrReplace)
	if err != nil || existing != nil {
		return s.Tag(), err
	}
	r := &catalog.Relation{Kind: catalog.Stream, Name: name, Create: whole}
	if err := db.setColumns(r, whole, s.Columns); err != nil {
		return "", err
	}
	if err := setOptions(r, whole, s.Options); err != nil {
		return "", err
	}
	if s.Watermark != nil {
		at := r.Columns.Index(s.Watermark.Column.Name)
		if at < 0 {
			return "", fault.New(fault.UndefinedColumn, "the watermark's column %q is not a column of the stream", s.Watermark.Column.Name).
				At(sql.PositionAt(whole, s.Watermark.Column.Pos))
		}
		if k := r.Columns[at].Type.Kind; k != row.Timestamp && k != row.TimestampTZ && k != row.Date {
			return "", fault.New(fault.DatatypeMismatch, "the watermark's column %q is %s, not a timestamp", s.Watermark.Column.Name, r.Columns[at].Type).
				At(sql.PositionAt(whole, s.Watermark.Column.Pos))
		}
		if err := db.checkExpression(ctx, whole, r.Columns, s.Watermark.Expr); err != nil {
			return "", err
		}
		r.Watermark = &catalog.Watermark{Column: r.Columns[at].Name, Expr: s.Watermark.Expr.SQL}
		if _, err := db.watermarkExpr(ctx, r); err != nil {
			return "", positioned(err, whole, s.Watermark.Expr)
		}
		for _, per := range s.Watermark.Per {
			at := r.Columns.Index(per.Name)
			if at < 0 {
				return "", fault.New(fault.UndefinedColumn, "the watermark's column %q is not a column of the stream", per.Name).At(sql.PositionAt(whole, per.Pos))
			}
			r.Watermark.Per = append(r.Watermark.Per, r.Columns[at].Name)
		}
	}
	if err := db.checkDefaults(ctx, whole, r, s.Columns); err != nil {
		return "", err
	}
	if db.usesNamedTypes(s.Columns) {
		r.Create = createText(r)
	}
	return s.Tag(), db.createStored(ctx, r)
}

func (db *Database) createTable(ctx context.Context, whole string, s *sql.CreateTable) (tag string, err error) {
	if s.Query != nil {
		return "", fault.New(fault.FeatureNotSupported, "CREATE TABLE … AS is not available").WithHint("CREATE TABLE with its columns, then INSERT INTO … SELECT")
	}
	db.ddlMu.Lock()
	defer db.ddlMu.Unlock()
	name, existing, err := db.newName(s.Name, s.IfNotExists, s.OrReplace)
	if err != nil || existing != nil {
		return s.Tag(), err
	}
	r := &catalog.Relation{Kind: catalog.Table, Name: name, Create: whole}
	if err := db.setColumns(r, whole, s.Columns); err != nil {
		return "", err
	}
	for _, k := range s.PrimaryKey {
		at := r.Columns.Index(k.Name)
		if at < 0 {
			return "", fault.New(fault.UndefinedColumn, "the primary key's column %q is not a column of the table", k.Name).At(sql.PositionAt(whole, k.Pos))
		}
		if r.Columns[at].Type.Kind == row.Other {
			return "", fault.New(fault.InvalidDefinition, "a column of type %s cannot be part of a primary key", r.Columns[at].Type).At(sql.PositionAt(whole, k.Pos))
		}
		r.Columns[at].NotNull = true
		r.Key = append(r.Key, at)
	}
	if err := setOptions(r, whole, s.Options); err != nil {
		return "", err
	}
	if err := db.checkDefaults(ctx, whole, r, s.Columns); err != nil {
		return "", err
	}
	if db.usesNamedTypes(s.Columns) {
		r.Create = createText(r)
	}
	return s.Tag(), db.createStored(ctx, r)
}

// setColumns reads column definitions.
func (db *Database) setColumns(r *catalog.Relation, whole string, defs []sql.ColumnDef) error {
	if len(defs) > columnsMax {
		return fault.New(fault.LimitExceeded, "%d columns; a relation has at most %d", len(defs), columnsMax)
	}
	seen := map[string]bool{}
	for _, d := range defs {
		if seen[catalog.Fold(d.Name)] {
			return fault.New(fault.DuplicateColumn, "column %q is defined twice", d.Name).At(sql.PositionAt(whole, d.Pos))
		}
		seen[catalog.Fold(d.Name)] = true
		t, ok := db.parseType(d.Type.SQL)
		if !ok {
			return fault.New(fault.FeatureNotSupported, "columns of type %s are not available", d.Type.SQL).
				WithHint("%s", typeHint(d.Type.SQL)).
				At(sql.PositionAt(whole, d.Type.Pos))
		}
		r.Columns = append(r.Columns, row.Column{Name: d.Name, Type: t, NotNull: d.NotNull})
		def := ""
		if d.Default != nil {
			def = d.Default.SQL
		}
		r.Defaults = append(r.Defaults, def)
	}
	return nil
}

// checkDefaults binds the columns' DEFAULT expressions.
func (db *Database) checkDefaults(ctx context.Context, whole string, r *catalog.Relation, defs []sql.ColumnDef) error {
	for i, d := range defs {
		if d.Default == nil {
			continue
		}
		written := fmt.Sprintf("SELECT CAST((%s) AS %s)", d.Default.SQL, r.Columns[i].Type)
		text, m := sql.ForDuckDB(written, nil)
		if _, err := db.planner.Plan(ctx, text); err != nil {
			return placed(err, whole, sql.Text{SQL: written, Pos: d.Default.Pos - len("SELECT CAST((")}, text, &m)
		}
	}
	return nil
}

// checkExpression binds an expression over a relation that does not exist yet.
func (db *Database) checkExpression(ctx context.Context, whole string, columns row.Schema, e sql.Text) error {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", c.Type, sql.Quote(c.Name))
	}
	written := fmt.Sprintf("SELECT (%s) FROM (SELECT %s)", e.SQL, strings.Join(names, ", "))
	text, m := sql.ForDuckDB(written, nil)
	if _, err := db.planner.Plan(ctx, text); err != nil {
		return placed(err, whole, sql.Text{SQL: written, Pos: e.Pos - len("SELECT (")}, text, &m)
	}
	return nil
}

func (db *Database) createView(ctx context.Context, whole string, s *sql.CreateView) (tag string, err error) {
	db.ddlMu.Lock()
	defer db.ddlMu.Unlock()
	if s.OrReplace {
		if replaced, err := db.replaceView(ctx, whole, s); replaced || err != nil {
			return s.Tag(), err
		}
	}
	name, existing, err := db.newName(s.Name, s.IfNotExists, s.OrReplace)
	if err != nil || existing != nil {
		return s.Tag(), err
	}
	b, err := db.bindView(ctx, whole, name, s.Columns, s.Query)
	if err != nil {
		return "", err
	}
	r := &catalog.Relation{ID: db.catalog.NextID(), Kind: catalog.View, Name: name, Columns: b.columns, Query: b.query, Create: whole,
		DependsOn: b.depends, CreatedAt: db.now().UTC()}
	if err := db.define(r); err != nil {
		return "", userError(err)
	}
	if err := db.commitChange(ctx, catalog.Change{Put: r}); err != nil {
		return "", errors.Join(err, db.undefine(r))
	}
	return s.Tag(), nil
}

// boundView is the query of a view, bound.
type boundView struct {
	query   string
	columns row.Schema
	node    plan.Node
	depends []uint64
}

// bindView binds a view's query, renames its columns and finds what it reads.
func (db *Database) bindView(ctx context.Context, whole, name string, rename []sql.Ident, query sql.Text) (*boundView, error) {
	if n, _, err := sql.Params(query.SQL); err != nil || n > 0 {
		return nil, fault.New(fault.UndefinedParameter, "a view's query cannot have parameters").
			WithHint("write the values into the view's definition, or filter in the query that reads it").At(sql.PositionAt(whole, query.Pos))
	}
	text, m := sql.ForDuckDB(query.SQL, nil)
	planned, err := db.planner.Plan(ctx, text)
	if err != nil {
		return nil, placed(err, whole, query, text, &m)
	}
	if planned.Statement != "SELECT" {
		return nil, fault.New(fault.InvalidDefinition, "a view's query must be a SELECT").At(sql.PositionAt(whole, query.Pos))
	}
	b := &boundView{query: text, columns: planned.Columns}
	if len(rename) > 0 {
		if len(rename) > len(b.columns) {
			return nil, fault.New(fault.InvalidDefinition, "%d column names for %d columns", len(rename), len(b.columns)).At(sql.PositionAt(whole, rename[0].Pos))
		}
		names := make([]string, len(rename))
		for i, r := range rename {
			names[i] = sql.Quote(r.Name)
			b.columns[i].Name = r.Name
		}
		b.query = fmt.Sprintf("SELECT * FROM (%s) AS %s(%s)", text, sql.Quote(name), strings.Join(names, ", "))
	}
	seen := map[string]bool{}
	for _, c := range b.columns {
		if f := catalog.Fold(c.Name); seen[f] {
			return nil, fault.New(fault.DuplicateColumn, "the view would have two columns named %q", c.Name).WithHint("give one of them another name with AS").At(sql.PositionAt(whole, query.Pos))
		} else {
			seen[f] = true
		}
	}
	n, err := plan.Decode(planned.Plan)
	if err != nil {
		return nil, fault.New(fault.FeatureNotSupported, "this query cannot be used in a view").WithDetail("%s", err.Error()).At(sql.PositionAt(whole, query.Pos))
	}
	b.node = plan.Optimize(n)
	b.depends, err = db.dependencies(plan.Relations(b.node), query.SQL)
	return b, err
}

// dependencies are the relations that a query reads, and the plain views it names.
func (db *Database) dependencies(relations []string, query string) ([]uint64, error) {
	var ids []uint64
	for _, n := range relations {
		if db.system[catalog.Fold(n)] != nil {
			return nil, fault.New(fault.FeatureNotSupported, "%s is computed when it is read and cannot be part of a view", n).WithHint("ask for it in the query that reads the view")
		}
		r, err := db.catalog.Lookup(n)
		if err != nil {
			return nil, err
		}
		ids = append(ids, r.ID)
	}
	low := strings.ToLower(query)
	for _, r := range db.catalog.All() {
		// A plain view has been replaced by its query when the plan is there: its name in the text is enough to hold on to it.
		if r.Kind == catalog.View && strings.Contains(low, catalog.Fold(r.Name)) {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func (db *Database) createMaterializedView(ctx context.Context, whole string, s *sql.CreateMaterializedView) (tag string, err error) {
	db.ddlMu.Lock()
	defer db.ddlMu.Unlock()
	name, existing, err := db.newName(s.Name, s.IfNotExists, s.OrReplace)
	if err != nil || existing != nil {
		return s.Tag(), err
	}
	r := &catalog.Relation{Kind: catalog.MaterializedView, Name: name, Create: whole}
	if err := setViewOptions(r, whole, s.Options); err != nil {
		return "", err
	}
	b, err := db.bindView(ctx, whole, name, s.Columns, s.Query)
	if err != nil {
		return "", err
	}
	r.ID, r.Columns, r.Query, r.DependsOn, r.CreatedAt = db.catalog.NextID(), b.columns, b.query, b.depends, db.now().UTC()
	if r.Key = plan.UniqueKey(b.node, db.keyOf); r.Options["emit"] == "final" {
		r.Key = nil
	}
	if err := db.runView(ctx, r, b.node); err != nil {
		return "", positioned(err, whole, s.Query)
	}
	if err := db.define(r); err != nil {
		return "", userError(errors.Join(err, db.engine.Drop(ctx, r.ID)))
	}
	if err := db.commitChange(ctx, catalog.Change{Put: r}); err != nil {
		return "", errors.Join(err, db.undefine(r), db.engine.Drop(ctx, r.ID))
	}
	return s.Tag(), nil
}

// positioned gives an error without a position that of the query it is about.
func positioned(err error, whole string, query sql.Text) error {
	err = userError(err)
	var f *fault.Error
	if errors.As(err, &f) && f.Position == 0 {
		return f.At(sql.PositionAt(whole, query.Pos))
	}
	return err
}

func (db *Database) keyOf(relation string) []string {
	r := db.catalog.Get(relation)
	if r == nil {
		return nil
	}
	var names []string
	for _, k := range r.Key {
		names = append(names, r.Columns[k].Name)
	}
	return names
}

// appendOnly reports whether a relation never loses a row.
func (db *Database) appendOnly(relation string) bool {
	r := db.catalog.Get(relation)
	return r != nil && (r.Kind == catalog.Stream || r.AppendOnly)
}

// startView builds a view of the catalog again, at the start of the node.
func (db *Database) startView(ctx context.Context, r *catalog.Relation) error {
	planned, err := db.planner.PlanKnown(ctx, r.Query)
	if err != nil {
		return err
	}
	n, err := plan.Decode(planned.Plan)
	if err != nil {
		return err
	}
	return db.runView(ctx, r, plan.Optimize(n))
}

// runView compiles a view's plan and lets the engine keep it up to date.
func (db *Database) runView(ctx context.Context, r *catalog.Relation, n plan.Node) error {
	g, reads, err := db.compile(n, r)
	if err != nil {
		return err
	}
	r.AppendOnly = g.AppendOnly()
	db.setTimes(r, n)
	store := view.New(view.Options{Schema: r.Columns, Key: r.Key, AppendOnly: g.AppendOnly()})
	copies, err := db.copiesFor(ctx, g, reads)
	if err != nil {
		g.Close()
		return err
	}
	err = db.engine.AddViewOver(ctx, r, g, store, reads, copies)
	if errors.Is(err, engine.ErrNotSaved) {
		return err
	}
	return userError(err)
}

// compile checks that a plan can be maintained and builds its graph. r is the view that it is for, nil for none.
func (db *Database) compile(n plan.Node, r *catalog.Relation) (*dataflow.Graph, map[string]uint64, error) {
	if err := plan.Check(n); err != nil {
		return nil, nil, err
	}
	if r == nil {
		r = &catalog.Relation{}
	}
	reads := map[string]uint64{}
	for _, name := range plan.Relations(n) {
		r, err := db.catalog.Lookup(name)
		if err != nil {
			return nil, nil, err
		}
		reads[name] = r.ID
	}
	g, err := dataflow.Build(n, dataflow.Options{Workers: db.workersOf(r), Compiler: db.compiler, AppendOnly: db.appendOnly,
		Schema:    func(name string) row.Schema { return db.catalog.Get(name).Columns },
		Column:    func(name string, column int) int { return db.catalog.Get(name).ColumnID(column) },
		EventTime: db.bounds, Keyed: db.keyedTime, Final: r.Options["emit"] == "final", Resolution: durationOption(r, "resolution", 0)})
	if err != nil {
		return nil, nil, userError(err)
	}
	return g, reads, nil
}

// workersOf is the number of shards of a view's operators: that with which it was saved, or else that of the database.
func (db *Database) workersOf(r *catalog.Relation) int {
	if n := db.engine.SavedWorkers(r.ID); n > 0 {
		return n
	}
	return db.workers
}

var dropKinds = map[sql.Kind]catalog.Kind{sql.KindStream: catalog.Stream, sql.KindTable: catalog.Table, sql.KindView: catalog.View, sql.KindMaterializedView: catalog.MaterializedView}

func (db *Database) drop(ctx context.Context, whole string, s *sql.Drop) (tag string, err error) {
	db.ddlMu.Lock()
	defer db.ddlMu.Unlock()
	var doomed []*catalog.Relation
	for _, n := range s.Names {
		name, err := db.relationName(n)
		if err != nil {
			return "", err
		}
		r := db.catalog.Get(name)
		if r == nil && s.IfExists {
			continue
		}
		if r, err = db.catalog.Lookup(name); err != nil {
			return "", err
		}
		if r.System() {
			return "", fault.New(fault.WrongObjectType, "%s is Tidemill's own and cannot be dropped", r.Name)
		}
		if want := dropKinds[s.Kind]; r.Kind != want {
			return "", fault.New(fault.WrongObjectType, "%q is a %s, not a %s", r.Name, r.Kind, want).
				WithHint("DROP %s %s", strings.ToUpper(string(r.Kind)), sql.Quote(r.Name)).At(sql.PositionAt(whole, n.Pos))
		}
		doomed = append(doomed, r)
	}
	if doomed, err = db.withDependents(doomed, s.Cascade); err != nil {
		return "", err
	}
	for _, r := range doomed {
		if err := db.dropOne(ctx, r); err != nil {
			return "", err
		}
	}
	return s.Tag(), nil
}

// withDependents adds what depends on the relations, dependents first; without cascade any that is not itself to be dropped is an error.
func (db *Database) withDependents(doomed []*catalog.Relation, cascade bool) ([]*catalog.Relation, error) {
	set := map[uint64]*catalog.Relation{}
	for _, r := range doomed {
		set[r.ID] = r
	}
	queue := slices.Clone(doomed)
	for len(queue) > 0 {
		r := queue[0]
		queue = queue[1:]
		var names []string
		for _, d := range db.catalog.Dependents(r.ID) {
			if set[d.ID] == nil {
				names = append(names, fmt.Sprintf("%s %s", d.Kind, d.Name))
				set[d.ID] = d
				queue = append(queue, d)
			}
		}
		if len(names) > 0 && !cascade {
			return nil, fault.New(fault.DependentObjects, "cannot drop %s %q: other relations read it", r.Kind, r.Name).
				WithDetail("it is read by %s", strings.Join(names, ", ")).WithHint("drop them first, or use CASCADE")
		}
	}
	out := make([]*catalog.Relation, 0, len(set))
	for _, r := range set {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *catalog.Relation) int { return int(b.ID) - int(a.ID) })
	return out, nil
}

func (db *Database) dropOne(ctx context.Context, r *catalog.Relation) error {
	if err := db.commitChange(ctx, catalog.Change{Drop: r.ID}); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the relation is gone: what follows only frees what it had
	db.hub.Drop(r.ID)
	db.shared.dropReaders(db, r.ID)
	db.verifications.forget(r.ID)
	err := db.undefine(r)
	if r.Kind != catalog.View {
		err = errors.Join(err, db.engine.Drop(ctx, r.ID))
	}
	if r.Stored() {
		db.storedMu.Lock()
		if s := db.stored[r.ID]; s != nil {
			s.dedupe.release()
		}
		delete(db.stored, r.ID)
		db.storedMu.Unlock()
		err = errors.Join(err, db.log.Delete(ctx, r.Topic()))
	}
	return userError(err)
}

func (db *Database) comment(ctx context.Context, whole string, s *sql.Comment) (tag string, err error) {
	db.ddlMu.Lock()
	defer db.ddlMu.Unlock()
	name, err := db.relationName(s.Name)
	if err != nil {
		return "", err
	}
	old, err := db.catalog.Lookup(name)
	if err != nil {
		return "", err
	}
	r, text := *old, ""
	if s.Text != nil {
		text = *s.Text
	}
	if s.Kind == sql.KindColumn {
		at := r.Columns.Index(s.Column.Name)
		if at < 0 {
			return "", fault.New(fault.UndefinedColumn, "%s %q has no column %q", r.Kind, r.Name, s.Column.Name).At(sql.PositionAt(whole, s.Column.Pos))
		}
		r.ColumnComments = map[string]string{}
		for k, v := range old.ColumnComments {
			r.ColumnComments[k] = v
		}
		r.ColumnComments[r.Columns[at].Name] = text
	} else {
		r.Comment = text
	}
	return s.Tag(), db.commitChange(ctx, catalog.Change{Put: &r})
}
