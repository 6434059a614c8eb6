package session

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/engine"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
	"github.com/tidemill/tidemill/internal/view"
)

const (
	// verifyRowsMax bounds the rows of a view, and of its query's answer, that are compared at once.
	verifyRowsMax = 20_000_000
	// differencesShown bounds the differing rows that VERIFY VIEW lists.
	differencesShown = 100
	// floatTolerance is how far, relatively, floats may be apart that count as equal: sums depend on their order.
	floatTolerance = 1e-9
)

// verifyOptions says how much of a view is verified.
type verifyOptions struct {
	sample float64 // of the rows, by their hash; 1 is all
	rows   int64   // about so many rows; 0 is all
}

// verification is what a verification found.
type verification struct {
	rel     *catalog.Relation
	at      time.Time
	tick    uint64
	verdict string // equal, differs, or unknown
	// rows were compared; missing ones are in the query's answer only, unexpected ones in the view only.
	rows, missing, unexpected int64
	took                      time.Duration
	note                      string
	differences               *row.Batch // missing ones with positive weights; bounded
}

// The verdicts.
const (
	verdictEqual   = "equal"
	verdictDiffers = "differs"
	verdictUnknown = "unknown" // it differs, but the query's inputs are no longer all there
)

func verifyColumns() row.Schema {
	return columnsOf("result VARCHAR, rows BIGINT, row JSON, tick BIGINT, ms BIGINT, note VARCHAR")
}

// verifyStatement runs VERIFY VIEW.
func (s *Session) verifyStatement(ctx context.Context, whole string, st *sql.VerifyView) (*Result, error) {
	if err := s.awaitReads(ctx); err != nil {
		return nil, err
	}
	name, err := s.db.relationName(st.Name)
	if err != nil {
		return nil, err
	}
	rel, err := s.db.catalog.Lookup(name)
	if err != nil {
		return nil, positionedAt(err, whole, st.Name.Pos)
	}
	o, err := readVerifyOptions(whole, st.Options)
	if err != nil {
		return nil, err
	}
	v, err := s.db.verify(ctx, rel, o)
	if err != nil {
		return nil, positionedAt(err, whole, st.Name.Pos)
	}
	s.stated(s.db.verifications.note(s.db, v))
	w := &rowWriter{bb: row.NewBatchBuilder(verifyColumns().Types(), 1)}
	w.add(v.verdict, v.rows, nil, v.tick, v.took.Milliseconds(), orNull(v.note))
	if d := v.differences; d != nil {
		enc := row.NewRowEncoder(rel.Columns)
		for i := range d.Len {
			what, n := "missing", d.Weight(i)
			if n < 0 {
				what, n = "unexpected", -n
			}
			w.add(what, n, string(enc.AppendRow(nil, d, i)), nil, nil, nil)
		}
	}
	r := oneBatch(verifyColumns(), w.bb.Finish(w.n))
	r.tag, r.token = st.Tag(), s.db.readToken(v.tick)
	return r, nil
}

func readVerifyOptions(whole string, opts sql.Options) (verifyOptions, error) {
	o := verifyOptions{sample: 1}
	for _, x := range opts {
		var err error
		switch x.Key {
		case "sample":
			o.sample, err = strconv.ParseFloat(x.Value, 64)
			if err != nil || !(o.sample > 0 && o.sample <= 1) {
				err = fault.New(fault.InvalidParameterValue, "sample is %q, want a part of the rows, above 0 and up to 1", x.Value)
			}
		case "rows":
			o.rows, err = strconv.ParseInt(x.Value, 10, 64)
			if err != nil || o.rows < 1 {
				err = fault.New(fault.InvalidParameterValue, "rows is %q, want a number of rows", x.Value)
			}
		default:
			err = fault.New(fault.InvalidParameterValue, "VERIFY VIEW has no option %q", x.Key).WithHint("options are sample and rows")
		}
		if err != nil {
			return o, positionedAt(err, whole, x.Pos)
		}
	}
	return o, nil
}

