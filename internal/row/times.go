package row

const dayMicros = 24 * 60 * 60 * 1_000_000

// TimeVec returns a column of one value: microseconds since 1970-01-01 UTC as a DATE or a timestamp.
func TimeVec(t Type, micros int64) Vec {
	if t.Kind == Date {
		day := micros / dayMicros
		if micros%dayMicros < 0 {
			day--
		}
		return FromValues(t, []int32{int32(day)}, nil)
	}
	return FromValues(t, []int64{micros}, nil)
}

// Micros returns value i of a DATE or timestamp column in microseconds since 1970-01-01 UTC.
func Micros(v *Vec, i int) int64 {
	if v.Type.Kind == Date {
		return int64(Values[int32](v)[i]) * dayMicros
	}
	return Values[int64](v)[i]
}
