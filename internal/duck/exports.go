package duck

import "C"

import (
	"fmt"
	"unsafe"

	capi "github.com/duckdb/duckdb-go-bindings"
)

// The functions DuckDB calls. A panic that left one would unwind through C++ frames or end the process,
// so each recovers and reports it as the query's error.

//export tidemillDrop
func tidemillDrop(data unsafe.Pointer) {
	defer func() { _ = recover() }()
	dropHandle(data)
}

//export tidemillScanBind
func tidemillScanBind(info unsafe.Pointer) {
	bind := capi.BindInfo{Ptr: info}
	defer recovered(func(text string) { capi.BindSetError(bind, text) })
	if err := scanBind(bind); err != nil {
		capi.BindSetError(bind, err.Error())
	}
}

//export tidemillScanInit
func tidemillScanInit(info unsafe.Pointer) {
	init := capi.InitInfo{Ptr: info}
	defer recovered(func(text string) { capi.InitSetError(init, text) })
	if err := scanInit(init); err != nil {
		capi.InitSetError(init, err.Error())
	}
}

//export tidemillScanNext
func tidemillScanNext(info, chunk unsafe.Pointer) {
	fn := capi.FunctionInfo{Ptr: info}
	defer recovered(func(text string) { capi.FunctionSetError(fn, text) })
	if err := scanNext(fn, capi.DataChunk{Ptr: chunk}); err != nil {
		capi.FunctionSetError(fn, err.Error())
	}
}

//export tidemillRefuse
func tidemillRefuse(info, chunk, out unsafe.Pointer) {
	capi.ScalarFunctionSetError(capi.FunctionInfo{Ptr: info}, "this function is not evaluated while planning")
}

//export tidemillBound
func tidemillBound(info, chunk, out unsafe.Pointer) {
	fn := capi.FunctionInfo{Ptr: info}
	defer recovered(func(text string) { capi.ScalarFunctionSetError(fn, text) })
	check := handleValue[boundCheck](capi.ScalarFunctionGetExtraInfo(fn))
	if err := checkBound(check, capi.DataChunk{Ptr: chunk}, capi.Vector{Ptr: out}); err != nil {
		capi.ScalarFunctionSetError(fn, err.Error())
	}
}

func recovered(report func(string)) {
	if p := recover(); p != nil {
		report(fmt.Sprintf("panic in a callback: %v", p))
	}
}
