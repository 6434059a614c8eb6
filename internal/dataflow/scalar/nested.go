package scalar

import (
	"bytes"
	"errors"

	"github.com/tidemill/tidemill/internal/plan"
	"github.com/tidemill/tidemill/internal/row"
)

// nestedTable holds the functions of lists, structs and maps. They are apart from the others, which would take a nested
// argument for text where its physical form is all they look at; comparisons do not mind.
func nestedTable() registry {
	extract, contains := listExtract, listContains
	table := registry{
		"array_extract": extract, "list_extract": extract, "list_element": extract,
		"struct_extract": structExtract, "struct_extract_at": structExtract,
		"map_extract_value": mapExtract,
		"len":               listLength, "length": listLength, "array_length": listLength, "cardinality": listLength,
		"list_contains": contains, "list_has": contains, "array_contains": contains, "array_has": contains,
		"list_value": nestedPack, "list_pack": nestedPack, "struct_pack": nestedPack, "row": nestedPack,
		"list_concat": listConcat, "list_cat": listConcat, "array_concat": listConcat, "array_cat": listConcat, "||": listConcat,
		"map_keys": mapSide(0), "map_values": mapSide(1),
		"greatest": extreme(greater), "least": extreme(less),
		plan.In:    func(s *site) (native, bool) { return inList(s, false) },
		plan.NotIn: func(s *site) (native, bool) { return inList(s, true) },
	}
	for name, build := range compareTable() {
		table[name] = build
	}
	return table
}

// nested reports whether an argument or the result is a list, struct or map.
func (s *site) nested() bool {
	for _, t := range s.args {
		if t.Nested() {
			return true
		}
	}
	return s.typ.Nested()
}

// built makes a kernel of a function that appends the value of a row, which it may leave out of, to a builder. It sees nulls.
func built(typ row.Type, prepare func(args []*vec) func(build *row.Builder, i int)) (native, bool) {
	run := func(b *block, args []*vec, out *vec) {
		f, build := prepare(args), row.NewBuilder(typ, b.n)
		for i := range b.n {
			if b.alive(i) {
				f(build, i)
			}
			if build.Len() == i {
				build.AppendNull()
			}
			if build.ByteLen() > row.Bytes32Max {
				b.stop(errColumnTooLarge)
				break
			}
		}
		for build.Len() < b.n {
			build.AppendNull()
		}
		out.Vec = build.Finish()
		out.scratchData, out.scratchValid, out.ownBits = false, false, true
	}
	return native{run: run, nullable: true}, true
}

// elementsAt goes through the value of row i of a nested column.
func elementsAt(v *vec, in texts, i int) row.Elements { return row.ElementsIn(v.Type, in.bytes(i)) }

// listExtract is l[k], counted from 1, or from the end for a negative k; beyond the list it is null.
func listExtract(s *site) (native, bool) {
	if s.kind(0) == row.Struct {
		return structExtract(s)
	}
	if !s.is(row.List, row.Int64) || s.args[0].Elem() != s.typ {
		return native{}, false
	}
	return built(s.typ, func(args []*vec) func(*row.Builder, int) {
		lists, at := textsOf(args[0]), columnOf[int64](args[1])
		return func(build *row.Builder, i int) {
			if args[0].isNull(i) || args[1].isNull(i) {
				return
			}
			k := at.at(i)
			if k < 0 {
				n := int64(0)
				for it := elementsAt(args[0], lists, i); it.Next(); n++ {
				}
				k += n + 1
			}
			for it := elementsAt(args[0], lists, i); k > 0 && it.Next(); k-- {
				if k == 1 {
					it.AppendTo(build)
				}
			}
		}
	})
}

func structExtract(s *site) (native, bool) {
	if len(s.args) != 2 || s.kind(0) != row.Struct || s.konst[1] == nil || s.konst[1].Null {
		return native{}, false
	}
	member := -1
	switch s.kind(1) {
	case row.String:
		member = s.args[0].Member(s.konst[1].S)
	case row.Int32, row.Int64:
		member = int(s.konst[1].I) - 1
	}
	members := s.args[0].Members()
	if member < 0 || member >= len(members) || members[member].Type != s.typ {
		return native{}, false
	}
	n, ok := built(s.typ, func(args []*vec) func(*row.Builder, int) {
		structs := textsOf(args[0])
		return func(build *row.Builder, i int) {
			if args[0].isNull(i) {
				return
			}
			it := elementsAt(args[0], structs, i)
			for range member + 1 {
				if !it.Next() {
					return
				}
			}
			it.AppendTo(build)
		}
	})
	n.firstOnly = true
	return n, ok
}

// mapExtract is m[k]: the value of a key, null if there is none.
func mapExtract(s *site) (native, bool) {
	if len(s.args) != 2 || s.kind(0) != row.Map {
		return native{}, false
	}
	if members := s.args[0].Members(); members[0].Type != s.args[1] || members[1].Type != s.typ {
		return native{}, false
	}
	return built(s.typ, func(args []*vec) func(*row.Builder, int) {
		maps, want := textsOf(args[0]), []byte(nil)
		return func(build *row.Builder, i int) {
			if args[0].isNull(i) || args[1].isNull(i) {
				return
			}
			want = row.AppendElement(want[:0], &args[1].Vec, i&args[1].mask())
			for it := elementsAt(args[0], maps, i); it.Next(); {
				entry := row.ElementsIn(it.Type(), it.Nested())
				if entry.Next() && bytes.Equal(entry.Key(), want) && entry.Next() {
					entry.AppendTo(build)
					return
				}
			}
		}
	})
}

