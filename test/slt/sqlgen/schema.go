package sqlgen

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tidemill/tidemill/internal/row"
)

// Relation is a stream or table.
type Relation struct {
	Name    string
	Stream  bool
	Columns row.Schema
	Key     []int
}

// Create is the statement that makes the relation.
func (r *Relation) Create() string {
	var parts []string
	for _, c := range r.Columns {
		text := c.Name + " " + c.Type.String()
		if c.NotNull {
			text += " NOT NULL"
		}
		parts = append(parts, text)
	}
	kind := "STREAM"
	if !r.Stream {
		kind = "TABLE"
		var key []string
		for _, k := range r.Key {
			key = append(key, r.Columns[k].Name)
		}
		if key != nil {
			parts = append(parts, "PRIMARY KEY ("+strings.Join(key, ", ")+")")
		}
	}
	return fmt.Sprintf("CREATE %s %s (%s)", kind, r.Name, strings.Join(parts, ", "))
}

var (
	boolean   = row.T(row.Bool)
	integer   = row.T(row.Int32)
	bigint    = row.T(row.Int64)
	hugeint   = row.T(row.Int128)
	double    = row.T(row.Float64)
	decimal   = row.DecimalType(9, 2)
	text      = row.T(row.String)
	date      = row.T(row.Date)
	timestamp = row.T(row.Timestamp)
	integers  = typeOf("INTEGER[]")
	texts     = typeOf("VARCHAR[]")
	pair      = typeOf("STRUCT(a INTEGER, b VARCHAR)")
	pairs     = typeOf("STRUCT(a INTEGER, b VARCHAR)[]")
	color     = typeOf("ENUM('red', 'green', 'blue')")
	counts    = typeOf("MAP(VARCHAR, INTEGER)")
)

func typeOf(text string) row.Type {
	t, _ := row.ParseType(text)
	return t
}

// common are the types that most columns have, rare those of the others.
var (
	common = []row.Type{integer, integer, bigint, text, text, double, decimal, timestamp, date, boolean}
	rare   = []row.Type{row.T(row.Int8), row.T(row.Int16), row.T(row.Uint8), row.T(row.Uint16), row.T(row.Uint32), row.T(row.Uint64), hugeint,
		row.T(row.Float32), row.DecimalType(20, 3), row.DecimalType(4, 1), row.T(row.Blob), row.T(row.Time), row.T(row.TimestampTZ), row.T(row.Interval), row.T(row.UUID),
		integers, integers, integers, texts, texts, pair, pair, pair, pairs, color, color, counts}
)

// Schema makes two to four relations. Each begins with two columns that others can be joined with.
func Schema(rng *rand.Rand) []Relation {
	var out []Relation
	for i := range 2 + rng.IntN(3) {
		r := Relation{Name: fmt.Sprintf("r%d", i), Stream: rng.IntN(2) == 0}
		add := func(t row.Type) {
			r.Columns = append(r.Columns, row.Column{Name: fmt.Sprintf("%c%d", 'a'+len(r.Columns), i), Type: t})
		}
		add(integer)
		add(text)
		for range 1 + rng.IntN(4) {
			if rng.IntN(3) == 0 {
				add(rare[rng.IntN(len(rare))])
			} else {
				add(common[rng.IntN(len(common))])
			}
		}
		if !r.Stream && rng.IntN(3) > 0 {
			r.Key = []int{0}
			if rng.IntN(3) == 0 {
				r.Key = []int{0, 1}
			}
			for _, k := range r.Key {
				r.Columns[k].NotNull = true
			}
		} else if rng.IntN(3) == 0 {
			r.Columns[rng.IntN(len(r.Columns))].NotNull = true
		}
		out = append(out, r)
	}
	return out
}

var words = []string{"a", "b", "c", "d", "north", "south", "Äpfel", "", "x%y"}

// Literal is a random value of a type as text that CAST takes, from a small domain.
func Literal(rng *rand.Rand, t row.Type) string {
	switch t.Kind {
	case row.Bool:
		return [...]string{"true", "false"}[rng.IntN(2)]
	case row.Int8, row.Int16, row.Int32, row.Int64, row.Int128:
		return fmt.Sprint(rng.IntN(10) - 2)
	case row.Uint8, row.Uint16, row.Uint32, row.Uint64:
		return fmt.Sprint(rng.IntN(8))
	case row.Float32, row.Float64:
		return fmt.Sprintf("%g", float64(rng.IntN(200)-60)/8)
	case row.Decimal:
		return fmt.Sprintf("%d.%d", rng.IntN(40)-10, rng.IntN(10))
	case row.Blob:
		return [...]string{`\x00`, `ab`, `\xFF\x01`, ``}[rng.IntN(4)]
	case row.Date:
		return fmt.Sprintf("2024-02-%02d", 20+rng.IntN(8))
	case row.Time:
		return fmt.Sprintf("%02d:%02d:00", rng.IntN(24), rng.IntN(4)*15)
	case row.Timestamp:
		return fmt.Sprintf("2024-02-%02d %02d:%02d:00", 26+rng.IntN(3), rng.IntN(3), rng.IntN(6)*10)
	case row.TimestampTZ:
		return fmt.Sprintf("2024-02-%02d %02d:%02d:00+00", 26+rng.IntN(3), rng.IntN(3), rng.IntN(6)*10)
	case row.Interval:
		return [...]string{"1 day", "2 hours", "1 month", "90 minutes"}[rng.IntN(4)]
	case row.UUID:
		return fmt.Sprintf("00000000-0000-0000-0000-00000000000%d", rng.IntN(6))
	}
	switch t {
	case integers:
		return nested(rng, integer)
	case texts:
		return nested(rng, text)
	case pairs:
		return nested(rng, pair)
	case pair:
		return fmt.Sprintf("{'a': %s, 'b': %s}", element(rng, integer), element(rng, text))
	case color:
		return [...]string{"red", "green", "blue"}[rng.IntN(3)]
	case counts:
		return [...]string{"{}", "{a=1}", "{a=2, b=NULL}", "{b=0}"}[rng.IntN(4)]
	}
	return words[rng.IntN(len(words))]
}

// nested is a list of up to three elements.
func nested(rng *rand.Rand, t row.Type) string {
	var parts []string
	for range rng.IntN(4) {
		parts = append(parts, element(rng, t))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// element is a part of a nested value.
func element(rng *rand.Rand, t row.Type) string {
	switch {
	case rng.IntN(6) == 0:
		return "NULL"
	case t == text:
		return words[rng.IntN(5)]
	}
	return Literal(rng, t)
}

// quoted is a literal of a type as SQL.
func quoted(value string, t row.Type) string {
	switch t.Kind {
	case row.Int32, row.Bool:
		return value
	case row.String:
		return "'" + value + "'"
	}
	return fmt.Sprintf("CAST('%s' AS %s)", strings.ReplaceAll(value, "'", "''"), t)
}

// constantOf is the plainest value of a type.
func constantOf(t row.Type) string {
	if !known(t) {
		return "CAST(NULL AS " + t.String() + ")"
	}
	return quoted(Literal(rand.New(rand.NewPCG(1, 1)), t), t)
}

func known(t row.Type) bool {
	return t.Kind != row.Invalid && t.Kind != row.Other && t.Kind != row.JSON
}

// ordered reports whether values are compared with each other and are the arguments of extremes: intervals and maps are only handed on and grouped by.
func ordered(t row.Type) bool { return t.Kind != row.Interval && t.Kind != row.Map }

func shaped(t row.Type) bool { return t.Kind == row.List || t.Kind == row.Struct || t.Kind == row.Map }
