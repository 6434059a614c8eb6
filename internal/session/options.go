package session

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/row"
	"github.com/tidemill/tidemill/internal/sql"
)

// setOptions reads WITH (…) of a stream or table.
func setOptions(r *catalog.Relation, whole string, opts sql.Options) error {
	r.Partitions = 1
	r.Options = map[string]string{}
	for _, o := range opts {
		if err := setOption(r, o); err != nil {
			var f *fault.Error
			if errors.As(err, &f) && f.Position == 0 {
				err = f.At(sql.PositionAt(whole, o.Pos))
			}
			return err
		}
		r.Options[o.Key] = o.Value
	}
	return nil
}

func setOption(r *catalog.Relation, o sql.Option) error {
	stream := r.Kind == catalog.Stream
	switch o.Key {
	case "key":
		if !stream {
			return fault.New(fault.InvalidParameterValue, "a table's key is its PRIMARY KEY")
		}
		var err error
		r.PartitionKey, err = optionColumns(r, "key", o.Value)
		return err
	case "dedupe":
		if !stream {
			return fault.New(fault.InvalidParameterValue, "a table's rows are told apart by its PRIMARY KEY").WithHint("dedupe is an option of streams")
		}
		var err error
		r.DedupeKey, err = optionColumns(r, "dedupe key", o.Value)
		return err
	case "dedupe_window":
		if d, err := parseDuration(o.Value); err != nil || d <= maxDedupeWindow {
			return err
		}
		return fault.New(fault.InvalidParameterValue, "dedupe_window is %q, at most %s", o.Value, maxDedupeWindow)
	case "partitions":
		n, err := strconv.Atoi(o.Value)
		if err != nil || n < 1 || n > 1024 {
			return fault.New(fault.InvalidParameterValue, "partitions is %q, want 1 to 1024", o.Value)
		}
		r.Partitions = n
	case "retention":
		if !stream {
			return fault.New(fault.InvalidParameterValue, "a table keeps its rows until they are deleted").WithHint("retention is an option of streams")
		}
		if _, err := parseDuration(o.Value); err != nil {
			return err
		}
	case "idle_timeout", "future_limit":
		if !stream {
			return fault.New(fault.InvalidParameterValue, "%s is an option of streams", o.Key)
		}
		if _, err := parseDuration(o.Value); err != nil {
			return err
		}
	case "retention_bytes":
		if n, err := strconv.ParseInt(o.Value, 10, 64); err != nil || n < 1 || !stream {
			return fault.New(fault.InvalidParameterValue, "retention_bytes is %q, want a number of bytes, for a stream", o.Value)
		}
	case "durability":
		if o.Value != "fsync" && o.Value != "relaxed" {
			return fault.New(fault.InvalidParameterValue, "durability is %q, want 'fsync' or 'relaxed'", o.Value)
		}
	case "storage":
		if o.Value != "disk" && o.Value != "memory" || (o.Value == "memory" && !stream) {
			return fault.New(fault.InvalidParameterValue, "storage is %q, want 'disk' or, for a stream, 'memory'", o.Value)
		}
	default:
		return fault.New(fault.InvalidParameterValue, "there is no option %q", o.Key).
			WithHint("options are key, partitions, retention, retention_bytes, durability, storage, dedupe, dedupe_window, and of a stream with a watermark idle_timeout and future_limit")
	}
	return nil
}

// optionColumns reads a list of columns, divided by commas.
func optionColumns(r *catalog.Relation, what, list string) (at []int, err error) {
	for name := range strings.SplitSeq(list, ",") {
		i := r.Columns.Index(strings.TrimSpace(name))
		if i < 0 {
			return nil, fault.New(fault.UndefinedColumn, "the %s's column %q is not a column of the stream", what, strings.TrimSpace(name))
		}
		at = append(at, i)
	}
	return at, nil
}

// setViewOptions reads WITH (…) of a materialized view.
func setViewOptions(r *catalog.Relation, whole string, opts sql.Options) error {
	r.Options = map[string]string{}
	for _, o := range opts {
		if err := checkViewOption(o); err != nil {
			var f *fault.Error
			if errors.As(err, &f) && f.Position == 0 {
				err = f.At(sql.PositionAt(whole, o.Pos))
			}
			return err
		}
		r.Options[o.Key] = o.Value
	}
	return nil
}

func checkViewOption(o sql.Option) error {
	switch o.Key {
	case "emit":
		if o.Value != "changes" && o.Value != "final" {
			return fault.New(fault.InvalidParameterValue, "emit is %q, want 'changes' or 'final'", o.Value)
		}
	case "resolution":
		d, err := parseDuration(o.Value)
		if err == nil && d < minResolution {
			err = fault.New(fault.InvalidParameterValue, "resolution is %q, want at least %s", o.Value, minResolution)
		}
		return err
	case verifyOption:
		_, err := parseDuration(o.Value)
		return err
	default:
		return fault.New(fault.InvalidParameterValue, "a materialized view has no option %q", o.Key).
			WithHint("options are emit ('changes' or 'final'), resolution (how often now() is looked at) and verify (how often it is recomputed and compared)")
	}
	return nil
}

// minResolution bounds how often a view may look at the time.
const minResolution = 10 * time.Millisecond

// durationOption is the value of an option that was checked, or what it is without.
func durationOption(r *catalog.Relation, key string, otherwise time.Duration) time.Duration {
	if s := r.Options[key]; s != "" {
		if d, err := parseDuration(s); err == nil {
			return d
		}
	}
	return otherwise
}

// parseDuration reads a span of time as an interval ('7 days', '1 hour 30 minutes').
func parseDuration(s string) (time.Duration, error) {
	v, err := row.ParseValue(row.T(row.Interval), s)
	if err != nil || v.V.Months != 0 {
		return 0, fault.New(fault.InvalidParameterValue, "%q is not a span of time", s).WithHint("write for example '7 days' or '90 minutes'")
	}
	d := time.Duration(v.V.Days)*24*time.Hour + time.Duration(v.V.Micros)*time.Microsecond
	if d <= 0 {
		return 0, fault.New(fault.InvalidParameterValue, "the span of time %q is not positive", s)
	}
	return d, nil
}

func topicConfig(r *catalog.Relation) (log.TopicConfig, error) {
	c := log.TopicConfig{Partitions: r.Partitions, Relaxed: r.Options["durability"] == "relaxed", Memory: r.Options["storage"] == "memory"}
	if s := r.Options["retention"]; s != "" {
		d, err := parseDuration(s)
		if err != nil {
			return c, err
		}
		c.MaxAge = d
	}
	if s := r.Options["retention_bytes"]; s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return c, fmt.Errorf("reading retention_bytes of %s: %w", r.Name, err)
		}
		c.MaxBytes = n
	}
	return c, nil
}
