package duck

import (
	"fmt"

	capi "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemill/tidemill/internal/row"
)

// params returns the types of the parameters; one whose type is unknown is Invalid, or an error if they must be known.
func (s *stmt) params(known bool) ([]row.Type, error) {
	n := int(capi.NParams(s.s))
	types := make([]row.Type, n)
	for i := range types {
		name := capi.ParameterName(s.s, capi.IdxT(i+1))
		if name != fmt.Sprint(i+1) {
			return nil, errorf(KindParameter, "parameters are written $1, $2 … (found $"+name+")")
		}
		lt := capi.ParamLogicalType(s.s, capi.IdxT(i+1))
		if lt.Ptr != nil {
			switch capi.GetTypeId(lt) {
			case capi.TypeInvalid, capi.TypeAny, capi.TypeSQLNull:
			default:
				types[i] = typeOf(lt)
			}
			capi.DestroyLogicalType(&lt)
		}
		if known && types[i].Kind == row.Invalid {
			return nil, &Error{
				Kind: KindParameter, Message: fmt.Sprintf("the type of parameter $%d cannot be found", i+1),
				Hint: fmt.Sprintf("write it with a type: $%d::BIGINT", i+1),
			}
		}
	}
	return types, nil
}

// columns returns the names and types of the result; the type of one that depends on parameters without a type is Invalid.
func (s *stmt) columns() row.Schema {
	out := make(row.Schema, capi.PreparedStatementColumnCount(s.s))
	for i := range out {
		out[i].Name = capi.PreparedStatementColumnName(s.s, capi.IdxT(i))
		lt := capi.PreparedStatementColumnLogicalType(s.s, capi.IdxT(i))
		if lt.Ptr != nil {
			if capi.GetTypeId(lt) != capi.TypeInvalid {
				out[i].Type = typeOf(lt)
			}
			capi.DestroyLogicalType(&lt)
		}
	}
	return out
}

// strings runs a query with one text column.
func (c *conn) strings(sql string) ([]string, error) {
	var r capi.Result
	defer capi.DestroyResult(&r)
	if capi.Query(c.c, sql, &r) != capi.StateSuccess {
		return nil, parseError(capi.ResultError(&r), sql, 0)
	}
	return textColumn(&r)
}

// textColumn reads all of the first column, which is text; nulls are left out.
func textColumn(r *capi.Result) ([]string, error) {
	var out []string
	for {
		chunk, ok, err := fetch(r)
		if err != nil || !ok {
			return out, err
		}
		n := int(capi.DataChunkGetSize(chunk))
		col := newColumn(row.T(row.String))
		err = col.append(capi.DataChunkGetVector(chunk, 0), n)
		capi.DestroyDataChunk(&chunk)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return out, nil
		}
		v := col.finish()
		for i := range v.Len {
			if !v.Null(i) {
				out = append(out, string(v.Bytes(i)))
			}
		}
	}
}

func firstString(r *capi.Result) (string, error) {
	all, err := textColumn(r)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", errorf(KindInternal, "DuckDB returned no text")
	}
	return all[0], nil
}
