package duck

import (
	"fmt"
	"math"
	"math/bits"
	"unsafe"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// maxElements bounds the bytes or elements of a value whose size is an argument: DuckDB's memory_limit does
// not count single values, so that range(1000000000) would take the memory of the machine.
const maxElements = 10_000_000

// maxChunkElements bounds the sum over a chunk of rows, which is computed as one.
const maxChunkElements = 64_000_000

// boundedFunctions are macros that shadow the functions which make a value as large as an argument says; they pass that
// argument through a check.
var boundedFunctions = []string{
	"CREATE MACRO repeat(a, n) AS system.main.repeat(a, tidemill_bound(n::BIGINT))",
	"CREATE MACRO lpad(a, n, p) AS system.main.lpad(a, tidemill_bound(n::INTEGER), p)",
	"CREATE MACRO rpad(a, n, p) AS system.main.rpad(a, tidemill_bound(n::INTEGER), p)",
	"CREATE MACRO bitstring(a, n) AS system.main.bitstring(a, tidemill_bound(n::INTEGER))",
	"CREATE MACRO list_resize(a, n) AS system.main.list_resize(a, tidemill_bound(n::BIGINT)), (a, n, v) AS system.main.list_resize(a, tidemill_bound(n::BIGINT), v)",
	"CREATE MACRO array_resize(a, n) AS system.main.array_resize(a, tidemill_bound(n::BIGINT)), (a, n, v) AS system.main.array_resize(a, tidemill_bound(n::BIGINT), v)",
	"CREATE MACRO range(a) AS system.main.range(tidemill_bound(a)), (a, b) AS system.main.range(a, tidemill_bound(a, b, 1)), (a, b, s) AS system.main.range(a, tidemill_bound(a, b, s), s)",
	"CREATE MACRO generate_series(a) AS system.main.generate_series(tidemill_bound(a)), (a, b) AS system.main.generate_series(a, tidemill_bound(a, b, 1)), (a, b, s) AS system.main.generate_series(a, tidemill_bound(a, b, s), s)",
}

// boundCheck is a form of tidemill_bound. With one parameter it returns it if it is small enough, with three, the second if the
// series from the first to the second by the third is short enough.
type boundCheck struct {
	value capi.Type // of the first two parameters and of the result
	step  capi.Type // of the third; invalid if there is one parameter
}

var boundChecks = []boundCheck{
	{value: capi.TypeInteger}, {value: capi.TypeBigInt},
	{value: capi.TypeBigInt, step: capi.TypeBigInt},
	{value: capi.TypeTimestamp, step: capi.TypeInterval}, {value: capi.TypeTimestampTZ, step: capi.TypeInterval},
}

// boundValues keeps queries from making single values that exceed memory.
func boundValues(c *conn) error {
	const name = "tidemill_bound"
	set := capi.CreateScalarFunctionSet(name)
	defer capi.DestroyScalarFunctionSet(&set)
	for i := range boundChecks {
		check := &boundChecks[i]
		fn := capi.CreateScalarFunction()
		capi.ScalarFunctionSetName(fn, name)
		value := capi.CreateLogicalType(check.value)
		capi.ScalarFunctionAddParameter(fn, value)
		if check.step != capi.TypeInvalid {
			step := capi.CreateLogicalType(check.step)
			capi.ScalarFunctionAddParameter(fn, value)
			capi.ScalarFunctionAddParameter(fn, step)
			capi.DestroyLogicalType(&step)
		}
		capi.ScalarFunctionSetReturnType(fn, value)
		capi.DestroyLogicalType(&value)
		capi.ScalarFunctionSetExtraInfo(fn, newHandle(check), callbackPointers().drop)
		capi.ScalarFunctionSetFunction(fn, callbackPointers().bound)
		state := capi.AddScalarFunctionToSet(set, fn)
		capi.DestroyScalarFunction(&fn)
		if state != capi.StateSuccess {
			return errorf(KindInternal, "DuckDB does not take a form of the function "+name)
		}
	}
	if capi.RegisterScalarFunctionSet(c.c, set) != capi.StateSuccess {
		return errorf(KindInternal, "DuckDB does not take the function "+name)
	}
	return c.execAll(boundedFunctions)
}

// checkBound is tidemill_bound for a chunk.
func checkBound(check *boundCheck, chunk capi.DataChunk, out capi.Vector) error {
	n := int(capi.DataChunkGetSize(chunk))
	in := make([]boundInput, capi.DataChunkGetColumnCount(chunk))
	for i := range in {
		v := capi.DataChunkGetVector(chunk, capi.IdxT(i))
		in[i] = boundInput{data: capi.VectorGetData(v), valid: capi.VectorGetValidity(v)}
	}
	result := &in[0]
	if len(in) == 3 {
		result = &in[1]
	}
	var mask unsafe.Pointer
	dst, total := capi.VectorGetData(out), uint64(0)
	for i := range n {
		if !result.ok(i) {
			if mask == nil {
				capi.VectorEnsureValidityWritable(out)
				mask = capi.VectorGetValidity(out)
			}
			row.SetNull(unsafe.Slice((*byte)(mask), vectorSize/8), i)
			continue
		}
		count := check.count(in, i)
		if count > maxElements {
			return fmt.Errorf("a value of %d elements exceeds the bound of %d", count, maxElements)
		}
		if total += count; total > maxChunkElements {
			return fmt.Errorf("the values of %d rows together exceed the bound of %d elements", i+1, maxChunkElements)
		}
		if check.value == capi.TypeInteger {
			unsafe.Slice((*int32)(dst), n)[i] = unsafe.Slice((*int32)(result.data), n)[i]
		} else {
			unsafe.Slice((*int64)(dst), n)[i] = result.int64(i)
		}
	}
	return nil
}

// boundInput is an argument's vector.
type boundInput struct{ data, valid unsafe.Pointer }

func (b *boundInput) ok(i int) bool {
	return b.valid == nil || unsafe.Slice((*byte)(b.valid), vectorSize/8)[i>>3]&(1<<(i&7)) != 0
}

func (b *boundInput) int64(i int) int64 { return unsafe.Slice((*int64)(b.data), i+1)[i] }

// count is the number of elements that the arguments of row i ask for.
func (c *boundCheck) count(in []boundInput, i int) uint64 {
	switch {
	case c.value == capi.TypeInteger:
		return uint64(max(unsafe.Slice((*int32)(in[0].data), i+1)[i], 0))
	case len(in) == 1:
		return uint64(max(in[0].int64(i), 0))
	case !in[0].ok(i) || !in[2].ok(i):
		return 0
	}
	from, to := in[0].int64(i), in[1].int64(i)
	up := stepUp(c.step, &in[2], i)
	if up == 0 || up > 0 && to < from || up < 0 && to > from {
		return 0
	}
	span, step := uint64(to)-uint64(from), uint64(up)
	if up < 0 {
		span, step = uint64(from)-uint64(to), -uint64(up)
	}
	return span / step
}

// stepUp is a step in the unit of the series, a month being at least 28 days.
func stepUp(t capi.Type, in *boundInput, i int) int64 {
	if t == capi.TypeBigInt {
		return in.int64(i)
	}
	const dayMicros = 86_400_000_000
	v := unsafe.Slice((*row.IntervalValue)(in.data), i+1)[i]
	days := int64(v.Months)*28 + int64(v.Days)
	hi, lo := bits.Mul64(uint64(max(days, -days)), dayMicros)
	if hi != 0 || lo > math.MaxInt64/2 {
		return math.MaxInt64
	}
	if sum := int64(lo)*sign(days) + v.Micros; (sum > 0) == (days > 0) || days == 0 {
		return sum
	}
	return 0 // days and microseconds of opposite signs; DuckDB refuses these
}

func sign(x int64) int64 {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}
