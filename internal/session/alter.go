package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// alter runs ALTER.
func (db *Database) alter(ctx context.Context, whole string, s *sql.Alter) (tag string, err error) {
	db.ddlMu.Lock()
	defer db.ddlMu.Unlock()
	name, err := db.relationName(s.Name)
	if err != nil {
		return "", err
	}
	old := db.catalog.Get(name)
	if old == nil && s.IfExists {
		return s.Tag(), nil
	}
	if old, err = db.catalog.Lookup(name); err != nil {
		return "", positionedAt(err, whole, s.Name.Pos)
	}
	if old.System() {
		return "", fault.New(fault.WrongObjectType, "%s is Tidemill's own and cannot be altered", old.Name)
	}
	if want := dropKinds[s.Kind]; old.Kind != want {
		return "", fault.New(fault.WrongObjectType, "%q is a %s, not a %s", old.Name, old.Kind, want).
			WithHint("ALTER %s %s", strings.ToUpper(string(old.Kind)), sql.Quote(old.Name)).At(sql.PositionAt(whole, s.Name.Pos))
	}
	switch s.Action {
	case sql.AlterSet, sql.AlterReset:
		err = db.alterOptions(ctx, whole, old, s)
	case sql.AlterRename:
		err = db.rename(ctx, whole, old, s)
	case sql.AlterSetDefault, sql.AlterDropDefault:
		err = db.alterDefault(ctx, whole, old, s)
	default:
		err = db.alterColumns(ctx, whole, old, s)
	}
	return s.Tag(), err
}

// copyRelation returns a definition to be changed.
func copyRelation(old *catalog.Relation) *catalog.Relation {
	r := *old
	r.Columns, r.Versions, r.Alterations = slices.Clone(old.Columns), slices.Clone(old.Versions), slices.Clone(old.Alterations)
	r.Defaults, r.Key, r.PartitionKey = slices.Clone(old.Defaults), slices.Clone(old.Key), slices.Clone(old.PartitionKey)
	r.DedupeKey = slices.Clone(old.DedupeKey)
	for len(r.Defaults) < len(r.Columns) {
		r.Defaults = append(r.Defaults, "")
	}
	r.Options, r.ColumnComments = maps.Clone(old.Options), maps.Clone(old.ColumnComments)
	return &r
}

// alterColumns runs the alterations that make a new version of the schema.
func (db *Database) alterColumns(ctx context.Context, whole string, old *catalog.Relation, s *sql.Alter) error {
	r := copyRelation(old)
	at := r.Columns.Index(s.Column.Name)
	place := sql.PositionAt(whole, s.Column.Pos)
	switch {
	case s.Action == sql.AlterAddColumn && at >= 0 && s.IfColumn, s.Action == sql.AlterDropColumn && at < 0 && s.IfColumn:
		return nil
	case s.Action == sql.AlterAddColumn && at >= 0:
		return fault.New(fault.DuplicateColumn, "%s %q already has a column %q", r.Kind, r.Name, r.Columns[at].Name).At(place)
	case s.Action != sql.AlterAddColumn && at < 0:
		return fault.New(fault.UndefinedColumn, "%s %q has no column %q", r.Kind, r.Name, s.Column.Name).
			WithHint("its columns are %s", strings.Join(r.Columns.Names(), ", ")).At(place)
	}
	from := rangeOf(0, len(r.Columns))
	var fill []*string
	var err error
	switch s.Action {
	case sql.AlterAddColumn:
		from = append(from, -1)
		fill, err = db.addColumn(ctx, whole, r, s.Column)
	case sql.AlterDropColumn:
		from = slices.Delete(from, at, at+1)
		err = dropColumn(r, at)
	case sql.AlterColumnType:
		err = db.widenColumn(r, whole, at, s.Column.Type)
	case sql.AlterRenameColumn:
		err = renameColumn(r, at, s.To.Name)
	}
	if err != nil {
		return positionedAt(err, whole, s.Column.Pos)
	}
	r.Versions = append(r.Versions, r.Columns)
	r.Alterations = append(r.Alterations, catalog.Alteration{From: from, Fill: fill})
	r.Create = createText(r)
	return db.evolve(ctx, whole, old, r, s)
}

