package session

import (
	"errors"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/duck"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/sql"
	"github.com/tidemill/tidemill/internal/token"
	"github.com/tidemill/tidemill/internal/view"
)

var duckCodes = map[duck.Kind]fault.Code{
	duck.KindParser: fault.SyntaxError, duck.KindBinder: fault.UndefinedColumn, duck.KindCatalog: fault.UndefinedTable,
	duck.KindInvalidInput: fault.InvalidParameterValue, duck.KindConversion: fault.InvalidText, duck.KindOutOfRange: fault.NumericOutOfRange,
	duck.KindInterrupted: fault.QueryCanceled, duck.KindOutOfMemory: fault.OutOfMemory, duck.KindNotImplemented: fault.FeatureNotSupported,
	duck.KindPermission: fault.InvalidAuthorization, duck.KindConstraint: fault.UniqueViolation, duck.KindIO: fault.IOError,
	duck.KindLimit: fault.StatementTooComplex, duck.KindParameter: fault.UndefinedParameter, duck.KindUnsupported: fault.FeatureNotSupported,
	duck.KindClosed: fault.AdminShutdown, duck.KindInternal: fault.Internal,
}

// userError turns an error of the parts below into one for users.
func userError(err error) error {
	var f *fault.Error
	var s *sql.Error
	var d *duck.Error
	switch {
	case err == nil || errors.As(err, &f):
		return err
	case errors.As(err, &s):
		return &fault.Error{Code: fault.Code(s.Code), Message: s.Message, Detail: s.Detail, Hint: s.Hint, Position: s.Position}
	case errors.As(err, &d):
		return duckError(d)
	case errors.Is(err, log.ErrUnavailable):
		return unavailable(err)
	case errors.Is(err, log.ErrTooLarge):
		return fault.New(fault.LimitExceeded, "an event is too large").WithDetail("%s", err.Error()).Wrap(err)
	case errors.Is(err, log.ErrCorrupt):
		return fault.New(fault.DataCorrupted, "stored data is damaged").WithDetail("%s", err.Error()).Wrap(err)
	case errors.Is(err, log.ErrClosed):
		return fault.New(fault.AdminShutdown, "the node is stopping").Wrap(err)
	case errors.Is(err, view.ErrInvalid):
		return fault.New(fault.InvalidParameterValue, "%s", strings.TrimPrefix(err.Error(), view.ErrInvalid.Error()+": ")).Wrap(err)
	case errors.Is(err, token.ErrMalformed):
		return fault.New(fault.InvalidParameterValue, "malformed token").WithHint("pass on a token exactly as it was returned")
	}
	return err
}

// unavailable is the error of a write that the log's storage does not take.
func unavailable(err error) error {
	code, why := fault.IOError, "its storage fails"
	if low := strings.ToLower(err.Error()); errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(low, "no space left") || strings.Contains(low, "quota exceeded") {
		code, why = fault.DiskFull, "the disk is full"
	}
	return fault.New(code, "the log takes no writes now: %s", why).WithDetail("%s", err.Error()).
		WithHint("reads go on; writes are taken again by themselves once the storage works").Wrap(err)
}

func duckError(d *duck.Error) error {
	code, ok := duckCodes[d.Kind]
	if !ok {
		code = fault.Internal
	}
	if d.Kind == duck.KindBusy {
		return fault.New(fault.Overloaded, "%s", d.Message).WithHint("close cursors and results that are no longer read; --queries raises the bound").Wrap(d)
	}
	if d.Kind == duck.KindOutOfMemory {
		return fault.New(fault.OutOfMemory, "the query needs more memory than queries may take").WithDetail("%s", d.Message).
			WithHint("read, group or sort less; --query-memory raises what queries may take together, --query-temp what they may spill to disk").Wrap(d)
	}
	low := strings.ToLower(d.Message)
	switch {
	case d.Kind == duck.KindCatalog && strings.Contains(low, "function"):
		code = fault.UndefinedFunction
	case d.Kind == duck.KindBinder && strings.Contains(low, "ambiguous"):
		code = fault.AmbiguousColumn
	case d.Kind == duck.KindBinder && !strings.Contains(low, "not found") && !strings.Contains(low, "does not have a column named"):
		code = fault.DatatypeMismatch
		if strings.Contains(low, "function") {
			code = fault.UndefinedFunction
		}
	case d.Kind == duck.KindInvalidInput && strings.Contains(low, "divi"):
		code = fault.DivisionByZero
	}
	return (&fault.Error{Code: code, Message: d.Message, Hint: d.Hint, Position: d.Position}).Wrap(d)
}

// placed moves the position of an error in a fragment to its place in the whole statement. m maps the fragment as it was
// rewritten for DuckDB back to the fragment; nil if it was not.
func placed(err error, whole string, frag sql.Text, rewritten string, m *sql.Map) error {
	err = userError(err)
	var f *fault.Error
	if !errors.As(err, &f) || f.Position == 0 {
		return err
	}
	text := frag.SQL
	if m != nil {
		text = rewritten
	}
	at := byteOffset(text, f.Position-1)
	if m != nil {
		at = m.Original(at)
	}
	// A fragment that was put together may begin before the statement; what is before it has no place there.
	return f.At(utf8.RuneCountInString(whole[:max(0, min(len(whole), frag.Pos+at))]) + 1)
}

// byteOffset returns where the nth character of s begins.
func byteOffset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}
