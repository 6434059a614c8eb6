// Package fault is the form of every error that is shown to a user, at every door.
//
// An error is a short primary line, optionally a detail, an actionable hint and a position in the
// user's SQL. Its Code is a SQLSTATE; the doors map it to their protocol's status (see HTTPStatus)
// and nowhere else. Errors of our own making (bugs, I/O) stay ordinary errors: From turns them into an
// internal error at the edge.
package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Code is a five-character SQLSTATE.
type Code string

// The codes in use.
const (
	SyntaxError           Code = "42601"
	UndefinedTable        Code = "42P01"
	UndefinedColumn       Code = "42703"
	UndefinedFunction     Code = "42883"
	UndefinedParameter    Code = "42P02"
	UndefinedObject       Code = "42704"
	DuplicateObject       Code = "42P07"
	DuplicateColumn       Code = "42701"
	AmbiguousColumn       Code = "42702"
	DatatypeMismatch      Code = "42804"
	InvalidDefinition     Code = "42P16"
	WrongObjectType       Code = "42809"
	InvalidName           Code = "42602"
	NameTooLong           Code = "42622"
	InvalidText           Code = "22P02"
	NumericOutOfRange     Code = "22003"
	DivisionByZero        Code = "22012"
	InvalidDatetime       Code = "22007"
	InvalidParameterValue Code = "22023"
	CharacterNotInText    Code = "22021"
	BadCopyFileFormat     Code = "22P04"
	IdempotencyKeyReused  Code = "22TK1" // ours
	NotNullViolation      Code = "23502"
	UniqueViolation       Code = "23505"
	DependentObjects      Code = "2BP01"
	FeatureNotSupported   Code = "0A000"
	ActiveTransaction     Code = "25001"
	NoActiveTransaction   Code = "25P01"
	FailedTransaction     Code = "25P02"
	ReadOnly              Code = "25006"
	SerializationFailure  Code = "40001"
	InvalidCursorName     Code = "34000"
	InvalidStatementName  Code = "26000"
	DuplicateCursor       Code = "42P03"
	DuplicateStatement    Code = "42P05"
	InvalidAuthorization  Code = "28000"
	InvalidDatabase       Code = "3D000"
	ProtocolViolation     Code = "08P01"
	TooManyConnections    Code = "53300"
	DiskFull              Code = "53100"
	OutOfMemory           Code = "53200"
	Overloaded            Code = "53400"
	LimitExceeded         Code = "54000"
	StatementTooComplex   Code = "54001"
	QueryCanceled         Code = "57014"
	AdminShutdown         Code = "57P01"
	CannotConnectNow      Code = "57P03"
	IOError               Code = "58030"
	Internal              Code = "XX000"
	DataCorrupted         Code = "XX001"
)

// Error is an error for a user.
type Error struct {
	Code    Code
	Message string
	Detail  string
	Hint    string
	// Position is the 1-based position of the character in the user's SQL that the error is about; 0 is none.
	Position int
	cause    error
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Message
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns what caused the error, or nil.
func (e *Error) Unwrap() error { return e.cause }

// New returns an error with a message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns the error with a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithDetail returns the error with a detail.
func (e *Error) WithDetail(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// At returns the error with a position, 1-based in characters.
func (e *Error) At(position int) *Error {
	c := *e
	c.Position = position
	return &c
}

// Wrap returns the error with its cause.
func (e *Error) Wrap(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// From returns err as an Error: itself if it is one, a cancellation, or else an internal error.
func From(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return New(QueryCanceled, "the request took longer than it may").Wrap(err)
	case errors.Is(err, context.Canceled):
		return New(QueryCanceled, "canceled by the client or by shutdown").Wrap(err)
	}
	return New(Internal, "internal error").WithDetail("%s", err.Error()).Wrap(err)
}

// HTTPStatus is the HTTP status that fits a code.
func HTTPStatus(code Code) int {
	switch code {
	case UndefinedTable, UndefinedObject, InvalidDatabase:
		return http.StatusNotFound
	case DuplicateObject, UniqueViolation, DependentObjects, ActiveTransaction, SerializationFailure:
		return http.StatusConflict
	case InvalidAuthorization:
		return http.StatusUnauthorized
	case LimitExceeded:
		return http.StatusRequestEntityTooLarge
	case FeatureNotSupported:
		return http.StatusNotImplemented
	case TooManyConnections, Overloaded:
		return http.StatusTooManyRequests
	case IdempotencyKeyReused:
		return http.StatusUnprocessableEntity
	case DiskFull, IOError, CannotConnectNow, AdminShutdown, ReadOnly:
		return http.StatusServiceUnavailable
	case QueryCanceled:
		return http.StatusRequestTimeout
	}
	if strings.HasPrefix(string(code), "XX") || strings.HasPrefix(string(code), "58") || code == OutOfMemory {
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