// addColumn appends a column and returns what rows written before have in the columns.
func (db *Database) addColumn(ctx context.Context, whole string, r *catalog.Relation, d sql.ColumnDef) ([]*string, error) {
	if err := db.setColumns(r, whole, []sql.ColumnDef{d}); err != nil {
		return nil, err
	}
	if len(r.Columns) > columnsMax {
		return nil, fault.New(fault.LimitExceeded, "a relation has at most %d columns", columnsMax)
	}
	at := len(r.Columns) - 1
	if d.Default != nil {
		if err := db.checkConstant(ctx, whole, r.Columns[at], *d.Default); err != nil {
			return nil, err
		}
	}
	v, err := db.defaultValue(ctx, r, at)
	if err != nil {
		return nil, err
	}
	fill := make([]*string, len(r.Columns))
	switch {
	case !v.Null:
		text := v.Text()
		fill[at] = &text
	case d.NotNull:
		return nil, fault.New(fault.NotNullViolation, "column %q would be null in the rows there are", d.Name).WithHint("give it a DEFAULT, or leave NOT NULL out")
	}
	return fill, nil
}

// checkConstant refuses a DEFAULT that is another one each time it is computed: the rows there are get one value, also after a restart.
func (db *Database) checkConstant(ctx context.Context, whole string, c row.Column, e sql.Text) error {
	written := fmt.Sprintf("SELECT CAST((%s) AS %s)", e.SQL, c.Type)
	text, m := sql.ForDuckDB(written, nil)
	planned, err := db.planner.Plan(ctx, text)
	if err != nil {
		return placed(err, whole, sql.Text{SQL: written, Pos: e.Pos - len("SELECT CAST((")}, text, &m)
	}
	n, err := plan.Decode(planned.Plan)
	if err == nil {
		err = plan.Check(plan.Optimize(n))
	}
	if err != nil {
		return fault.New(fault.InvalidDefinition, "the DEFAULT of a column that is added must be constant").WithDetail("%s", fault.From(err).Message).
			WithHint("add the column without a DEFAULT, then ALTER COLUMN … SET DEFAULT for the rows to come")
	}
	return nil
}

// fixedColumn refuses to change a column that places the relation's rows.
func fixedColumn(r *catalog.Relation, at int, verb string) error {
	name := r.Columns[at].Name
	what := ""
	switch {
	case slices.Contains(r.Key, at):
		what = "it is part of the primary key"
	case slices.Contains(r.PartitionKey, at):
		what = "its hash selects the partition"
	case slices.Contains(r.DedupeKey, at):
		what = "its values tell repeated events"
	case r.Watermark != nil && (strings.EqualFold(r.Watermark.Column, name) || slices.Contains(r.Watermark.Per, name) || mentions(r.Watermark.Expr, name)):
		what = "the watermark is made from it"
	default:
		return nil
	}
	return fault.New(fault.DependentObjects, "cannot %s column %q of %s %q: %s", verb, name, r.Kind, r.Name, what).
		WithHint("create the %s anew and INSERT INTO … SELECT its rows", r.Kind)
}

// mentions reports whether a name may stand in an expression.
func mentions(expr, name string) bool {
	inName := func(c rune) bool { return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) }
	if strings.ContainsFunc(name, func(c rune) bool { return !inName(c) }) {
		return strings.Contains(strings.ToLower(expr), strings.ToLower(name))
	}
	for word := range strings.FieldsFuncSeq(expr, func(c rune) bool { return !inName(c) }) {
		if strings.EqualFold(word, name) {
			return true
		}
	}
	return false
}

func dropColumn(r *catalog.Relation, at int) error {
	if err := fixedColumn(r, at, "drop"); err != nil {
		return err
	}
	if len(r.Columns) == 1 {
		return fault.New(fault.InvalidDefinition, "%q is the only column of %s %q", r.Columns[at].Name, r.Kind, r.Name).WithHint("DROP %s %s", strings.ToUpper(string(r.Kind)), sql.Quote(r.Name))
	}
	delete(r.ColumnComments, r.Columns[at].Name)
	r.Columns, r.Defaults = slices.Delete(r.Columns, at, at+1), slices.Delete(r.Defaults, at, at+1)
	for _, positions := range [][]int{r.Key, r.PartitionKey, r.DedupeKey} {
		for i, p := range positions {
			if p > at {
				positions[i]--
			}
		}
	}
	return nil
}

