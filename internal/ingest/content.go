package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/tidemill/tidemill/internal/fault"
)

// ErrContentType is the cause of the error for a body whose content type is not known.
var ErrContentType = errors.New("unsupported content type")

const (
	typeJSON       = "application/json"
	typeNDJSON     = "application/x-ndjson"
	typeCSV        = "text/csv"
	typeCloud      = "application/cloudevents+json"
	typeCloudBatch = "application/cloudevents-batch+json"
	typeArrow      = "application/vnd.apache.arrow.stream"
)

const (
	// bodyBytesMax bounds a body even if its format does not: offsets into text are 32 bits.
	bodyBytesMax = 1 << 30
	// decodedBytesMax bounds the memory for the rows of a body.
	decodedBytesMax = 512 << 20
)

// Decode reads the events of a body. Errors are *fault.Error for what is wrong with the body as a whole, with ErrContentType as the cause for an unknown
// content type, or those of reading it. Bad events are in the result.
func Decode(body io.Reader, f *Format) (*Decoded, error) {
	media, params, err := f.media()
	if err != nil {
		return nil, err
	}
	text, err := ReadBody(body, f.bodyMax(), f.BodyBytes)
	if err != nil {
		return nil, err
	}
	if media != typeArrow {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	if media == "" {
		if media = sniff(text, f.CloudEvent != nil); media == "" {
			return nil, unknownType("the body's content type is not given")
		}
	}
	s := newSink(f)
	switch {
	case f.CloudEvent != nil && media == typeJSON:
		err = decodeBinaryCloudEvent(text, s)
	case f.CloudEvent != nil && media != typeCloud && media != typeCloudBatch:
		err = unknownType("the data of a CloudEvent is of content type %q", media)
	case media == typeNDJSON:
		err = decodeNDJSON(text, s)
	case media == typeCSV:
		err = decodeCSV(text, params, s)
	case media == typeArrow:
		return decodeArrow(text, f)
	default:
		err = decodeJSON(text, media, s)
	}
	if err != nil {
		return nil, err
	}
	return s.finish(), nil
}

func (f *Format) bodyMax() int64 {
	if f.BodyBytesMax <= 0 {
		return bodyBytesMax
	}
	return min(f.BodyBytesMax, bodyBytesMax)
}

func (f *Format) eventMax() int {
	if f.EventBytesMax <= 0 {
		return bodyBytesMax
	}
	return int(min(f.EventBytesMax, bodyBytesMax))
}

// media returns the media type under its usual name, empty for none, and its parameters.
func (f *Format) media() (string, map[string]string, error) {
	if strings.TrimSpace(f.ContentType) == "" {
		return "", nil, nil
	}
	media, params, err := mime.ParseMediaType(f.ContentType)
	if err != nil {
		return "", nil, unknownType("malformed content type %q", clip(f.ContentType))
	}
	if set := strings.ToLower(params["charset"]); set != "" && set != "utf-8" && set != "utf8" && set != "us-ascii" {
		return "", nil, unknownType("text in charset %q is not taken", clip(set)).WithHint("send it in UTF-8")
	}
	switch media {
	case typeJSON, "text/json":
		return typeJSON, params, nil
	case typeNDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines":
		return typeNDJSON, params, nil
	case typeCSV, typeCloud, typeCloudBatch, typeArrow:
		return media, params, nil
	}
	if f.CloudEvent != nil && strings.HasSuffix(media, "+json") {
		return typeJSON, params, nil
	}
	return "", nil, unknownType("events of content type %q are not taken", clip(media))
}

func unknownType(format string, args ...any) *fault.Error {
	return fault.New(fault.InvalidParameterValue, format, args...).Wrap(ErrContentType).
		WithHint("send Content-Type: %s", strings.Join([]string{typeJSON, typeNDJSON, typeCSV, typeCloud, typeCloudBatch, typeArrow}, ", "))
}

// sniff tells the media type of a body from how it begins.
func sniff(text []byte, cloudEvent bool) string {
	text = bytes.TrimLeft(text, " \t\r\n")
	if cloudEvent || len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		return typeJSON
	}
	return ""
}

// hintMax bounds the memory that is set aside for a body because of what is said about it, before any of it came.
const hintMax = 16 << 20

// ReadBody reads all of a body, at most limit bytes. hint is its size as far as that is known.
func ReadBody(body io.Reader, limit, hint int64) ([]byte, error) {
	var buf bytes.Buffer
	if sized, is := body.(interface{ Len() int }); is {
		hint = int64(sized.Len())
	} else {
		hint = min(hint, hintMax)
	}
	if hint > 0 && hint <= limit {
		buf.Grow(int(hint) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, BodyError(err)
	}
	if n > limit {
		return nil, fault.New(fault.LimitExceeded, "the body has more than %d bytes", limit).WithHint("send the events in several requests")
	}
	return buf.Bytes(), nil
}

// BodyError is the error for a body that could not be read to its end.
func BodyError(err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return f // of who reads it for us
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("reading the body: %w", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.New(fault.QueryCanceled, "the body took too long to arrive").Wrap(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.ProtocolViolation, "the connection ended before the body did").Wrap(err)
	}
	return fault.New(fault.ProtocolViolation, "the body could not be read").WithDetail("%s", err.Error()).Wrap(err)
}

// clipMax bounds what is shown of a value or name in a message.
const clipMax = 120

// clip shortens text for a message and makes it valid UTF-8.
func clip[T string | []byte](text T) string {
	s := string(text[:min(len(text), clipMax+utf8.UTFMax)])
	if len(s) > clipMax {
		end := clipMax
		for end > clipMax-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\x00", "�")
}
