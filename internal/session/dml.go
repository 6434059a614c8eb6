package session

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/dataflow/state"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
	"github.com/tidemill/tidemill/internal/token"
)

// writable returns the relation that a statement writes.
func (db *Database) writable(whole string, n sql.Name, verb string) (*stored, error) {
	name, err := db.relationName(n)
	if err != nil {
		return nil, err
	}
	r, err := db.catalog.Lookup(name)
	if err != nil {
		return nil, positionedAt(err, whole, n.Pos)
	}
	if !r.Stored() || r.System() {
		return nil, fault.New(fault.WrongObjectType, "cannot %s %q: it is a %s", verb, r.Name, r.Kind).
			WithHint("write to the streams and tables it is made from").At(sql.PositionAt(whole, n.Pos))
	}
	if verb != "insert into" && r.Kind != catalog.Table {
		return nil, fault.New(fault.WrongObjectType, "cannot %s %q: a stream only takes new events", verb, r.Name).
			WithHint("use a table with a primary key for rows that change").At(sql.PositionAt(whole, n.Pos))
	}
	return db.storedOf(r), nil
}

func positionedAt(err error, whole string, pos int) error {
	f := fault.From(userError(err))
	if f.Position == 0 {
		f = f.At(sql.PositionAt(whole, pos))
	}
	return f
}

// insertPlan is an INSERT whose target columns are known.
type insertPlan struct {
	to *stored
	// columns are the positions of the target columns, in the order of the source.
	columns []int
	// literal is set if all values are literals, which are read without DuckDB; params counts the statement's parameters.
	literal bool
	query   *selectPlan // else: the SELECT that yields the target columns
	params  []row.Type
}

func (db *Database) planInsert(ctx context.Context, whole string, s *sql.Insert, given []row.Type) (*insertPlan, error) {
	if s.Returning != nil {
		return nil, fault.New(fault.FeatureNotSupported, "RETURNING is not available").WithHint("read the rows back with SELECT").At(sql.PositionAt(whole, s.Returning.Pos))
	}
	if s.ByName {
		return nil, fault.New(fault.FeatureNotSupported, "INSERT … BY NAME is not available").WithHint("list the columns: INSERT INTO t (a, b) SELECT …")
	}
	to, err := db.writable(whole, s.Target, "insert into")
	if err != nil {
		return nil, err
	}
	if err := checkConflict(to.def, whole, s); err != nil {
		return nil, err
	}
	p := &insertPlan{to: to}
	if p.columns, err = targetColumns(to.def, whole, s.Columns); err != nil {
		return nil, err
	}
	switch {
	case s.DefaultValues:
		p.columns = nil
		p.literal = true
		return p, nil
	case s.Values != nil:
		return p, db.planValues(ctx, whole, s, p, given)
	}
	return p, db.planInsertSelect(ctx, whole, s, p, given)
}

func checkConflict(r *catalog.Relation, whole string, s *sql.Insert) error {
	special := s.OrReplace || s.OrIgnore || s.OnConflict != nil
	if special && len(r.Key) == 0 {
		return fault.New(fault.InvalidDefinition, "%q has no primary key, so rows cannot conflict", r.Name)
	}
	c := s.OnConflict
	if c == nil || len(c.Columns) == 0 {
		return nil
	}
	var cols []int
	for _, id := range c.Columns {
		cols = append(cols, r.Columns.Index(id.Name))
	}
	key := slices.Clone(r.Key)
	slices.Sort(cols)
	slices.Sort(key)
	if !slices.Equal(cols, key) {
		return fault.New(fault.InvalidDefinition, "the columns of ON CONFLICT are not the primary key of %q", r.Name).At(sql.PositionAt(whole, c.Columns[0].Pos))
	}
	return nil
}