func renameColumn(r *catalog.Relation, at int, to string) error {
	old := r.Columns[at].Name
	if other := r.Columns.Index(to); other >= 0 && other != at {
		return fault.New(fault.DuplicateColumn, "%s %q already has a column %q", r.Kind, r.Name, r.Columns[other].Name)
	}
	if r.Watermark != nil {
		if err := fixedColumn(&catalog.Relation{Kind: r.Kind, Name: r.Name, Columns: r.Columns, Watermark: r.Watermark}, at, "rename"); err != nil {
			return err
		}
	}
	r.Columns[at].Name = to
	if text, there := r.ColumnComments[old]; there {
		delete(r.ColumnComments, old)
		r.ColumnComments[to] = text
	}
	return nil
}

func (db *Database) widenColumn(r *catalog.Relation, whole string, at int, text sql.Text) error {
	to, ok := db.parseType(text.SQL)
	if !ok {
		return fault.New(fault.FeatureNotSupported, "columns of type %s are not available", text.SQL).At(sql.PositionAt(whole, text.Pos))
	}
	from := r.Columns[at].Type
	if from == to {
		return nil
	}
	if err := fixedColumn(r, at, "change the type of"); err != nil {
		return err
	}
	if !widens(from, to) {
		return fault.New(fault.DatatypeMismatch, "column %q cannot become %s: not every %s is one, exactly", r.Columns[at].Name, to, from).
			WithHint("add a column of type %s, and cast in a view or with UPDATE", to)
	}
	r.Columns[at].Type = to
	return nil
}

// widens reports whether every value of a type is, exactly, one of another, and means the same.
func widens(from, to row.Type) bool {
	digits, signed, whole := integerDigits(from.Kind)
	switch {
	case whole && to.IsInteger():
		toDigits, toSigned, _ := integerDigits(to.Kind)
		return toDigits > digits && (toSigned || !signed)
	case whole && to.Kind == row.Float64:
		return digits <= 10 // up to 32 bits
	case whole && to.Kind == row.Float32:
		return digits <= 5 // up to 16 bits
	case whole && to.Kind == row.Decimal:
		return int(to.Width)-int(to.Scale) >= digits
	case from.Kind == row.Decimal && to.Kind == row.Decimal:
		return to.Scale >= from.Scale && to.Width-to.Scale >= from.Width-from.Scale
	case from.Kind == row.Float32:
		return to.Kind == row.Float64
	case from.Kind == row.Date:
		return to.Kind == row.Timestamp
	case from.Kind == row.JSON:
		return to.Kind == row.String
	}
	return false
}

// integerDigits is how many decimal digits the values of an integer type have at most.
func integerDigits(k row.Kind) (digits int, signed, ok bool) {
	switch k {
	case row.Int8, row.Uint8:
		digits = 3
	case row.Int16, row.Uint16:
		digits = 5
	case row.Int32, row.Uint32:
		digits = 10
	case row.Int64:
		digits = 19
	case row.Uint64:
		digits = 20
	case row.Int128:
		digits = 39
	default:
		return 0, false, false
	}
	signed = k == row.Int8 || k == row.Int16 || k == row.Int32 || k == row.Int64 || k == row.Int128
	return digits, signed, true
}

