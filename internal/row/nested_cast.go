package row

import "fmt"

// castNested converts lists to lists, maps to maps and structs to structs part by part, a struct's members by name. A part that does
// not fit makes the whole value null.
func castNested(v *Vec, to Type) (Vec, []RowError) {
	from := v.Type
	var out Vec
	var bad []RowError
	var err error
	switch {
	case from.Kind == List && to.Kind == List || from.Kind == Map && to.Kind == Map:
		out, bad, err = castElements(v, to)
	case from.Kind == Struct && to.Kind == Struct:
		out, bad, err = castMembers(v, to)
	default:
		//lint:ignore ST1005 as DuckDB writes it
		err = fmt.Errorf("Unimplemented type for cast (%s -> %s)", from, to)
	}
	if err != nil {
		return NullVec(to, v.Len), []RowError{{Row: -1, Message: err.Error()}}
	}
	return out, bad
}

func castElements(v *Vec, to Type) (Vec, []RowError, error) {
	offsets, elements := v.Unlist()
	cast, errs := CastVec(&elements, to.Elem())
	if len(errs) > 0 && errs[0].Row < 0 {
		return Vec{}, nil, &ConversionError{Message: errs[0].Message}
	}
	valid, bad := v.Valid, []RowError(nil)
	reject := func(i int, message string) {
		valid = ownBitmap(valid, v.Len, len(bad) == 0)
		SetNull(valid, i)
		bad = append(bad, RowError{Row: i, Message: message})
	}
	for i := range v.Len {
		for len(errs) > 0 && errs[0].Row < int(offsets[i]) {
			errs = errs[1:]
		}
		switch size := to.ArraySize(); {
		case v.Null(i):
		case len(errs) > 0 && errs[0].Row < int(offsets[i+1]):
			reject(i, errs[0].Message)
		case size > 0 && int(offsets[i+1]-offsets[i]) != size:
			reject(i, fmt.Sprintf("Cannot cast list with length %d to array with length %d", offsets[i+1]-offsets[i], size))
		case to.Kind == Map && badEntries(&cast, int(offsets[i]), int(offsets[i+1])):
			reject(i, "Map keys must be unique.")
		}
	}
	out, err := ListVec(to, offsets[:v.Len], offsets[1:], &cast, valid)
	return out, bad, err
}

func castMembers(v *Vec, to Type) (Vec, []RowError, error) {
	have := v.Unstruct()
	members := make([]Vec, len(to.shape.members))
	var bad []RowError
	for k, m := range to.shape.members {
		at := k
		if m.Name != "" && v.Type.shape.members[0].Name != "" {
			at = v.Type.Member(m.Name)
		}
		if at < 0 || at >= len(have) {
			members[k] = NullVec(m.Type, v.Len)
			continue
		}
		cast, errs := CastVec(&have[at], m.Type)
		if len(errs) > 0 && errs[0].Row < 0 {
			return Vec{}, nil, &ConversionError{Message: errs[0].Message}
		}
		members[k], bad = cast, mergeRowErrors(bad, errs)
	}
	valid, errs := v.Valid, []RowError(nil)
	for _, e := range bad {
		if valid != nil && valid[e.Row>>3]&(1<<(e.Row&7)) == 0 {
			continue
		}
		valid = ownBitmap(valid, v.Len, len(errs) == 0)
		SetNull(valid, e.Row)
		errs = append(errs, e)
	}
	out, err := StructVec(to, members, v.Len, valid)
	return out, errs, err
}