func targetColumns(r *catalog.Relation, whole string, names []sql.Ident) ([]int, error) {
	if len(names) == 0 {
		cols := make([]int, len(r.Columns))
		for i := range cols {
			cols[i] = i
		}
		return cols, nil
	}
	var cols []int
	for _, n := range names {
		at := r.Columns.Index(n.Name)
		if at < 0 {
			return nil, fault.New(fault.UndefinedColumn, "%s %q has no column %q", r.Kind, r.Name, n.Name).
				WithHint("its columns are %s", strings.Join(r.Columns.Names(), ", ")).At(sql.PositionAt(whole, n.Pos))
		}
		if slices.Contains(cols, at) {
			return nil, fault.New(fault.DuplicateColumn, "column %q is given twice", n.Name).At(sql.PositionAt(whole, n.Pos))
		}
		cols = append(cols, at)
	}
	return cols, nil
}

// planValues plans INSERT … VALUES.
func (db *Database) planValues(ctx context.Context, whole string, s *sql.Insert, p *insertPlan, given []row.Type) error {
	p.literal = s.With == nil
	for i, vals := range s.Values.All() {
		if len(vals) > len(p.columns) || (len(s.Columns) > 0 && len(vals) < len(p.columns)) {
			return fault.New(fault.SyntaxError, "row %d has %d values for %d columns", i+1, len(vals), len(p.columns)).At(sql.PositionAt(whole, vals[0].Pos))
		}
		for j, v := range vals {
			p.literal = p.literal && (v.IsDefault() || isLiteral(v.SQL))
			p.noteParam(v.SQL, p.to.def.Columns[p.columns[j]].Type)
		}
	}
	if n := s.Values.Len(); n > 0 {
		p.columns = p.columns[:s.Values.Width(0)]
	}
	for i, t := range given {
		if t.Kind != row.Invalid && i < len(p.params) {
			p.params[i] = t
		}
	}
	if p.literal {
		return p.checkParams(whole)
	}
	var b strings.Builder
	if s.With != nil {
		b.WriteString(s.With.SQL + " ")
	}
	b.WriteString("VALUES ")
	for i, vals := range s.Values.All() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for j, v := range vals {
			if j > 0 {
				b.WriteString(", ")
			}
			c := p.columns[j]
			text := v.SQL
			if v.IsDefault() {
				text = defaultText(p.to.def, c)
			}
			fmt.Fprintf(&b, "CAST((%s) AS %s)", text, p.to.def.Columns[c].Type)
		}
		b.WriteByte(')')
	}
	// The text DuckDB gets is not the one that was written: its positions mean nothing to the user, the row's does.
	sel, err := db.planSelect(ctx, b.String(), sql.Text{SQL: b.String()}, p.params)
	if err != nil {
		return unpositioned(err, whole, s.Query)
	}
	p.query, p.params = sel, sel.params
	return nil
}

func unpositioned(err error, whole string, frag sql.Text) error {
	f := fault.From(userError(err))
	return f.At(sql.PositionAt(whole, frag.Pos))
}

// noteParam remembers that a value which is only a parameter has the type of its column.
func (p *insertPlan) noteParam(text string, t row.Type) {
	l, ok := sql.ParseLiteral(text)
	if !ok || l.Kind != sql.ParamValue {
		return
	}
	n, err := strconv.Atoi(l.Value)
	if err != nil || n < 1 || n > 65535 {
		return
	}
	for len(p.params) < n {
		p.params = append(p.params, row.Type{})
	}
	if p.params[n-1].Kind == row.Invalid {
		p.params[n-1] = t
	}
}

func (p *insertPlan) checkParams(whole string) error {
	for i, t := range p.params {
		if t.Kind == row.Invalid {
			return fault.New(fault.UndefinedParameter, "parameter $%d is not used", i+1)
		}
	}
	return nil
}

func isLiteral(text string) bool {
	l, ok := sql.ParseLiteral(text)
	return ok && l.Type == ""
}

func defaultText(r *catalog.Relation, c int) string {
	if c < len(r.Defaults) && r.Defaults[c] != "" {
		return r.Defaults[c]
	}
	return "NULL"
}