// verify computes a view's query again, in batch, over its inputs as of one tick, and compares the answer with the view's content at that tick.
func (db *Database) verify(ctx context.Context, rel *catalog.Relation, o verifyOptions) (*verification, error) {
	if rel.Kind != catalog.MaterializedView {
		return nil, fault.New(fault.WrongObjectType, "%q is a %s: only a materialized view can differ from its query", rel.Name, rel.Kind)
	}
	for {
		seq, err := db.gate.settled(ctx)
		if err != nil {
			return nil, err
		}
		if db.catalog.ByID(rel.ID) == nil {
			return nil, fault.New(fault.UndefinedTable, "view %q was dropped", rel.Name)
		}
		v, err := db.verifyOnce(ctx, db.catalog.ByID(rel.ID), o)
		if db.gate.unchanged(seq) {
			return v, userError(err)
		}
	}
}

func (db *Database) verifyOnce(ctx context.Context, rel *catalog.Relation, o verifyOptions) (*verification, error) {
	begun := time.Now()
	n, _, err := db.planText(ctx, rel.Query)
	if err != nil {
		return nil, err
	}
	inputs := db.relationIDs(plan.Relations(n))
	snap := db.engine.Snapshot(append(inputs, rel.ID)...)
	defer snap.Close()
	content, err := snap.View(rel.ID)
	if err != nil {
		return nil, err
	}
	if content == nil {
		return nil, fault.New(fault.CannotConnectNow, "view %q is not running", rel.Name)
	}
	c := comparison{keep: sampleOf(rel.Columns, o, content.Rows())}
	it, err := snap.Scan(ctx, rel.ID, nil)
	if err != nil {
		return nil, err
	}
	if err := c.take(ctx, it, -1); err != nil {
		return nil, err
	}
	rows := c.rows
	if err := db.recompute(ctx, snap, rel, inputs, &c); err != nil {
		return nil, err
	}
	v := &verification{rel: rel, at: db.now(), tick: snap.Tick, verdict: verdictEqual, rows: rows}
	if d := closeFloats(view.Consolidate(row.Concat(c.parts))); d != nil && d.Len > 0 {
		if rel.Options["emit"] == "final" {
			d = closedOnly(d)
		}
		for i := range d.Len {
			if w := d.Weight(i); w > 0 {
				v.missing += w
			} else {
				v.unexpected -= w
			}
		}
		if v.missing+v.unexpected > 0 {
			v.verdict = verdictDiffers
		}
		v.differences = d.Slice(0, min(d.Len, differencesShown))
		if err := db.excuse(ctx, v, n, inputs); err != nil {
			return nil, err
		}
	}
	v.took = time.Since(begun)
	return v, nil
}

// recompute adds the answer to the view's query over a snapshot.
func (db *Database) recompute(ctx context.Context, snap *engine.Snapshot, rel *catalog.Relation, inputs []uint64, c *comparison) error {
	var rows *duck.Rows
	var err error
	if at, ok := snap.Time(rel.ID); ok {
		rows, err = db.reader.QueryAt(ctx, rel.Query, at, newSources(ctx, db, snap, inputs, nil))
	} else {
		rows, err = db.reader.Query(ctx, rel.Query, nil, newSources(ctx, db, snap, inputs, nil))
	}
	if err != nil {
		return notRecomputed(rel, err)
	}
	if err := c.take(ctx, &castRows{rows: rows, ctx: ctx, columns: rel.Columns}, 1); err != nil {
		return notRecomputed(rel, err)
	}
	return nil
}

func notRecomputed(rel *catalog.Relation, err error) error {
	f := fault.From(userError(err))
	if f.Code == fault.QueryCanceled || f.Code == fault.LimitExceeded {
		return err
	}
	return fault.New(f.Code, "the query of view %q cannot be computed again in batch: %s", rel.Name, f.Message).
		WithHint("rows on which an expression fails are left out of a view and are in tidemill.rejects, but fail a SELECT; TRY and TRY_CAST give nulls in both")
}

