package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// parseType reads a type, which may use names that CREATE TYPE has given.
func (db *Database) parseType(text string) (row.Type, bool) {
	return row.ParseTypeNamed(text, func(name string) (row.Type, bool) {
		if schema, rest, ok := strings.Cut(name, "."); ok && strings.EqualFold(schema, "main") {
			name = rest
		}
		if t := db.catalog.Type(name); t != nil {
			return t.Type, true
		}
		return row.Type{}, false
	})
}

// defineType makes a named type known to DuckDB.
func (db *Database) defineType(t *catalog.Type) error {
	if err := db.planner.DefineType(t.Name, t.Type); err != nil {
		return err
	}
	if err := db.reader.DefineType(t.Name, t.Type); err != nil {
		return errors.Join(err, db.planner.DropType(t.Name))
	}
	return nil
}

func (db *Database) undefineType(t *catalog.Type) error {
	return errors.Join(db.planner.DropType(t.Name), db.reader.DropType(t.Name))
}

// typeName is the name of a type, which is in schema main.
func (db *Database) typeName(n sql.Name) (string, error) {
	name, err := db.relationName(n)
	if err == nil && strings.HasPrefix(name, catalog.SystemSchema+".") {
		err = fault.New(fault.InvalidName, "schema tidemill is Tidemill's own").WithHint("choose a name without that schema")
	}
	return name, err
}

// createType runs CREATE TYPE.
func (db *Database) createType(ctx context.Context, whole string, s *sql.CreateType) (tag string, err error) {
	db.ddlMu.Lock()
	defer db.ddlMu.Unlock()
	name, err := db.typeName(s.Name)
	if err != nil {
		return "", positionedAt(err, whole, s.Name.Pos)
	}
	old := db.catalog.Type(name)
	switch {
	case old != nil && s.IfNotExists:
		return s.Tag(), nil
	case s.OrReplace:
		return "", fault.New(fault.FeatureNotSupported, "replacing type %q is not available", name).WithHint("create a type with another name, or DROP it first").At(sql.PositionAt(whole, s.Name.Pos))
	}
	_, err = db.planner.Plan(ctx, fmt.Sprintf("SELECT CAST(NULL AS %s)", sql.Quote(name)))
	if old != nil || err == nil {
		return "", fault.New(fault.DuplicateObject, "there is already a type %q", name).At(sql.PositionAt(whole, s.Name.Pos))
	}
	t := &catalog.Type{Name: name}
	var ok bool
	if t.Type, ok = db.parseType(s.Type.SQL); !ok {
		return "", fault.New(fault.FeatureNotSupported, "%s is not a type that columns can have", s.Type.SQL).
			WithHint("list the values of an ENUM: ENUM('a', 'b'); a type is made of those that columns have").At(sql.PositionAt(whole, s.Type.Pos))
	}
	if err := db.defineType(t); err != nil {
		return "", userError(err)
	}
	if err := db.commitChange(ctx, catalog.Change{PutType: t}); err != nil {
		return "", errors.Join(err, db.undefineType(t))
	}
	return s.Tag(), nil
}

// dropType runs DROP TYPE.
func (db *Database) dropType(ctx context.Context, whole string, s *sql.DropType) (tag string, err error) {
	db.ddlMu.Lock()
	defer db.ddlMu.Unlock()
	var types []*catalog.Type
	for _, n := range s.Names {
		name, err := db.typeName(n)
		if err != nil {
			return "", positionedAt(err, whole, n.Pos)
		}
		t := db.catalog.Type(name)
		if t == nil && s.IfExists {
			continue
		}
		if t == nil {
			return "", fault.New(fault.UndefinedObject, "there is no type %q", name).WithHint("SHOW TYPES lists those that CREATE TYPE has made").At(sql.PositionAt(whole, n.Pos))
		}
		if users := db.usersOf(t); len(users) > 0 {
			return "", fault.New(fault.DependentObjects, "cannot drop type %q: what is kept of other relations has its name", t.Name).
				WithDetail("it is in %s", strings.Join(users, ", ")).WithHint("drop them first, or write the type itself in them").At(sql.PositionAt(whole, n.Pos))
		}
		types = append(types, t)
	}
	db.gate.begin()
	defer db.gate.end()
	for _, t := range types {
		if db.catalog.Type(t.Name) == nil {
			continue // it was named twice
		}
		if err := db.commitChange(ctx, catalog.Change{DropType: t.Name}); err != nil {
			return "", err
		}
		if err := db.undefineType(t); err != nil {
			return "", userError(err)
		}
	}
	return s.Tag(), nil
}

// usersOf lists where the name of a type may stand in texts that are read again: queries of views, DEFAULTs, watermarks. Columns have the type itself.
func (db *Database) usersOf(t *catalog.Type) []string {
	var users []string
	for _, r := range db.catalog.All() {
		texts := append([]string{r.Query}, r.Defaults...)
		if r.Watermark != nil {
			texts = append(texts, r.Watermark.Expr)
		}
		for _, text := range texts {
			if mentions(text, t.Name) {
				users = append(users, fmt.Sprintf("%s %s", r.Kind, r.Name))
				break
			}
		}
	}
	return users
}

// usesNamedTypes reports whether columns are defined with types that CREATE TYPE has named: what is kept of the statement then has the types themselves.
func (db *Database) usesNamedTypes(defs []sql.ColumnDef) bool {
	for _, d := range defs {
		if _, plain := row.ParseType(d.Type.SQL); !plain {
			return true
		}
	}
	return false
}

// typeHint says what columns can be instead of a type that they cannot.
func typeHint(text string) string {
	switch upper := strings.ToUpper(text); {
	case strings.HasPrefix(upper, "TIMESTAMP_NS"):
		return "a TIMESTAMP has microseconds; keep nanoseconds as a BIGINT: epoch_ns(t) gives it, make_timestamp_ns(n) the time"
	case strings.HasPrefix(upper, "TIMESTAMP_S"):
		return "use TIMESTAMP, and date_trunc('second', t) where the rest is to be cut off"
	case strings.HasPrefix(upper, "TIMESTAMP_MS"):
		return "use TIMESTAMP, and date_trunc('millisecond', t) where the rest is to be cut off"
	case strings.HasPrefix(upper, "TIMETZ"), strings.HasPrefix(upper, "TIME WITH TIME"):
		return "use TIME in UTC, or TIMESTAMPTZ for a point in time"
	case strings.HasPrefix(upper, "UHUGEINT"):
		return "use DECIMAL(38, 0), or HUGEINT"
	}
	return "types are BOOLEAN, TINYINT … HUGEINT, FLOAT, DOUBLE, DECIMAL(p,s), VARCHAR, BLOB, JSON, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, UUID, ENUM('a', …), and of these T[], STRUCT(name T, …) and MAP(K, V), and the names that CREATE TYPE has given them; SHOW TYPES lists those"
}
