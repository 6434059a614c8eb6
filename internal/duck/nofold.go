package duck

import (
	"fmt"
	"strings"

	capi "github.com/duckdb/duckdb-go-bindings"
)

// nowMacros make the current time symbolic in plans: DuckDB folds its own functions to the time of planning. Macros
// in main win over system functions, also for the keyword forms and inside views.
var nowMacros = []string{
	"CREATE MACRO now() AS stream_now()",
	"CREATE MACRO get_current_timestamp() AS stream_now()",
	"CREATE MACRO transaction_timestamp() AS stream_now()",
	"CREATE MACRO current_timestamp() AS stream_now()",
	"CREATE MACRO today() AS stream_now()::DATE",
	"CREATE MACRO current_date() AS stream_now()::DATE",
	"CREATE MACRO current_localtimestamp() AS stream_now()::TIMESTAMP",
	"CREATE MACRO current_localtime() AS stream_now()::TIMESTAMP::TIME",
	"CREATE MACRO get_current_time() AS stream_now()::TIMESTAMP::TIME",
	// One argument means the distance to today, so it depends on the time too.
	"CREATE MACRO age(a) AS system.main.age(stream_now()::DATE::TIMESTAMP, a), (a, b) AS system.main.age(a, b)",
}

// sessionMacros make what a session is asked about itself symbolic in plans, where DuckDB would fold in what the planner's own session says.
var sessionMacros = []string{
	"CREATE MACRO current_database() AS session_text('current_database')",
	"CREATE MACRO current_catalog() AS session_text('current_catalog')",
	"CREATE MACRO current_schema() AS session_text('current_schema')",
	"CREATE MACRO current_user() AS session_text('current_user')",
	"CREATE MACRO session_user() AS session_text('session_user')",
	"CREATE MACRO current_role() AS session_text('current_role')",
	"CREATE MACRO user() AS session_text('user')",
}

// unfoldable are functions that are not evaluated while planning when their arguments are constants: a few
// bytes of SQL would make DuckDB compute for minutes or fill the memory. In plans they look as ever.
var unfoldable = []string{
	"range", "generate_series", "repeat", "lpad", "rpad", "replace", "regexp_replace", "array_to_string", "list_aggregate",
	"levenshtein", "editdist3", "damerau_levenshtein", "jaccard", "jaro_similarity", "jaro_winkler_similarity", "hamming", "mismatches",
	"bitstring", "format", "printf", "string_split_regex", "regexp_extract_all", "regexp_split_to_array",
}

// signature is a form of a scalar function.
type signature struct {
	params []func() capi.LogicalType
	// varargs says that any number of values of any type may follow.
	varargs bool
	result  func() capi.LogicalType
}

func plainType(id capi.Type) func() capi.LogicalType {
	return func() capi.LogicalType { return capi.CreateLogicalType(id) }
}

var namedTypes = map[string]capi.Type{
	"VARCHAR": capi.TypeVarchar, "BIGINT": capi.TypeBigInt, "INTEGER": capi.TypeInteger, "DOUBLE": capi.TypeDouble, "BLOB": capi.TypeBlob, "BIT": capi.TypeBit,
	"TIMESTAMP": capi.TypeTimestamp, "TIMESTAMP WITH TIME ZONE": capi.TypeTimestampTZ, "INTERVAL": capi.TypeInterval, "DATE": capi.TypeDate,
}

// typeNamed makes the type of that name: a plain one or a list of plain ones.
func typeNamed(name string) (func() capi.LogicalType, bool) {
	base, list := strings.CutSuffix(name, "[]")
	id, ok := namedTypes[base]
	if !ok || !list {
		return plainType(id), ok
	}
	return func() capi.LogicalType {
		child := capi.CreateLogicalType(id)
		defer capi.DestroyLogicalType(&child)
		return capi.CreateListType(child)
	}, true
}

// refuseFolding overrides the unfoldable functions by ones of the same signatures that fail when evaluated. Constant
// folding then leaves the call in the plan. Forms with generic parameters cannot be overridden.
func refuseFolding(c *conn) error {
	names := make([]string, len(unfoldable))
	for i, n := range unfoldable {
		names[i] = quoteString(n)
	}
	forms, err := c.strings(`SELECT function_name || '|' || array_to_string(parameter_types || [coalesce(varargs, ''), return_type], '|') FROM duckdb_functions()
		WHERE function_type = 'scalar' AND schema_name = 'main' AND NOT has_side_effects AND function_name IN (` + strings.Join(names, ", ") + `)`)
	if err != nil {
		return fmt.Errorf("listing the forms of functions: %w", err)
	}
	signatures := map[string][]signature{}
	for _, f := range forms {
		name, types, _ := strings.Cut(f, "|")
		if s, ok := parseSignature(strings.Split(types, "|")); ok {
			signatures[name] = append(signatures[name], s)
		}
	}
	for name, forms := range signatures {
		if err := registerRefusing(c, name, false, forms); err != nil {
			return err
		}
	}
	return nil
}

// parseSignature reads the names of the parameters' types, of the variable arguments' type, and of the result's.
func parseSignature(types []string) (signature, bool) {
	var s signature
	fixed := len(types) - 2
	if fixed < 0 || types[fixed] != "" && types[fixed] != "ANY" {
		return s, false
	}
	for _, name := range types[:fixed] {
		param, ok := typeNamed(name)
		if !ok {
			return s, false
		}
		s.params = append(s.params, param)
	}
	s.varargs = types[fixed] == "ANY"
	var ok bool
	s.result, ok = typeNamed(types[fixed+1])
	return s, ok
}
