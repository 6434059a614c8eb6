package duck

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind classifies an Error. It is the lower-case name of DuckDB's exception type; the ones callers
// tell apart have constants.
type Kind string

// The kinds that matter outside.
const (
	KindParser         Kind = "parser"
	KindBinder         Kind = "binder"
	KindCatalog        Kind = "catalog"
	KindInvalidInput   Kind = "invalid input"
	KindConversion     Kind = "conversion"
	KindOutOfRange     Kind = "out of range"
	KindInterrupted    Kind = "interrupt"
	KindOutOfMemory    Kind = "out of memory"
	KindNotImplemented Kind = "not implemented"
	KindPermission     Kind = "permission"
	KindConstraint     Kind = "constraint"
	KindIO             Kind = "io"
	KindInternal       Kind = "internal"
	// KindFatal says that the instance has become unusable; the next statement gets another instance.
	KindFatal Kind = "fatal"
	// KindLimit is ours: the statement exceeds a bound that the message names.
	KindLimit Kind = "limit"
	// KindParameter is ours: a parameter's type cannot be found, or arguments do not fit.
	KindParameter Kind = "parameter"
	// KindUnsupported is ours: not a statement this door takes.
	KindUnsupported Kind = "unsupported statement"
	// KindBusy is ours: as many queries are open as may be.
	KindBusy Kind = "busy"
	// KindClosed is ours: the instance has been closed.
	KindClosed Kind = "closed"
)

// Error is what went wrong with a statement.
type Error struct {
	Kind Kind
	// Message is the short primary line, without the kind as a prefix.
	Message string
	// Hint says what to do or lists candidates; it may be empty or have several lines.
	Hint string
	// Position is the 1-based position in characters in the SQL given, 0 when unknown.
	Position int

	cause error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the context's error when the statement was ended by its context.
func (e *Error) Unwrap() error { return e.cause }

// Classed is the message with DuckDB's class in front, as DuckDB writes it: "Conversion Error: …".
func (e *Error) Classed() string {
	class := string(e.Kind)
	switch e.Kind {
	case KindOutOfRange:
		class = "Out of Range"
	case KindInvalidInput:
		class = "Invalid Input"
	case KindOutOfMemory:
		class = "Out of Memory"
	case KindNotImplemented:
		class = "Not implemented"
	case KindInternal, KindFatal, KindIO:
		class = strings.ToUpper(class)
	default:
		if class != "" {
			class = strings.ToUpper(class[:1]) + class[1:]
		}
	}
	return class + " Error: " + e.Message
}

func asError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

func errorf(kind Kind, message string) *Error { return &Error{Kind: kind, Message: message} }

// wireError is DuckDB's structured error: of errors_as_json, and of json_serialize_plan.
type wireError struct {
	ExceptionType    string `json:"exception_type"`
	ExceptionMessage string `json:"exception_message"`
	ErrorType        string `json:"error_type"`
	ErrorMessage     string `json:"error_message"`
	Position         string `json:"position"`
}

// parseError reads the text of an error of a connection that has errors_as_json on. shift is the
// number of bytes of SQL text that precede the user's sql in the statement that failed.
func parseError(text, sql string, shift int) *Error {
	if i := strings.IndexByte(text, '{'); i >= 0 {
		var w wireError
		// "Parser Error: {…}" is how some errors arrive; any other prefix is a message with a brace in it.
		if prefix := text[:i]; (prefix == "" || strings.HasSuffix(prefix, "Error: ")) && json.Unmarshal([]byte(text[i:]), &w) == nil && w.ExceptionType != "" {
			return newError(w.ExceptionType, w.ExceptionMessage, w.Position, sql, shift)
		}
	}
	kind, message, found := strings.Cut(text, " Error: ")
	if !found || len(kind) > 40 || strings.ContainsAny(kind, "\n:") {
		kind, message = string(KindInternal), text
	}
	return newError(kind, message, "", sql, shift)
}

func newError(kind, message, position, sql string, shift int) *Error {
	e := &Error{Kind: Kind(strings.ToLower(kind))}
	switch e.Kind {
	case "interrupted":
		e.Kind = KindInterrupted
	case "syntax":
		e.Kind = KindParser
	}
	message, _, _ = strings.Cut(message, "\n\nLINE ")
	message, _, _ = strings.Cut(message, "\n\nStack Trace")
	first, rest, _ := strings.Cut(strings.TrimSpace(message), "\n")
	e.Message, e.Hint = strings.TrimSpace(first), strings.TrimSpace(strings.ReplaceAll(rest, "\t", ""))
	// A type is sometimes repeated inside the message: "Binder Error: …".
	if p := kind + " Error: "; len(e.Message) > len(p) && strings.EqualFold(e.Message[:len(p)], p) {
		e.Message = e.Message[len(p):]
	}
	if e.Message == "" {
		e.Message = "DuckDB gave no reason"
	}
	if at, err := strconv.Atoi(position); err == nil {
		e.Position = charPosition(sql, at-shift)
	}
	return e
}

// charPosition turns a byte offset into a 1-based character position, 0 if it is outside the text.
func charPosition(sql string, at int) int {
	if at < 0 || at > len(sql) {
		return 0
	}
	return utf8.RuneCountInString(sql[:at]) + 1
}