// excuse says of a difference what explains it other than an error of the view.
func (db *Database) excuse(ctx context.Context, v *verification, n plan.Node, inputs []uint64) error {
	var notes []string
	if v.rel.Options["emit"] == "final" {
		notes = append(notes, "rows of the query's answer that are not in the view are not compared: their windows may be open")
	}
	if v.verdict == verdictEqual {
		v.note = strings.Join(notes, "; ")
		return nil
	}
	status, _, _ := db.engine.Status(db.now())
	for _, s := range status {
		if s.Relation == v.rel.ID && s.LateCount > 0 {
			v.verdict = verdictUnknown
			notes = append(notes, fmt.Sprintf("%d rows came too late for the view and are in the batch answer; see %s", s.LateCount, lateName))
		}
	}
	for _, id := range inputs {
		r := db.catalog.ByID(id)
		if r == nil || r.Kind != catalog.Stream {
			continue
		}
		b, err := db.log.Bounds(ctx, r.Topic())
		if err != nil {
			return err
		}
		if first := db.engine.FirstRead(id); b.First > first && first > 0 {
			v.verdict = verdictUnknown
			notes = append(notes, fmt.Sprintf("rows of stream %s that the view has counted were removed by its retention; what is left does not say whether it is right", r.Name))
		}
	}
	if free := freedom(n); len(free) > 0 {
		notes = append(notes, "the query leaves some of its answer open ("+strings.Join(free, ", ")+"): where rows tie, view and batch may choose differently")
	}
	v.note = strings.Join(notes, "; ")
	return nil
}

// closedOnly leaves out what is missing in a view of final rows: windows that are still open.
func closedOnly(d *row.Batch) *row.Batch {
	var at []int32
	for i := range d.Len {
		if d.Weight(i) < 0 {
			at = append(at, int32(i))
		}
	}
	return d.Gather(at)
}