// mapSide is the list of a map's keys (0) or values (1).
func mapSide(side int) builder {
	return func(s *site) (native, bool) {
		if len(s.args) != 1 || s.kind(0) != row.Map || s.typ != row.ListOf(s.args[0].Members()[side].Type) {
			return native{}, false
		}
		return built(s.typ, func(args []*vec) func(*row.Builder, int) {
			maps, buf := textsOf(args[0]), []byte(nil)
			return func(build *row.Builder, i int) {
				if args[0].isNull(i) {
					return
				}
				buf = buf[:0]
				for it := elementsAt(args[0], maps, i); it.Next(); {
					entry := row.ElementsIn(it.Type(), it.Nested())
					for range side + 1 {
						entry.Next()
					}
					buf = append(buf, entry.Key()...)
				}
				build.AppendBytes(row.AppendListEnd(buf))
			}
		})
	}
}

func listLength(s *site) (native, bool) {
	if len(s.args) != 1 || s.kind(0) != row.List && s.kind(0) != row.Map {
		return native{}, false
	}
	if s.typ.Kind != row.Int64 && s.typ.Kind != row.Uint64 {
		return native{}, false
	}
	return strict(func(b *block, args []*vec, out *vec) {
		lists, dst := textsOf(args[0]), results[int64](out, b.n)
		for i := range dst {
			dst[i] = 0
			if b.wants(out, i) {
				for it := elementsAt(args[0], lists, i); it.Next(); {
					dst[i]++
				}
			}
		}
	})
}

// listContains says whether a list has an element; nulls in the list are none.
func listContains(s *site) (native, bool) {
	if len(s.args) != 2 || s.kind(0) != row.List || s.args[0].Elem() != s.args[1] || s.typ.Kind != row.Bool {
		return native{}, false
	}
	return strict(func(b *block, args []*vec, out *vec) {
		lists, want, dst := textsOf(args[0]), []byte(nil), results[uint8](out, b.n)
		for i := range dst {
			dst[i] = 0
			if !b.wants(out, i) {
				continue
			}
			want = row.AppendElement(want[:0], &args[1].Vec, i&args[1].mask())
			for it := elementsAt(args[0], lists, i); it.Next(); {
				if bytes.Equal(it.Key(), want) {
					dst[i] = 1
					break
				}
			}
		}
	})
}

// nestedPack makes a list or a struct of its arguments, which may be null.
func nestedPack(s *site) (native, bool) {
	switch {
	case s.typ.Kind == row.Struct:
		members := s.typ.Members()
		if len(members) != len(s.args) {
			return native{}, false
		}
		for i, m := range members {
			if m.Type != s.args[i] {
				return native{}, false
			}
		}
	case s.typ.Kind == row.List && s.typ.ArraySize() == 0:
		for _, t := range s.args {
			if t != s.typ.Elem() {
				return native{}, false
			}
		}
	default:
		return native{}, false
	}
	list := s.typ.Kind == row.List
	return built(s.typ, func(args []*vec) func(*row.Builder, int) {
		var buf []byte
		return func(build *row.Builder, i int) {
			buf = buf[:0]
			for _, a := range args {
				buf = row.AppendElement(buf, &a.Vec, i&a.mask())
			}
			if list {
				buf = row.AppendListEnd(buf)
			}
			build.AppendBytes(buf)
		}
	})
}

// listConcat puts lists one behind the other; for a function a null is an empty list, for || the result is null.
func listConcat(s *site) (native, bool) {
	if len(s.args) == 0 || s.typ.Kind != row.List || s.typ.ArraySize() > 0 {
		return native{}, false
	}
	for _, t := range s.args {
		if t != s.typ {
			return native{}, false
		}
	}
	return built(s.typ, func(args []*vec) func(*row.Builder, int) {
		operator := s.name == "||"
		lists := make([]texts, len(args))
		for k, a := range args {
			lists[k] = textsOf(a)
		}
		var buf []byte
		return func(build *row.Builder, i int) {
			buf = buf[:0]
			for k, a := range args {
				if a.isNull(i) {
					if operator {
						return
					}
					continue
				}
				b := lists[k].bytes(i)
				buf = append(buf, b[:len(b)-1]...) // without the end
			}
			build.AppendBytes(row.AppendListEnd(buf))
		}
	})
}

// unnamed reports whether a struct within a type has no names, so that DuckDB cannot be asked for a cast to it.
func unnamed(t row.Type) bool {
	if t.Kind == row.List {
		return unnamed(t.Elem())
	}
	for _, m := range t.Members() {
		if m.Name == "" || unnamed(m.Type) {
			return true
		}
	}
	return false
}

// castNested casts part by part.
func castNested(to row.Type, try bool) kernel {
	return func(b *block, args []*vec, out *vec) {
		from := args[0].Vec
		if args[0].konst {
			from = args[0].Value(0).Repeat(b.n)
		}
		v, bad := row.CastVec(&from, to)
		for _, e := range bad {
			if e.Row < 0 {
				b.stop(errors.New(e.Message))
			} else if !try && b.alive(e.Row) {
				b.fail(e.Row, "Conversion Error: "+e.Message)
			}
		}
		out.Vec = v
		out.scratchData, out.scratchValid, out.ownBits = false, false, false
	}
}

// isPack reports whether a call with SQL of its own has a kernel nevertheless: the SQL only has the names of the members.
func isPack(e *plan.Expr) bool { return e.Name == "struct_pack" || e.Name == "row" }
