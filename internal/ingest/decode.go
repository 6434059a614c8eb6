package ingest

import (
	"io"

	"github.com/tidemill/tidemill/internal/row"
)

// EventError says why one event was refused.
type EventError struct {
	// Index is the event's position in the request, from 0.
	Index int
	// Code is one of malformed, type_mismatch, unknown_column, missing_column, null_not_allowed, too_large, duplicate_column.
	Code    string
	Column  string
	Message string
	// Event is the beginning of the event as it was received, at most EventKept bytes.
	Event []byte
}

// EventKept bounds what is kept of a refused event.
const EventKept = 4 << 10

// Format says how a body of events is to be read, and into what.
type Format struct {
	// ContentType is the media type with its parameters, as in the HTTP header.
	ContentType string
	Columns     row.Schema
	// Defaults has a value per column for events that do not have it; nil is all nulls.
	Defaults []row.Value
	// Table says that the rows are for a table: an event with "_deleted": true is a deletion by Key. Delete says that all are.
	Table, Delete bool
	Key           []int
	// CloudEvent has the ce-* headers (without prefix, lower case) of a binary-mode CloudEvent; nil for none.
	CloudEvent map[string]string
	// BodyBytesMax and EventBytesMax bound the body and one event.
	BodyBytesMax, EventBytesMax int64
	// BodyBytes is how large the body is said to be, 0 if it is not known. It is a hint only.
	BodyBytes int64
}

// Decoded is what a body holds.
type Decoded struct {
	// Rows are the good events in order. Of a table they have weights: +1 upsert, -1 delete.
	Rows *row.Batch
	// Index has the position in the request of each row.
	Index []int32
	// IDs has the identity of each row (CloudEvents source and id) where events carry one, else nil.
	IDs []string
	// Events counts all events, Rejected the bad ones; Errors describes the first ErrorsKept of those.
	Events, Rejected int
	Errors           []EventError
}

// ErrorsKept bounds the errors that are described per request.
const ErrorsKept = 1000

// Decoder reads a body. Errors for the body as a whole are *fault.Error; each bad event is an EventError.
type Decoder func(body io.Reader, f *Format) (*Decoded, error)