// freedom names what in a plan leaves its answer open where rows tie.
func freedom(n plan.Node) []string {
	var out []string
	for _, x := range plan.Nodes(n) {
		switch x := x.(type) {
		case *plan.Limit, *plan.TopN:
			out = append(out, "LIMIT")
		case *plan.Aggregate:
			for _, c := range x.Calls {
				switch c.Name {
				case "first", "last", "any_value", "arbitrary", "arg_min", "arg_max", "list", "array_agg", "string_agg", "group_concat", "mode":
					out = append(out, c.Name)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// castRows are the rows of a query with the types of a view's columns.
type castRows struct {
	rows interface {
		Next(context.Context) (*row.Batch, error)
		Close()
	}
	ctx     context.Context
	columns row.Schema
}

// Next implements engine.Iterator.
func (c *castRows) Next() (*row.Batch, error) {
	b, err := c.rows.Next(c.ctx)
	if b == nil || err != nil {
		return nil, err
	}
	if len(b.Cols) != len(c.columns) {
		return nil, fmt.Errorf("the query has %d columns, the view %d", len(b.Cols), len(c.columns))
	}
	out := &row.Batch{Cols: make([]row.Vec, len(b.Cols)), Len: b.Len}
	for i := range b.Cols {
		out.Cols[i], _ = row.CastVec(&b.Cols[i], c.columns[i].Type)
	}
	return out, nil
}

// Close implements engine.Iterator.
func (c *castRows) Close() { c.rows.Close() }

// sampleOf returns a function that keeps a sample of a batch's rows: those whose hash is low, the same on both sides. It is nil for all rows.
func sampleOf(columns row.Schema, o verifyOptions, rows int64) func(*row.Batch) *row.Batch {
	part := o.sample
	if o.rows > 0 && rows > o.rows {
		part = min(part, float64(o.rows)/float64(rows))
	}
	exact := exactColumns(columns.Types())
	if part >= 1 || len(exact) == 0 {
		return nil
	}
	limit := uint64(part * math.MaxUint64)
	return func(b *row.Batch) *row.Batch {
		hash := make([]uint64, b.Len)
		row.Hash(b.Project(exact).Cols, hash)
		var at []int32
		for i, h := range hash {
			if h*0x9e3779b97f4a7c15 <= limit { // the high bits of a hash select workers and buckets
				at = append(at, int32(i))
			}
		}
		return b.Gather(at)
	}
}

// exactColumns lists the columns whose values are equal or not.
func exactColumns(types []row.Type) []int {
	var out []int
	for i, t := range types {
		if t.Kind != row.Float32 && t.Kind != row.Float64 {
			out = append(out, i)
		}
	}
	return out
}

// comparison collects rows of two sides with opposite weights.
type comparison struct {
	keep  func(*row.Batch) *row.Batch
	parts []*row.Batch
	rows  int64
}

func (c *comparison) take(ctx context.Context, it engine.Iterator, weight int64) error {
	defer it.Close()
	c.rows = 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := it.Next()
		if b == nil || err != nil {
			return err
		}
		if c.keep != nil {
			b = c.keep(b)
		}
		if c.rows += int64(b.Len); c.rows > verifyRowsMax {
			return fault.New(fault.LimitExceeded, "more than %d rows would have to be compared", verifyRowsMax).WithHint("VERIFY VIEW … WITH (rows = %d) compares a sample", verifyRowsMax/20)
		}
		if b.Len > 0 {
			c.parts = append(c.parts, weighted(b, weight))
		}
	}
}

// closeFloats takes pairs of a missing and an unexpected row out of differences that are equal but for floats within the tolerance.
func closeFloats(d *row.Batch) *row.Batch {
	if d == nil || d.Len == 0 {
		return d
	}
	types := make([]row.Type, len(d.Cols))
	for i := range d.Cols {
		types[i] = d.Cols[i].Type
	}
	exact := exactColumns(types)
	if len(exact) == len(types) {
		return d
	}
	left := make([]int64, d.Len)
	groups := map[string][]int{} // of the rows that agree in all other columns; there are as many as differences
	var key []byte
	for i := range d.Len {
		left[i] = d.Weight(i)
		key = key[:0]
		for _, c := range exact {
			key = row.AppendKey(key, &d.Cols[c], i)
		}
		groups[string(key)] = append(groups[string(key)], i)
	}
	for _, rows := range groups {
		pairFloats(d, rows, left)
	}
	var at []int32
	var weights []int64
	for i, w := range left {
		if w != 0 {
			at, weights = append(at, int32(i)), append(weights, w)
		}
	}
	out := *d.Gather(at)
	out.Weights = weights
	return &out
}

// pairsMax bounds the comparisons within rows that differ in floats only.
const pairsMax = 10_000_000

func pairFloats(d *row.Batch, rows []int, left []int64) {
	tries := 0
	for _, i := range rows {
		if left[i] <= 0 {
			continue
		}
		for _, k := range rows {
			if tries++; tries > pairsMax {
				return
			}
			if left[k] >= 0 || !nearlyEqual(d, i, k) {
				continue
			}
			n := min(left[i], -left[k])
			left[i] -= n
			if left[k] += n; left[i] == 0 {
				break
			}
		}
	}
}

// nearlyEqual compares the floats of two rows.
func nearlyEqual(d *row.Batch, i, k int) bool {
	for c := range d.Cols {
		v := &d.Cols[c]
		if v.Type.Kind != row.Float32 && v.Type.Kind != row.Float64 || row.Equal(v, i, v, k) {
			continue
		}
		if v.Null(i) || v.Null(k) {
			return false
		}
		a, b := v.Value(i).F, v.Value(k).F
		if !(math.Abs(a-b) <= floatTolerance*max(math.Abs(a), math.Abs(b), 1e-300)) {
			return false
		}
	}
	return true
}
