package scalar_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tidemill/tidemill/internal/row"
)

// newNestedTable has lists, structs, maps and ENUMs; nl… are lists of lists, en… an ENUM whose values are not in the order of their texts.
func newNestedTable(t *testing.T, rows int) (row.Schema, *row.Batch) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	numbers := row.NewBuilder(row.T(row.Int32), rows)
	for i := range rows {
		numbers.AppendInt(int64(i))
	}
	schema, batch := row.Schema{{Name: "n", Type: row.T(row.Int32)}}, &row.Batch{Len: rows, Cols: []row.Vec{numbers.Finish()}}
	for _, c := range []struct {
		name, typ string
		values    []string
	}{
		{"k", "BIGINT", []string{"0", "1", "2", "3", "-1", "-2", "-9", "9223372036854775807", "-9223372036854775808"}},
		{"i", "INTEGER", []string{"0", "1", "2", "-5"}},
		{"t", "VARCHAR", []string{"", "a", "b c", "NULL", "x,y"}},
		{"il", "INTEGER[]", []string{"[]", "[1]", "[1, 2]", "[2, NULL, 1]", "[NULL]", "[0, 0, -5]"}},
		{"sl", "VARCHAR[]", []string{"[]", "[a]", "['b c', '']", "[NULL, a]", "['x,y', 'NULL', \"it's\"]"}},
		{"fl", "DOUBLE[]", []string{"[0]", "[nan]", "[1.5, NULL]", "[inf, -inf]"}},
		{"nl", "INTEGER[][]", []string{"[]", "[[1], []]", "[[1, 2], NULL]", "[[NULL]]"}},
		{"st", "STRUCT(a INTEGER, b VARCHAR)", []string{"{'a': 1, 'b': x}", "{'a': NULL, 'b': 'b c'}", "{'a': 2, 'b': NULL}"}},
		{"ss", "STRUCT(s STRUCT(l INTEGER[]), d DECIMAL(10,2))", []string{"{'s': {'l': [1, NULL]}, 'd': 1.25}", "{'s': NULL, 'd': NULL}", "{'s': {'l': NULL}, 'd': 0}"}},
		{"mp", "MAP(VARCHAR, INTEGER)", []string{"{}", "{a=1}", "{a=2, 'b c'=NULL}", "{'x,y'=0, a=NULL}"}},
		{"en", "ENUM('z', 'a', 'b c')", []string{"z", "a", "b c"}},
		{"el", "ENUM('z', 'a')[]", []string{"[z, a]", "[]", "[NULL, z]"}},
	} {
		typ, ok := row.ParseType(c.typ)
		if !ok {
			t.Fatal(c.typ)
		}
		for _, suffix := range []string{"a", "b"} {
			b := row.NewBuilder(typ, rows)
			for range rows {
				if r.IntN(7) == 0 {
					b.AppendNull()
				} else if err := b.AppendParsed([]byte(c.values[r.IntN(len(c.values))])); err != nil {
					t.Fatal(err)
				}
			}
			schema = append(schema, row.Column{Name: c.name + suffix, Type: typ})
			batch.Cols = append(batch.Cols, b.Finish())
		}
	}
	return schema, batch
}

