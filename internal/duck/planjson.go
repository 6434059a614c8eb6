package duck

import (
	"bytes"
	"encoding/json"
)

// strictJSON makes DuckDB's plan text parsable as JSON: a bare NaN, Infinity or -Infinity becomes a string of that
// text. The input is returned as it is when it holds none.
func strictJSON(plan []byte) []byte {
	if !bytes.Contains(plan, []byte("NaN")) && !bytes.Contains(plan, []byte("Infinity")) {
		return plan
	}
	out := make([]byte, 0, len(plan)+16)
	for i := 0; i < len(plan); {
		switch c := plan[i]; {
		case c == '"':
			end := stringEnd(plan, i)
			out = append(out, plan[i:end]...)
			i = end
		case c == 'N' && bytes.HasPrefix(plan[i:], []byte("NaN")):
			out = append(out, `"NaN"`...)
			i += len("NaN")
		case c == 'I' && bytes.HasPrefix(plan[i:], []byte("Infinity")):
			out = append(out, `"Infinity"`...)
			i += len("Infinity")
		case c == '-' && bytes.HasPrefix(plan[i:], []byte("-Infinity")):
			out = append(out, `"-Infinity"`...)
			i += len("-Infinity")
		default:
			out = append(out, c)
			i++
		}
	}
	return out
}

// stringEnd is the position behind the JSON string that starts at i.
func stringEnd(s []byte, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// planEnvelope is what json_serialize_plan returns around the plans.
type planEnvelope struct {
	Error bool              `json:"error"`
	Plans []json.RawMessage `json:"plans"`
	wireError
}

// unwrapPlan takes the one plan out of the text of json_serialize_plan.
func unwrapPlan(text []byte, sql string) ([]byte, error) {
	if len(text) == 0 {
		return nil, errorf(KindNotImplemented, "the plan cannot be written down: it holds a constant of type BIT or BIGNUM")
	}
	var env planEnvelope
	if err := json.Unmarshal(strictJSON(text), &env); err != nil {
		return nil, errorf(KindInternal, "DuckDB's plan is not JSON: "+err.Error())
	}
	if env.Error {
		kind, message := env.ErrorType, env.ErrorMessage
		return nil, newError(kind, message, env.Position, sql, 0)
	}
	if len(env.Plans) != 1 {
		return nil, errorf(KindUnsupported, "exactly one statement can be planned at once")
	}
	return env.Plans[0], nil
}
