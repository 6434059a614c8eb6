package metrics

import (
	"context"
	"errors"
	"strings"

	"github.com/tidemill/tidemill/internal/fault"
)

// Classes of errors: who has to do something about them.
const (
	ClassUser        = "user"        // the client sent what cannot be done
	ClassLimit       = "limit"       // a bound was reached
	ClassConflict    = "conflict"    // somebody else was faster; to be tried again
	ClassCanceled    = "canceled"    // the client went away, or it took too long
	ClassUnavailable = "unavailable" // the node does not take it now: a full disk, a shutdown
	ClassInternal    = "internal"    // a defect
)

func classes() []string {
	return []string{ClassUser, ClassLimit, ClassConflict, ClassCanceled, ClassUnavailable, ClassInternal}
}

// ClassOf returns the class of an error that a user is shown.
func ClassOf(err error) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ClassCanceled
	}
	code := fault.From(err).Code
	switch code {
	case fault.LimitExceeded, fault.StatementTooComplex, fault.TooManyConnections, fault.OutOfMemory:
		return ClassLimit
	case fault.SerializationFailure:
		return ClassConflict
	case fault.QueryCanceled:
		return ClassCanceled
	case fault.DiskFull, fault.CannotConnectNow, fault.AdminShutdown, fault.ReadOnly:
		return ClassUnavailable
	}
	if strings.HasPrefix(string(code), "XX") || strings.HasPrefix(string(code), "58") {
		return ClassInternal
	}
	return ClassUser
}
