package sql

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// dump writes a statement for people: a line per field that is not empty, texts with their offsets.
func dump(v any) string {
	var b strings.Builder
	dumpValue(&b, reflect.ValueOf(v), 0)
	return b.String()
}

func dumpValue(b *strings.Builder, v reflect.Value, depth int) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			b.WriteString("nil\n")
			return
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case Text:
		fmt.Fprintf(b, "%s @%d\n", strconv.Quote(x.SQL), x.Pos)
		return
	case Ident:
		fmt.Fprintf(b, "%s @%d\n", Quote(x.Name), x.Pos)
		return
	case Name:
		fmt.Fprintf(b, "%s @%d\n", x, x.Pos)
		return
	case Kind:
		fmt.Fprintf(b, "%s\n", x)
		return
	case Option:
		fmt.Fprintf(b, "%s = %s (%s) @%d @%d\n", x.Key, strconv.Quote(x.Value), kindName(x.Kind), x.Pos, x.ValuePos)
		return
	case Values:
		b.WriteString("\n")
		for i, row := range x.All() {
			fmt.Fprintf(b, "%s%d:", strings.Repeat("  ", depth+1), i)
			for _, t := range row {
				fmt.Fprintf(b, " %s @%d", strconv.Quote(t.SQL), t.Pos)
			}
			b.WriteString("\n")
		}
		return
	}
	dumpComposite(b, v, depth)
}

func dumpComposite(b *strings.Builder, v reflect.Value, depth int) {
	indent := strings.Repeat("  ", depth+1)
	switch v.Kind() {
	case reflect.Struct:
		fmt.Fprintf(b, "%s\n", v.Type().Name())
		for i := range v.NumField() {
			f := v.Field(i)
			if f.IsZero() || (f.Kind() == reflect.Slice && f.Len() == 0) {
				continue
			}
			fmt.Fprintf(b, "%s%s: ", indent, v.Type().Field(i).Name)
			dumpValue(b, f, depth+1)
		}
	case reflect.Slice:
		b.WriteString("\n")
		for i := range v.Len() {
			b.WriteString(indent)
			dumpValue(b, v.Index(i), depth+1)
		}
	case reflect.String:
		fmt.Fprintf(b, "%s\n", strconv.Quote(v.String()))
	case reflect.Uint8:
		fmt.Fprintf(b, "%d\n", v.Uint())
	default:
		fmt.Fprintf(b, "%v\n", v.Interface())
	}
}

func kindName(k ValueKind) string {
	return [...]string{"null", "bool", "number", "string", "word", "interval", "param"}[k]
}

func dumpError(err *Error) string {
	s := fmt.Sprintf("error %s at %d: %s\n", err.Code, err.Position, err.Message)
	if err.Detail != "" {
		s += "detail: " + err.Detail + "\n"
	}
	if err.Hint != "" {
		s += "hint: " + err.Hint + "\n"
	}
	return s
}