func (db *Database) planInsertSelect(ctx context.Context, whole string, s *sql.Insert, p *insertPlan, given []row.Type) error {
	query, frag := s.Query.SQL, s.Query
	if s.With != nil {
		query, frag = s.With.SQL+" "+s.Query.SQL, *s.With
		frag.SQL = query
	}
	inner, err := db.planSelect(ctx, whole, frag, given)
	if err != nil {
		return err
	}
	if len(inner.columns) > len(p.columns) || (len(s.Columns) > 0 && len(inner.columns) < len(p.columns)) {
		return fault.New(fault.SyntaxError, "the query has %d columns, the target %d", len(inner.columns), len(p.columns)).At(sql.PositionAt(whole, s.Query.Pos))
	}
	p.columns = p.columns[:len(inner.columns)]
	names, casts := make([]string, len(p.columns)), make([]string, len(p.columns))
	for i, c := range p.columns {
		names[i] = fmt.Sprintf("c%d", i)
		casts[i] = fmt.Sprintf("CAST(c%d AS %s)", i, p.to.def.Columns[c].Type)
	}
	text := fmt.Sprintf("SELECT %s FROM (%s) AS source(%s)", strings.Join(casts, ", "), query, strings.Join(names, ", "))
	if p.query, err = db.planSelect(ctx, text, sql.Text{SQL: text}, inner.params); err != nil {
		return unpositioned(err, whole, s.Query)
	}
	p.params = p.query.params
	return nil
}

// rows computes the full rows that an INSERT adds.
func (db *Database) insertRows(ctx context.Context, whole string, s *sql.Insert, p *insertPlan, args []row.Value) (*row.Batch, error) {
	if !p.literal {
		r, err := db.runSelect(ctx, p.query, args)
		if err != nil {
			return nil, err
		}
		b, err := collect(ctx, r)
		if err != nil {
			return nil, err
		}
		return db.complete(ctx, p.to.def, p.columns, b)
	}
	n := 1
	if s.Values != nil {
		n = s.Values.Len()
	}
	types := make([]row.Type, len(p.columns))
	for i, c := range p.columns {
		types[i] = p.to.def.Columns[c].Type
	}
	bb := row.NewBatchBuilder(types, n)
	if s.Values != nil {
		for _, vals := range s.Values.All() {
			for j, v := range vals {
				if err := db.appendLiteral(ctx, &bb.Cols[j], p.to.def, p.columns[j], v, args); err != nil {
					return nil, positionedAt(err, whole, v.Pos)
				}
			}
		}
	}
	return db.complete(ctx, p.to.def, p.columns, bb.Finish(n))
}

func (db *Database) appendLiteral(ctx context.Context, b *row.Builder, r *catalog.Relation, c int, text sql.Text, args []row.Value) error {
	if text.IsDefault() {
		v, err := db.defaultValue(ctx, r, c)
		if err == nil {
			b.AppendValue(v)
		}
		return err
	}
	l, _ := sql.ParseLiteral(text.SQL)
	switch l.Kind {
	case sql.NullValue:
		b.AppendNull()
		return nil
	case sql.ParamValue:
		n, _ := strconv.Atoi(l.Value)
		if n < 1 || n > len(args) {
			return fault.New(fault.UndefinedParameter, "there is no parameter $%s", l.Value)
		}
		v, ok := castValue(args[n-1], b.Type())
		if !ok {
			return fault.New(fault.DatatypeMismatch, "parameter $%d does not fit column %q of type %s", n, r.Columns[c].Name, b.Type())
		}
		b.AppendValue(v)
		return nil
	}
	if err := b.AppendParsed([]byte(l.Value)); err != nil {
		return fault.New(fault.InvalidText, "%s", err.Error()).WithDetail("column %q is %s", r.Columns[c].Name, b.Type())
	}
	return nil
}

// defaultValue computes a column's DEFAULT.
func (db *Database) defaultValue(ctx context.Context, r *catalog.Relation, c int) (row.Value, error) {
	t := r.Columns[c].Type
	text := defaultText(r, c)
	if text == "NULL" {
		return row.NullValue(t), nil
	}
	p, err := db.planSelect(ctx, text, sql.Text{SQL: fmt.Sprintf("SELECT CAST((%s) AS %s)", text, t)}, nil)
	if err != nil {
		return row.Value{}, err
	}
	res, err := db.runSelect(ctx, p, nil)
	if err != nil {
		return row.Value{}, err
	}
	b, err := collect(ctx, res)
	if err != nil {
		return row.Value{}, err
	}
	if b.Len != 1 {
		return row.NullValue(t), nil
	}
	return b.Cols[0].Value(0), nil
}

