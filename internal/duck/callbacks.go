package duck

/*
#include <stdint.h>
#include <stdlib.h>

typedef uintptr_t tm_handle;

extern void tidemillDrop(void *data);
extern void tidemillScanBind(void *info);
extern void tidemillScanInit(void *info);
extern void tidemillScanNext(void *info, void *chunk);
extern void tidemillRefuse(void *info, void *chunk, void *out);
extern void tidemillBound(void *info, void *chunk, void *out);

static void *tm_drop(void) { return (void *)tidemillDrop; }
static void *tm_scan_bind(void) { return (void *)tidemillScanBind; }
static void *tm_scan_init(void) { return (void *)tidemillScanInit; }
static void *tm_scan_next(void) { return (void *)tidemillScanNext; }
static void *tm_refuse(void) { return (void *)tidemillRefuse; }
static void *tm_bound(void) { return (void *)tidemillBound; }
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"

	capi "github.com/duckdb/duckdb-go-bindings"
)

// callbacks are the C addresses of the exported functions of exports.go.
type callbacks struct {
	drop, scanBind, scanInit, scanNext, refuse, bound unsafe.Pointer
}

func callbackPointers() callbacks {
	return callbacks{C.tm_drop(), C.tm_scan_bind(), C.tm_scan_init(), C.tm_scan_next(), C.tm_refuse(), C.tm_bound()}
}

// newHandle puts a Go value behind a C pointer that DuckDB keeps and gives back to the callbacks; it calls drop to free it.
func newHandle(v any) unsafe.Pointer {
	p := C.malloc(C.size_t(unsafe.Sizeof(C.tm_handle(0))))
	*(*C.tm_handle)(p) = C.tm_handle(cgo.NewHandle(v))
	return p
}

// handleValue returns the Go value behind p, nil if there is none of type T.
func handleValue[T any](p unsafe.Pointer) *T {
	if p == nil {
		return nil
	}
	v, _ := cgo.Handle(*(*C.tm_handle)(p)).Value().(*T)
	return v
}

func dropHandle(p unsafe.Pointer) {
	if p == nil {
		return
	}
	h := cgo.Handle(*(*C.tm_handle)(p))
	if d, ok := h.Value().(interface{ drop() }); ok {
		d.drop()
	}
	h.Delete()
	C.free(p)
}

// registerScan registers the table function name(VARCHAR) that reads what f binds its argument to.
func registerScan(c *conn, name string, f *scanFunction) error {
	cb := callbackPointers()
	fn := capi.CreateTableFunction()
	defer capi.DestroyTableFunction(&fn)
	varchar := capi.CreateLogicalType(capi.TypeVarchar)
	defer capi.DestroyLogicalType(&varchar)
	capi.TableFunctionSetName(fn, name)
	capi.TableFunctionAddParameter(fn, varchar)
	capi.TableFunctionSetExtraInfo(fn, newHandle(f), cb.drop)
	capi.TableFunctionSetBind(fn, cb.scanBind)
	capi.TableFunctionSetInit(fn, cb.scanInit)
	capi.TableFunctionSetFunction(fn, cb.scanNext)
	capi.TableFunctionSupportsProjectionPushdown(fn, true)
	if capi.RegisterTableFunction(c.c, fn) != capi.StateSuccess {
		return errorf(KindInternal, "DuckDB does not take the table function "+name)
	}
	return nil
}

// registerRefusing registers scalar functions that bind like real ones and fail whenever they are evaluated.
func registerRefusing(c *conn, name string, volatile bool, signatures []signature) error {
	set := capi.CreateScalarFunctionSet(name)
	defer capi.DestroyScalarFunctionSet(&set)
	for _, s := range signatures {
		fn := capi.CreateScalarFunction()
		capi.ScalarFunctionSetName(fn, name)
		for _, p := range s.params {
			lt := p()
			capi.ScalarFunctionAddParameter(fn, lt)
			capi.DestroyLogicalType(&lt)
		}
		if s.varargs {
			lt := capi.CreateLogicalType(capi.TypeAny)
			capi.ScalarFunctionSetVarargs(fn, lt)
			capi.DestroyLogicalType(&lt)
		}
		lt := s.result()
		capi.ScalarFunctionSetReturnType(fn, lt)
		capi.DestroyLogicalType(&lt)
		if volatile {
			capi.ScalarFunctionSetVolatile(fn)
		}
		capi.ScalarFunctionSetFunction(fn, callbackPointers().refuse)
		state := capi.AddScalarFunctionToSet(set, fn)
		capi.DestroyScalarFunction(&fn)
		if state != capi.StateSuccess {
			return errorf(KindInternal, "DuckDB does not take a form of the function "+name)
		}
	}
	if capi.RegisterScalarFunctionSet(c.c, set) != capi.StateSuccess {
		return errorf(KindInternal, "DuckDB does not take the function "+name)
	}
	return nil
}