func TestNested(t *testing.T) {
	schema, batch := newNestedTable(t, 300)
	r := newRig(t, schema, batch)
	r.each([]string{"il", "sl", "fl", "nl", "el"}, options{}, "$a[ka]", "list_extract($a, kb)", "$a[1]", "$a[-1]", "$a[0]", "len($a)", "array_length($a)",
		"list_contains($a, $b[1])", "list_has($a, $a[2])", "list_concat($a, $b)", "list_append($a, $b[1])", "list_prepend($b[1], $a)", "[$a[1], $b[1]]", "[$a, $b]", "$a || $b", "$a::VARCHAR", "{'x': $a, 'y': ka}")
	r.each([]string{"il", "sl", "fl", "nl", "st", "ss", "mp", "en", "el"}, options{}, "$a = $b", "$a <> $b", "$a < $b", "$a <= $b", "$a > $b", "$a >= $b", "$a IS DISTINCT FROM $b", "$a IS NOT DISTINCT FROM $b",
		"$a IS NULL", "coalesce($a, $b)", "CASE WHEN ia > 0 THEN $a ELSE $b END", "greatest($a, $b)", "least($a, $b)", "$a::VARCHAR", "$a IN ($b, $a)", "$a NOT IN ($b, $a)", "nullif($a, $b)", "[$a]", "row($a, ia)")
	for _, e := range []string{
		"sta.a", "sta.b", "ssa.s.l", "ssa.s.l[1]", "ssa.d + 1", "sta['b']", "struct_extract(sta, 'a')", "row(ia, ta)", "struct_pack(x := ia, y := ta)", "{'a': ia, 'b': ta} = sta",
		"row(ia, ta)[1]", "ila = [1, 2]", "ila > [1]", "sta = {'a': 1, 'b': 'x'}", "mpa = MAP {'a': 1}", "ila IN ([1], [1, 2])", "sta < {'a': 1, 'b': NULL}",
		"mpa['a']", "mpa[ta]", "mpa['nope']", "map_extract_value(mpa, ta)", "map_keys(mpa)", "map_values(mpa)", "cardinality(mpa)", "len(map_keys(mpa))",
		"ena = 'a'", "ena < 'b c'", "ena::VARCHAR = ta", "ena IN ('a', 'z')", "(ila[1] + ilb[1])", "[ia, ib]", "list_value(ta)",
	} {
		r.same(e, options{lenient: true})
	}
	r.each([]string{"il", "sl", "fl", "nl", "el"}, options{fallback: true}, "$a[2:]", "$a[:-2]", "list_reverse($a)", "list_sort($a)", "list_distinct($a)", "list_filter($a, lambda x: x IS NOT NULL)",
		"list_transform($a, lambda x: [x])", "flatten([$a, $b])", "to_json($a)", "MAP {1: $a}", "list_zip($a, $b)")
	for _, e := range []string{
		"struct_insert(sta, c := ia)", "element_at(mpa, 'a')", "map_entries(mpa)", "map_contains(mpa, ta)", "map_from_entries([row(ia, ta)])", "enum_code(ena)", "ila::VARCHAR[]", "ila::BIGINT[]", "ila::INTEGER[2]", "ta::ENUM('a', 'b c')",
		"list_sum(ila)", "list_aggregate(ila, 'max')", "list_reduce(ila, lambda p, q: p + q, 0)", "list_transform(ila, lambda x: x + ia)", "array_to_string(sla, '-')", "string_split(ta, ',')[1]", "string_split(ta, ',')",
		"len(string_split(ta, ''))", "list_transform(list_filter(ila, lambda x: x > 0), lambda x: x * 2)[1]", "'[1, 2]'::INTEGER[]", "to_json(sta)->>'b'", "from_json(to_json(sta), '{\"a\":\"INTEGER\"}')", "range(ia)",
		"array_value(ia, ib)", "array_distance([1.0, 2.0]::DOUBLE[2], [ia, 2]::DOUBLE[2])", "list_cosine_similarity([1.0, ia]::DOUBLE[], [1.0, 3.0]::DOUBLE[])", "concat(ila, ilb)", "length(ena)", "ena || ta",
		"sta::STRUCT(b VARCHAR, c INTEGER)", "row(ia, row(ta, ila))", "list_transform([row(ia, ta)], lambda x: x[1])", "unnest(sta)",
	} {
		exprs, _, err := r.bind(e)
		if err != nil {
			t.Errorf("%s: %v", e, err)
			continue
		}
		r.same(e, options{lenient: true, bisect: true, fallback: len(r.compiler.Fallbacks(exprs)) > 0})
	}
}