// complete puts columns into the relation's order, fills in defaults and checks for nulls.
func (db *Database) complete(ctx context.Context, r *catalog.Relation, columns []int, b *row.Batch) (*row.Batch, error) {
	out := &row.Batch{Cols: make([]row.Vec, len(r.Columns)), Len: b.Len}
	for c := range r.Columns {
		if at := slices.Index(columns, c); at >= 0 {
			out.Cols[c] = b.Cols[at]
			out.Cols[c].Type = r.Columns[c].Type
		} else {
			v, err := db.defaultValue(ctx, r, c)
			if err != nil {
				return nil, err
			}
			out.Cols[c] = v.Repeat(b.Len)
		}
		if r.Columns[c].NotNull && out.Cols[c].Nulls() > 0 {
			return nil, fault.New(fault.NotNullViolation, "column %q of %s %q must not be null", r.Columns[c].Name, r.Kind, r.Name)
		}
	}
	return out, nil
}

// insert runs an INSERT.
func (s *Session) insert(ctx context.Context, whole string, st *sql.Insert, p *insertPlan, args []row.Value) (*Result, error) {
	db := s.db
	if len(p.to.def.Key) == 0 || st.OrReplace {
		if err := s.awaitOwn(ctx); err != nil {
			return nil, err
		}
		b, err := db.insertRows(ctx, whole, st, p, args)
		if err != nil {
			return nil, err
		}
		return s.write(ctx, []write{{p.to, b}}, fmt.Sprintf("INSERT 0 %d", b.Len))
	}
	return s.exclusively(ctx, p.to, func() (*Result, error) {
		b, err := db.insertRows(ctx, whole, st, p, args)
		if err != nil {
			return nil, err
		}
		if b, err = db.resolveConflicts(ctx, st, p.to, b, s.pendingRows(p.to)); err != nil {
			return nil, err
		}
		return s.write(ctx, []write{{p.to, b}}, fmt.Sprintf("INSERT 0 %d", b.Len))
	})
}

// resolveConflicts checks rows that are inserted against those with the same primary key that are there, or appear before them.
func (db *Database) resolveConflicts(ctx context.Context, st *sql.Insert, to *stored, b *row.Batch, pending *row.Batch) (*row.Batch, error) {
	r := to.def
	all := b
	if pending != nil {
		all = row.Concat([]*row.Batch{{Cols: pending.Cols, Len: pending.Len}, b})
	}
	skip := all.Len - b.Len
	keys := all.Project(r.Key).Cols
	hash := make([]uint64, all.Len)
	row.Hash(keys, hash)
	types := make([]row.Type, len(keys))
	for i := range keys {
		types[i] = keys[i].Type
	}
	set, ids := state.NewSet(types), make([]uint32, all.Len)
	set.FindOrAdd(keys, hash, ids, nil)
	gone := map[uint32]bool{} // keys whose last pending operation is a deletion
	seen := make([]bool, set.Cap())
	for i := range skip {
		gone[ids[i]] = pending.Weight(i) < 0
		seen[ids[i]] = true
	}
	there, err := db.existing(r, keys, skip)
	if err != nil {
		return nil, err
	}
	var keep, clash []int32
	for i := skip; i < all.Len; i++ {
		id := ids[i]
		exists := there[i-skip]
		if seen[id] {
			exists = !gone[id]
		}
		if exists {
			clash = append(clash, int32(i-skip))
			continue
		}
		seen[id], gone[id] = true, false
		keep = append(keep, int32(i-skip))
	}
	c := st.OnConflict
	switch {
	case len(clash) == 0:
		return b, nil
	case st.OrIgnore || (c != nil && c.DoNothing):
		return b.Gather(keep), nil
	case c != nil:
		return db.updateConflicts(ctx, st, to, b, keep, clash)
	}
	return nil, duplicateKey(r, b, int(clash[0]))
}

