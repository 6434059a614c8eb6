package catalog

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/row"
)

func relation(id uint64, name string, reads ...uint64) *Relation {
	cols := row.Schema{{Name: "k", Type: row.T(row.String)}, {Name: "d", Type: row.DecimalType(10, 2)}}
	return &Relation{ID: id, Kind: MaterializedView, Name: name, Columns: cols, Versions: []row.Schema{cols[:1], cols}, Defaults: []string{"", "1"}, Key: []int{0},
		Query: "SELECT 1", Create: "CREATE …", Options: map[string]string{"key": "k"}, AppendOnly: true, Partitions: 3, PartitionKey: []int{1},
		Watermark: &Watermark{"at", "at - 1", []string{"k"}}, DependsOn: reads, Comment: "c", ColumnComments: map[string]string{"k": "the key"}, CreatedAt: time.Unix(5, 6).UTC()}
}

func TestChangeRoundTrip(t *testing.T) {
	for _, want := range []Change{{Put: relation(7, "Räume", 1, 2)}, {Drop: math.MaxUint64}} {
		b, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodeChange(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	for _, bad := range []string{"", "{}", "null", "[]", `{"Put":null}`, `{"Put":{"ID":1},"Drop":2}`, `{"Drop":-1}`, `{"Put":{"ID":0,"Name":"x"}}`, `{"Put":{"ID":18446744073709551615}}`} {
		if c, err := DecodeChange([]byte(bad)); err == nil {
			t.Errorf("%s is read as %+v", bad, c)
		}
	}
}

// TestFold: the same changes give the same catalog, whatever stood in between.
func TestFold(t *testing.T) {
	changes := []Change{
		{Put: relation(1, "a")}, {Put: relation(2, "b", 1)}, {Put: relation(3, "c", 2, 1)}, {Drop: 3}, {Drop: 99},
		{Put: relation(2, "B2", 1)}, {Put: relation(9, "c", 2)}, {Put: relation(10, "tidemill.x")},
	}
	c := New()
	for i, ch := range changes {
		b, err := ch.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if ch, err = DecodeChange(b); err != nil {
			t.Fatal(err)
		}
		c.Apply(ch)
		if c.Version() != uint64(i+1) {
			t.Errorf("version %d after %d changes", c.Version(), i+1)
		}
	}
	var names []string
	for _, r := range c.All() {
		names = append(names, r.Name)
	}
	if want := []string{"a", "B2", "c", "tidemill.x"}; !slices.Equal(names, want) {
		t.Errorf("relations %v, want %v", names, want)
	}
	if c.Get("b") != nil || c.Get("b2") == nil || c.Get("C").ID != 9 || c.ByID(3) != nil || c.ByID(2).Name != "B2" {
		t.Error("names and IDs do not follow the changes")
	}
	if d := c.Dependents(2); len(d) != 1 || d[0].ID != 9 {
		t.Errorf("dependents of 2: %v", d)
	}
	if id := c.NextID(); id != 11 || c.NextID() != 12 {
		t.Errorf("the next ID is %d", id)
	}
	if !c.Get("tidemill.x").System() || c.Get("a").System() || c.Get("a").Stored() || c.Get("a").Topic() != "r1" {
		t.Error("kinds of relations")
	}
}

func TestClosestName(t *testing.T) {
	c := New()
	for i, n := range []string{"readings", "sensors", "größe"} {
		c.Apply(Change{Put: relation(uint64(i+1), n)})
	}
	for name, want := range map[string]string{"reading": "readings", "REEDINGS": "readings", "sesnors": "sensors", "grösse": "", "groesse": "", "orders": "", "": "", "gröse": "größe"} {
		_, err := c.Lookup(name)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.UndefinedTable {
			t.Fatalf("Lookup(%q): %v", name, err)
		}
		if got := strings.Contains(f.Hint, `"`+want+`"`); want != "" && !got || want == "" && name != "grösse" && f.Hint != "" {
			t.Errorf("Lookup(%q) hints at %q, want %q", name, f.Hint, want)
		}
	}
	if r, err := c.Lookup("SENSORS"); err != nil || r.Name != "sensors" {
		t.Errorf("Lookup(SENSORS): %v, %v", r, err)
	}
}

func FuzzDecodeChange(f *testing.F) {
	b, _ := Change{Put: relation(7, "x", 1)}.Encode()
	f.Add(b)
	f.Add([]byte(`{"Drop":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ch, err := DecodeChange(b)
		if err != nil {
			return
		}
		c := New()
		c.Apply(ch)
		if ch.Put != nil && (c.Get(ch.Put.Name) == nil || c.NextID() <= ch.Put.ID) {
			t.Errorf("%s is not in the catalog, or its ID is given again", b)
		}
		if _, err := ch.Encode(); err != nil {
			t.Errorf("%s cannot be written again: %v", b, err)
		}
	})
}