// evolve makes a new version of a stream's or table's schema true, everywhere: r is old with another version. Views that read the relation go on as they
// are; where their queries would mean something else, it is refused.
func (db *Database) evolve(ctx context.Context, whole string, old, r *catalog.Relation, s *sql.Alter) error {
	to := db.storedOf(old)
	if to == nil {
		return fault.New(fault.UndefinedTable, "%s %q was dropped", old.Kind, old.Name)
	}
	next, err := db.newStored(r, to)
	if err != nil {
		return err
	}
	step, err := r.Conversion(len(old.Versions) - 1)
	if err != nil {
		return err
	}
	readers, err := db.bindReaders(ctx, old)
	if err != nil {
		return err
	}
	if err := to.acquire(ctx); err != nil { // statements that read the table before they write it
		return userError(err)
	}
	defer to.release()
	db.gate.begin()
	defer db.gate.end()
	undo := func(err error) error {
		back := errors.Join(db.define(old), db.defineReaders(readers, false))
		if back != nil {
			db.logger.Error("a definition could not be taken back", "relation", old.Name, "error", back)
		}
		return err
	}
	if err := db.planner.DefineTable(r.Name, r.Columns, nil); err != nil {
		return undo(userError(err))
	}
	if err := db.checkReaders(ctx, whole, r, step, readers, s); err != nil {
		return undo(err)
	}
	if err := db.reader.DefineTable(r.Name, r.Columns); err != nil {
		return undo(userError(err))
	}
	if err := db.defineReaders(readers, true); err != nil {
		return undo(userError(err))
	}
	// The views first: their queries mean the same over both versions.
	for _, v := range readers {
		if v.frozen {
			frozen := *v.rel
			frozen.Query = v.frozenQuery()
			if err := db.commitChange(ctx, catalog.Change{Put: &frozen}); err != nil {
				return undo(err)
			}
		}
	}
	if err := db.commitChange(ctx, catalog.Change{Put: r}); err != nil {
		return undo(err)
	}
	err = db.engine.Alter(context.WithoutCancel(ctx), r) // it is decided: what follows has to follow
	db.storedMu.Lock()
	db.stored[r.ID] = next
	db.storedMu.Unlock()
	db.hub.Drop(r.ID)
	if s.Action != sql.AlterAddColumn {
		db.shared.dropReaders(db, r.ID)
	}
	return userError(err)
}

// alterDefault sets or removes the DEFAULT of a column, for rows to come.
func (db *Database) alterDefault(ctx context.Context, whole string, old *catalog.Relation, s *sql.Alter) error {
	r := copyRelation(old)
	at := r.Columns.Index(s.Column.Name)
	if at < 0 {
		return fault.New(fault.UndefinedColumn, "%s %q has no column %q", r.Kind, r.Name, s.Column.Name).At(sql.PositionAt(whole, s.Column.Pos))
	}
	r.Defaults[at] = ""
	if s.Action == sql.AlterSetDefault {
		r.Defaults[at] = s.Column.Default.SQL
		one := &catalog.Relation{Columns: r.Columns[at : at+1]}
		if err := db.checkDefaults(ctx, whole, one, []sql.ColumnDef{s.Column}); err != nil {
			return err
		}
	}
	r.Create = createText(r)
	return db.redefineStored(ctx, old, r)
}

// redefineStored makes a definition true that changes nothing but how rows are written.
func (db *Database) redefineStored(ctx context.Context, old, r *catalog.Relation) error {
	to := db.storedOf(old)
	if to == nil {
		return fault.New(fault.UndefinedTable, "%s %q was dropped", old.Kind, old.Name)
	}
	next, err := db.newStored(r, to)
	if err != nil {
		return err
	}
	if err := db.commitChange(ctx, catalog.Change{Put: r}); err != nil {
		return err
	}
	db.storedMu.Lock()
	db.stored[r.ID] = next
	db.storedMu.Unlock()
	return nil
}

// rename gives a relation that nothing reads another name.
func (db *Database) rename(ctx context.Context, whole string, old *catalog.Relation, s *sql.Alter) error {
	name, _, err := db.newName(sql.Name{Name: s.To.Name, Pos: s.To.Pos}, false, false)
	if err != nil {
		return positionedAt(err, whole, s.To.Pos)
	}
	if d := db.catalog.Dependents(old.ID); len(d) > 0 {
		return readBy(fault.New(fault.DependentObjects, "cannot rename %s %q: other relations read it by its name", old.Kind, old.Name), d)
	}
	r := copyRelation(old)
	r.Name = name
	r.Create = createText(r)
	db.gate.begin()
	defer db.gate.end()
	if err := db.define(r); err != nil {
		return userError(errors.Join(err, db.undefine(r)))
	}
	if old.Stored() {
		err = db.redefineStored(ctx, old, r)
	} else {
		err = db.commitChange(ctx, catalog.Change{Put: r})
	}
	if err != nil {
		return errors.Join(err, db.undefine(r))
	}
	return userError(db.undefine(old))
}

// readBy adds the names of readers to an error.
func readBy(f *fault.Error, readers []*catalog.Relation) *fault.Error {
	names := make([]string, len(readers))
	for i, d := range readers {
		names[i] = fmt.Sprintf("%s %s", d.Kind, d.Name)
	}
	return f.WithDetail("it is read by %s", strings.Join(names, ", ")).WithHint("drop them first, and create them again afterwards")
}