func duplicateKey(r *catalog.Relation, b *row.Batch, i int) error {
	var names, vals []string
	for _, k := range r.Key {
		names = append(names, r.Columns[k].Name)
		vals = append(vals, string(row.AppendText(nil, &b.Cols[k], i)))
	}
	return fault.New(fault.UniqueViolation, "table %q already has a row with this primary key", r.Name).
		WithDetail("(%s) = (%s)", strings.Join(names, ", "), strings.Join(vals, ", ")).
		WithHint("use INSERT OR REPLACE, or INSERT … ON CONFLICT DO UPDATE SET … or DO NOTHING")
}

// existing reports which of the keys, from the given one on, have a row.
func (db *Database) existing(r *catalog.Relation, keys []row.Vec, from int) ([]bool, error) {
	snap := db.engine.Snapshot(r.ID)
	defer snap.Close()
	v, err := snap.View(r.ID)
	if err != nil {
		return nil, err
	}
	n := keys[0].Len - from
	out := make([]bool, n)
	if v == nil {
		return out, nil
	}
	vals := make([]row.Value, len(keys))
	for i := range n {
		for k := range keys {
			vals[k] = keys[k].Value(from + i)
		}
		b, err := v.Lookup(r.Key, vals, 1)
		if err != nil {
			return nil, err
		}
		out[i] = b.Len > 0
	}
	return out, nil
}

// updateConflicts is ON CONFLICT DO UPDATE: rows of keys that are there become SET of old and excluded.
func (db *Database) updateConflicts(ctx context.Context, st *sql.Insert, to *stored, b *row.Batch, keep, clash []int32) (*row.Batch, error) {
	r, c := to.def, st.OnConflict
	sets, err := assignments(r, c.Set)
	if err != nil {
		return nil, err
	}
	target := sql.Quote(r.Name)
	cols := make([]string, len(r.Columns))
	for i, col := range r.Columns {
		cols[i] = target + "." + sql.Quote(col.Name)
		if e, ok := sets[i]; ok {
			cols[i] = fmt.Sprintf("CAST((%s) AS %s)", e, col.Type)
		}
	}
	var on []string
	for _, k := range r.Key {
		on = append(on, fmt.Sprintf("%s.%s = excluded.%s", target, sql.Quote(r.Columns[k].Name), sql.Quote(r.Columns[k].Name)))
	}
	text := fmt.Sprintf("SELECT %s FROM %s JOIN %s AS excluded ON %s", strings.Join(cols, ", "), sql.Quote(r.Name), literalRows(r, b, clash), strings.Join(on, " AND "))
	if c.Where != nil {
		text += " WHERE (" + c.Where.SQL + ")"
	}
	p, err := db.planSelect(ctx, text, sql.Text{SQL: text}, nil)
	if err != nil {
		return nil, fault.From(userError(err)).At(0)
	}
	res, err := db.runSelect(ctx, p, nil)
	if err != nil {
		return nil, err
	}
	changed, err := collect(ctx, res)
	if err != nil {
		return nil, err
	}
	for i := range changed.Cols {
		changed.Cols[i].Type = r.Columns[i].Type
	}
	return row.Concat([]*row.Batch{b.Gather(keep), changed}), nil
}

// literalRows writes rows as a relation of SQL text.
func literalRows(r *catalog.Relation, b *row.Batch, at []int32) string {
	var s strings.Builder
	s.WriteString("(SELECT * FROM (VALUES ")
	for n, i := range at {
		if n > 0 {
			s.WriteString(", ")
		}
		s.WriteByte('(')
		for c := range b.Cols {
			if c > 0 {
				s.WriteString(", ")
			}
			if b.Cols[c].Null(int(i)) {
				fmt.Fprintf(&s, "CAST(NULL AS %s)", r.Columns[c].Type)
				continue
			}
			fmt.Fprintf(&s, "CAST(%s AS %s)", sql.QuoteLiteral(string(row.AppendText(nil, &b.Cols[c], int(i)))), r.Columns[c].Type)
		}
		s.WriteByte(')')
	}
	names := make([]string, len(r.Columns))
	for i := range names {
		names[i] = sql.Quote(r.Columns[i].Name)
	}
	fmt.Fprintf(&s, ") AS v(%s))", strings.Join(names, ", "))
	return s.String()
}

