// Package catalog holds the definitions of a database's relations: names, schemas, keys, options and who depends on whom.
//
// A Catalog is the fold of a changelog: each Change is appended to the log by the owner first and applied afterwards, so after a restart
// the same catalog comes out. Definitions are immutable; a change replaces one. A Catalog is safe for
// concurrent use; changes are made by one goroutine at a time.
package catalog

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

// Kind is the kind of a relation.
type Kind string

// The kinds of relations.
const (
	Stream           Kind = "stream"
	Table            Kind = "table"
	View             Kind = "view"
	MaterializedView Kind = "materialized view"
)

// SystemSchema is the schema of Tidemill's own relations.
const SystemSchema = "tidemill"

// Watermark is a stream's WATERMARK FOR column AS expression.
type Watermark struct {
	Column string
	Expr   string
	// Per names the columns each of whose values has a watermark of its own.
	Per []string `json:",omitempty"`
}

// Relation is the definition of a stream, table or view.
type Relation struct {
	// ID names the relation for ever; names can be used again.
	ID   uint64
	Kind Kind
	Name string
	// Columns is the current schema; Versions are the schemas records may have been written with, by version number, the last
	// one being Columns.
	Columns  row.Schema
	Versions []row.Schema
	// Alterations lead from each version to the next one.
	Alterations []Alteration `json:",omitempty"`
	// Defaults has SQL text per column, empty for none.
	Defaults []string
	// Key are the positions of the primary key of a table, or of a unique key of a view.
	Key []int
	// Query is the SELECT of a view.
	Query string
	// Create is the statement that made the relation.
	Create  string
	Options map[string]string
	// AppendOnly says that a view never loses a row.
	AppendOnly bool `json:",omitempty"`
	// Partitions and PartitionKey say how a stream's or table's rows are divided.
	Partitions   int
	PartitionKey []int
	// DedupeKey are the columns of a stream whose values identify an event: a repeat within the dedupe window changes nothing.
	DedupeKey []int      `json:",omitempty"`
	Watermark *Watermark `json:",omitempty"`
	// DependsOn are the relations that a view's query reads.
	DependsOn      []uint64
	Comment        string            `json:",omitempty"`
	ColumnComments map[string]string `json:",omitempty"`
	CreatedAt      time.Time
}

// Stored reports whether the relation has a topic in the log.
func (r *Relation) Stored() bool { return r.Kind == Stream || r.Kind == Table }

// Topic is the name of the relation's topic in the log.
func (r *Relation) Topic() string { return fmt.Sprintf("r%d", r.ID) }

// System reports whether the relation is one of Tidemill's own.
func (r *Relation) System() bool { return strings.HasPrefix(r.Name, SystemSchema+".") }

// Change is an entry of the changelog.
type Change struct {
	// Put creates or replaces a relation; Drop removes one. Both: the one takes the place, and the name, of the other.
	Put  *Relation `json:",omitempty"`
	Drop uint64    `json:",omitempty"`
	// PutType gives a type a name; DropType takes the name away.
	PutType  *Type  `json:",omitempty"`
	DropType string `json:",omitempty"`
}

// Encode returns the change's bytes for the log.
func (c Change) Encode() ([]byte, error) { return json.Marshal(c) }

// DecodeChange reads what Encode wrote.
func DecodeChange(b []byte) (Change, error) {
	var c Change
	if err := json.Unmarshal(b, &c); err != nil {
		return Change{}, fmt.Errorf("reading a change of the catalog: %w", err)
	}
	if c.PutType != nil && c.PutType.Name == "" {
		return Change{}, errors.New("reading a change of the catalog: a type without a name")
	}
	if c.Put == nil && c.Drop == 0 && c.PutType == nil && c.DropType == "" {
		return Change{}, errors.New("reading a change of the catalog: it must be a definition or a removal")
	}
	if c.Put != nil && (c.Put.ID == 0 || c.Put.ID == math.MaxUint64 || c.Put.Name == "") {
		return Change{}, fmt.Errorf("reading a change of the catalog: relation %d %q", c.Put.ID, c.Put.Name)
	}
	return c, nil
}

// Catalog is the set of a database's relations.
type Catalog struct {
	mu      sync.RWMutex
	byID    map[uint64]*Relation
	byName  map[string]*Relation
	types   map[string]*Type
	nextID  uint64
	version uint64
}

// New returns an empty catalog.
func New() *Catalog {
	return &Catalog{byID: map[uint64]*Relation{}, byName: map[string]*Relation{}, types: map[string]*Type{}, nextID: 1}
}

// Fold is the form of a name under which it is found: names are equal without regard to case.
func Fold(name string) string { return strings.ToLower(name) }

// Apply makes a change.
func (c *Catalog) Apply(ch Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	delete(c.types, Fold(ch.DropType))
	if ch.PutType != nil {
		c.types[Fold(ch.PutType.Name)] = ch.PutType
	}
	if old := c.byID[ch.Drop]; old != nil {
		delete(c.byID, old.ID)
		delete(c.byName, Fold(old.Name))
	}
	if ch.Put == nil {
		return
	}
	if old := c.byID[ch.Put.ID]; old != nil {
		delete(c.byName, Fold(old.Name))
	}
	c.byID[ch.Put.ID] = ch.Put
	c.byName[Fold(ch.Put.Name)] = ch.Put
	c.nextID = max(c.nextID, ch.Put.ID+1)
}

// NextID returns an ID that no relation has had.
func (c *Catalog) NextID() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.nextID
	c.nextID++
	return id
}

// Version grows with each change; what was derived from the catalog is valid while it stays.
func (c *Catalog) Version() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version
}

// Get returns the relation of a name, or nil.
func (c *Catalog) Get(name string) *Relation {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byName[Fold(name)]
}

// ByID returns a relation, or nil.
func (c *Catalog) ByID(id uint64) *Relation {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byID[id]
}

// Lookup is Get with an error that names the closest relation there is.
func (c *Catalog) Lookup(name string) (*Relation, error) {
	if r := c.Get(name); r != nil {
		return r, nil
	}
	err := fault.New(fault.UndefinedTable, "there is no stream, table or view %q", name)
	if near := c.closest(name); near != "" {
		err = err.WithHint("did you mean %q?", near)
	}
	return nil, err
}

// All lists the relations, oldest first: what a view reads comes before it.
func (c *Catalog) All() []*Relation {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]*Relation, 0, len(c.byID))
	for _, r := range c.byID {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *Relation) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Dependents lists the relations that read the relation directly.
func (c *Catalog) Dependents(id uint64) []*Relation {
	var out []*Relation
	for _, r := range c.All() {
		if slices.Contains(r.DependsOn, id) {
			out = append(out, r)
		}
	}
	return out
}

// closest returns the relation whose name is at most two edits away, or "".
func (c *Catalog) closest(name string) string {
	best, at := "", 3
	for _, r := range c.All() {
		if d := editDistance([]rune(Fold(name)), []rune(Fold(r.Name)), at); d < at {
			best, at = r.Name, d
		}
	}
	return best
}

// editDistance is Levenshtein's distance in characters, cut off at limit.
func editDistance(a, b []rune, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := prev[0]
		prev[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = prev[j]
			prev[j] = min(cost, prev[j]+1, prev[j-1]+1)
		}
	}
	return prev[len(b)]
}
