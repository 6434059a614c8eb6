package session

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
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
	to := db.storedOf(r)
	if to == nil {
		return nil, fault.New(fault.UndefinedTable, "%s %q was dropped", r.Kind, r.Name)
	}
	return to, nil
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
	// conflict is ON CONFLICT DO UPDATE, nil without.
	conflict *conflictPlan
	// returning is the list behind RETURNING, nil without.
	returning *selectPlan
}

// planInsert binds an INSERT.
func (db *Database) planInsert(ctx context.Context, whole string, s *sql.Insert, given []row.Type) (*insertPlan, error) {
	if s.ByName {
		var err error
		if s, err = db.columnsByName(ctx, whole, s, given); err != nil {
			return nil, err
		}
	}
	to, err := db.writable(whole, s.Target, "insert into")
	if err != nil {
		return nil, err
	}
	if err := checkConflict(to.def, whole, s); err != nil {
		return nil, err
	}
	p := &insertPlan{to: to}
	if p.returning, err = db.planReturning(ctx, whole, to, s.Alias, s.Returning); err != nil {
		return nil, err
	}
	if p.columns, err = targetColumns(to.def, whole, s.Columns); err != nil {
		return nil, err
	}
	switch {
	case s.DefaultValues:
		p.columns = nil
		p.literal = true
	case s.Values != nil:
		err = db.planValues(ctx, whole, s, p, given)
	default:
		err = db.planInsertSelect(ctx, whole, s, p, given)
	}
	if err != nil {
		return nil, err
	}
	for i := len(p.params); i < len(given) && s.OnConflict != nil; i++ {
		p.params = append(p.params, given[i])
	}
	if p.conflict, err = db.planConflict(ctx, whole, s, to, &p.params); err != nil {
		return nil, err
	}
	return p, p.checkParams(whole)
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
			p.literal = p.literal && (v.IsDefault() || readsAs(v.SQL, p.to.def.Columns[p.columns[j]].Type))
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
		return nil
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

// readsAs reports whether a literal's text read as the type is what DuckDB makes of it, which types the literal first and then
// casts it. What is not is left to DuckDB.
func readsAs(text string, t row.Type) bool {
	l, ok := sql.ParseLiteral(text)
	if !ok || l.Type != "" {
		return false
	}
	switch l.Kind {
	case sql.NullValue, sql.ParamValue, sql.StringValue:
		return true
	case sql.BoolValue:
		return t.Kind == row.Bool
	case sql.NumberValue:
		if strings.ContainsAny(l.Value, "eExX_") {
			return t.Kind == row.Float64 && !strings.HasPrefix(l.Value, "-")
		}
		zero := strings.Trim(l.Value, "-0.") == ""
		return t.IsInteger() || t.Kind == row.Decimal || (t.Kind == row.Float64 && !(zero && strings.HasPrefix(l.Value, "-")))
	}
	return false
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
func (db *Database) insertRows(ctx context.Context, whole string, s *sql.Insert, p *insertPlan, args []row.Value, block []write) (*row.Batch, error) {
	if !p.literal {
		r, err := db.runSelect(ctx, p.query, args[:len(p.query.params)], block)
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
	res, err := db.runSelect(ctx, p, nil, nil)
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
		b, err := db.insertRows(ctx, whole, st, p, args, s.pending)
		if err != nil {
			return nil, err
		}
		return s.writeReturning(ctx, []write{{to: p.to, rows: b}}, fmt.Sprintf("INSERT 0 %d", b.Len), p.returning, b)
	}
	return s.exclusively(ctx, p.to, func() (*Result, error) {
		b, err := db.insertRows(ctx, whole, st, p, args, s.pending)
		if err != nil {
			return nil, err
		}
		if b, err = db.resolveConflicts(ctx, st, p, args, b, s.pending); err != nil {
			return nil, err
		}
		return s.writeReturning(ctx, []write{{to: p.to, rows: b}}, fmt.Sprintf("INSERT 0 %d", b.Len), p.returning, b)
	})
}