// assignments returns the expression per column of a SET list.
func assignments(r *catalog.Relation, set []sql.Assignment) (map[int]string, error) {
	out := map[int]string{}
	for _, a := range set {
		for i, id := range a.Columns {
			at := r.Columns.Index(id.Name)
			if at < 0 {
				return nil, fault.New(fault.UndefinedColumn, "%s %q has no column %q", r.Kind, r.Name, id.Name)
			}
			if _, twice := out[at]; twice {
				return nil, fault.New(fault.DuplicateColumn, "column %q is set twice", id.Name)
			}
			switch {
			case a.Value.IsDefault():
				out[at] = defaultText(r, at)
			case len(a.Columns) == 1:
				out[at] = a.Value.SQL
			default:
				out[at] = fmt.Sprintf("(ROW%s)[%d]", rowText(a.Value.SQL), i+1)
			}
		}
	}
	return out, nil
}

// rowText returns the parenthesised list of (a, b) or ROW(a, b).
func rowText(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 3 && strings.EqualFold(s[:3], "row") {
		s = strings.TrimSpace(s[3:])
	}
	return s
}

// changePlan is an UPDATE or DELETE: a SELECT of the rows to write.
type changePlan struct {
	to     *stored
	query  *selectPlan
	delete bool
	moved  bool // an UPDATE that sets a column of the primary key: the query yields the old row, then the new one
}

func (db *Database) planUpdate(ctx context.Context, whole string, s *sql.Update, params []row.Type) (*changePlan, error) {
	if s.Returning != nil {
		return nil, fault.New(fault.FeatureNotSupported, "RETURNING is not available").At(sql.PositionAt(whole, s.Returning.Pos))
	}
	to, err := db.writable(whole, s.Target, "update")
	if err != nil {
		return nil, err
	}
	r := to.def
	sets, err := assignments(r, s.Set)
	if err != nil {
		return nil, err
	}
	p := &changePlan{to: to, moved: len(r.Key) == 0}
	for _, k := range r.Key {
		if _, is := sets[k]; is {
			p.moved = true
		}
	}
	alias := s.Alias.Name
	if alias == "" {
		alias = r.Name
	}
	var cols []string
	if p.moved {
		for _, c := range r.Columns {
			cols = append(cols, sql.Quote(alias)+"."+sql.Quote(c.Name))
		}
	}
	for i, c := range r.Columns {
		if e, ok := sets[i]; ok {
			cols = append(cols, fmt.Sprintf("CAST((%s) AS %s)", e, c.Type))
		} else {
			cols = append(cols, sql.Quote(alias)+"."+sql.Quote(c.Name))
		}
	}
	return p, db.planChange(ctx, whole, p, cols, alias, s.With, s.From, s.Where, params)
}

func (db *Database) planDelete(ctx context.Context, whole string, s *sql.Delete, params []row.Type) (*changePlan, error) {
	if s.Returning != nil {
		return nil, fault.New(fault.FeatureNotSupported, "RETURNING is not available").At(sql.PositionAt(whole, s.Returning.Pos))
	}
	to, err := db.writable(whole, s.Target, "delete from")
	if err != nil {
		return nil, err
	}
	alias := s.Alias.Name
	if alias == "" {
		alias = to.def.Name
	}
	var cols []string
	for _, c := range to.def.Columns {
		cols = append(cols, sql.Quote(alias)+"."+sql.Quote(c.Name))
	}
	p := &changePlan{to: to, delete: true}
	return p, db.planChange(ctx, whole, p, cols, alias, s.With, s.Using, s.Where, params)
}

