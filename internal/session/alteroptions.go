package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
	"github.com/tidemill/tidemill/internal/log"
	"github.com/tidemill/tidemill/internal/sql"
)

// fixedOptions are the options that stay as they were created, with the reason.
var fixedOptions = map[string]string{
	"key":          "rows keep the partition that the hash of the key has given them",
	"partitions":   "rows keep the partition that the hash of the key has given them",
	"durability":   "it belongs to how the log was laid out",
	"storage":      "it belongs to where the log is",
	"idle_timeout": "views find the same rows late whenever they are built again, which they would not with another one",
	"future_limit": "views find the same rows late whenever they are built again, which they would not with another one",
	"emit":         "rows that a view has given out as final cannot be taken back",
}

// alterOptions runs ALTER … SET (…) and RESET (…).
func (db *Database) alterOptions(ctx context.Context, whole string, old *catalog.Relation, s *sql.Alter) error {
	r := copyRelation(old)
	if r.Options == nil {
		r.Options = map[string]string{}
	}
	for _, o := range s.Options {
		if err := db.alterOption(r, o, s.Action == sql.AlterReset); err != nil {
			return positionedAt(err, whole, o.Pos)
		}
	}
	r.Create = createText(r)
	if err := db.commitChange(ctx, catalog.Change{Put: r}); err != nil {
		return err
	}
	if err := db.applyOptions(context.WithoutCancel(ctx), r); err != nil {
		return userError(errors.Join(err, db.commitChange(ctx, catalog.Change{Put: old})))
	}
	return nil
}

// alterOption changes an option, or takes it away.
func (db *Database) alterOption(r *catalog.Relation, o sql.Option, reset bool) error {
	if r.Kind == catalog.View {
		return fault.New(fault.FeatureNotSupported, "a plain view has no options")
	}
	if reset {
		o.Value = "1" // of those that can be changed, what any of them may be
		if o.Key == "retention" || o.Key == "resolution" || o.Key == verifyOption {
			o.Value = "1 day"
		}
	}
	check := func() error { return setOption(&catalog.Relation{Kind: r.Kind, Columns: r.Columns}, o) }
	if !r.Stored() {
		check = func() error { return checkViewOption(o) }
	}
	why, fixed := fixedOptions[o.Key]
	if !fixed || !reset {
		if err := check(); err != nil {
			return err
		}
	}
	switch {
	case fixed && (reset && r.Options[o.Key] == "" || !reset && r.Options[o.Key] == o.Value):
		return nil
	case fixed && !r.Stored():
		return fault.New(fault.FeatureNotSupported, "option %q of a view cannot be changed: %s", o.Key, why).WithHint("DROP the view and CREATE it with the option")
	case fixed:
		return fault.New(fault.FeatureNotSupported, "option %q of a %s cannot be changed: %s", o.Key, r.Kind, why).
			WithHint("create the %s anew with it, and INSERT INTO … SELECT its rows", r.Kind)
	case reset:
		delete(r.Options, o.Key)
	default:
		r.Options[o.Key] = o.Value
	}
	return nil
}

// applyOptions makes the options of a relation hold for what runs.
func (db *Database) applyOptions(ctx context.Context, r *catalog.Relation) error {
	if !r.Stored() {
		return db.engine.SetResolution(ctx, r.ID, durationOption(r, "resolution", time.Second))
	}
	c, err := topicConfig(r)
	if err != nil {
		return err
	}
	return db.retain(ctx, r, c)
}

// retain makes the log remove what a relation's options let it remove.
func (db *Database) retain(ctx context.Context, r *catalog.Relation, c log.TopicConfig) error {
	topics, err := db.log.Topics(ctx)
	if err != nil {
		return fmt.Errorf("listing the topics: %w", err)
	}
	if now := topics[r.Topic()]; now.MaxAge == c.MaxAge && now.MaxBytes == c.MaxBytes {
		return nil
	}
	if err := db.log.Retain(ctx, r.Topic(), c.MaxAge, c.MaxBytes); err != nil {
		return fmt.Errorf("changing the retention of %s: %w", r.Name, err)
	}
	return nil
}