func (db *Database) planChange(ctx context.Context, whole string, p *changePlan, cols []string, alias string, with, from, where *sql.Text, params []row.Type) error {
	var b strings.Builder
	if with != nil {
		b.WriteString(with.SQL + " ")
	}
	b.WriteString("SELECT " + strings.Join(cols, ", ") + " FROM " + sql.Quote(p.to.def.Name) + " AS " + sql.Quote(alias))
	if from != nil {
		b.WriteString(", " + from.SQL)
	}
	pos := 0
	if where != nil {
		b.WriteString(" WHERE ")
		pos = where.Pos - b.Len()
		b.WriteString(where.SQL)
	}
	var err error
	p.query, err = db.planSelect(ctx, whole, sql.Text{SQL: b.String(), Pos: pos}, params)
	return err
}

// change runs an UPDATE or DELETE.
func (s *Session) change(ctx context.Context, p *changePlan, args []row.Value) (*Result, error) {
	return s.exclusively(ctx, p.to, func() (*Result, error) {
		res, err := s.db.runSelect(ctx, p.query, args)
		if err != nil {
			return nil, err
		}
		b, err := collect(ctx, res)
		if err != nil {
			return nil, err
		}
		r := p.to.def
		width := len(r.Columns)
		rows := b.Project(rangeOf(0, width))
		verb, ops := "UPDATE", rows
		switch {
		case p.delete:
			verb, ops = "DELETE", weighted(rows, -1)
		case p.moved:
			rows = b.Project(rangeOf(width, 2*width))
			ops = row.Concat([]*row.Batch{weighted(b.Project(rangeOf(0, width)), -1), weighted(rows, 1)})
		}
		for c := range rows.Cols {
			if !p.delete && r.Columns[c].NotNull && rows.Cols[c].Nulls() > 0 {
				return nil, fault.New(fault.NotNullViolation, "column %q of table %q must not be null", r.Columns[c].Name, r.Name)
			}
		}
		if p.moved && len(r.Key) > 0 {
			if err := s.db.checkMoved(r, b.Project(rangeOf(0, width)), rows); err != nil {
				return nil, err
			}
		}
		for c := range ops.Cols {
			ops.Cols[c].Type = r.Columns[c].Type
		}
		return s.write(ctx, []write{{p.to, ops}}, fmt.Sprintf("%s %d", verb, b.Len))
	})
}

// checkMoved refuses an UPDATE of the primary key that would run into another row.
func (db *Database) checkMoved(r *catalog.Relation, old, now *row.Batch) error {
	key := func(b *row.Batch, i int) string {
		var k []byte
		for _, c := range r.Key {
			k = row.AppendKey(k, &b.Cols[c], i)
		}
		return string(k)
	}
	leaving, arriving := map[string]bool{}, map[string]bool{}
	for i := range old.Len {
		leaving[key(old, i)] = true
	}
	there, err := db.existing(r, now.Project(r.Key).Cols, 0)
	if err != nil {
		return err
	}
	for i := range now.Len {
		k := key(now, i)
		if arriving[k] || (there[i] && !leaving[k]) {
			return duplicateKey(r, now, i)
		}
		arriving[k] = true
	}
	return nil
}

func rangeOf(lo, hi int) []int {
	out := make([]int, 0, hi-lo)
	for i := lo; i < hi; i++ {
		out = append(out, i)
	}
	return out
}

func weighted(b *row.Batch, w int64) *row.Batch {
	out := &row.Batch{Cols: b.Cols, Len: b.Len, Weights: make([]int64, b.Len)}
	for i := range out.Weights {
		out.Weights[i] = w
	}
	return out
}

// exclusively runs f while this session alone may write the table, and sees all earlier writes to it.
func (s *Session) exclusively(ctx context.Context, to *stored, f func() (*Result, error)) (*Result, error) {
	if err := to.acquire(ctx); err != nil {
		return nil, userError(err)
	}
	defer to.release()
	if err := s.awaitOwn(ctx); err != nil {
		return nil, err
	}
	last := to.lastWrite()
	if last > 0 {
		if err := s.db.awaitPositions(ctx, []token.Position{{Relation: to.def.ID, Offset: uint64(last)}}); err != nil {
			return nil, err
		}
	}
	if s.tx == TxOpen {
		s.readAt(to, last)
	}
	return f()
}
