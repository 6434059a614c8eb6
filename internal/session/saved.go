package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tidemill/tidemill/internal/catalog"
	"github.com/tidemill/tidemill/internal/fault"
)

// irreplaceable reports whether the checkpoint has state of a view that the log could not make again: retention has removed records that the view has seen.
func (db *Database) irreplaceable(ctx context.Context, r *catalog.Relation) bool {
	if db.keptAside(r) != "" {
		return true
	}
	if _, saved := db.engine.SavedSince(r.ID); !saved {
		return false
	}
	seen := map[uint64]bool{}
	var trimmed func(r *catalog.Relation) bool
	trimmed = func(r *catalog.Relation) bool {
		for _, id := range r.DependsOn {
			below := db.catalog.ByID(id)
			if below == nil || seen[id] {
				continue
			}
			seen[id] = true
			if below.Kind == catalog.Stream {
				first, _ := db.engine.SavedSince(id)
				b, err := db.log.Bounds(ctx, below.Topic())
				if err == nil && first > 0 && b.First > first {
					return true
				}
			}
			if trimmed(below) {
				return true
			}
		}
		return false
	}
	return trimmed(r)
}

// keptAside is the directory with the view's state, empty if there is none.
func (db *Database) keptAside(r *catalog.Relation) string {
	if db.checkpoints == "" {
		return ""
	}
	dir := fmt.Sprintf("%s.kept-%d", db.checkpoints, r.ID)
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// setAside keeps the files of the checkpoint, which the node goes on with, in a directory of the view's own, and returns what to do about it.
func (db *Database) setAside(r *catalog.Relation, cause error) error {
	dir, known := fmt.Sprintf("%s.kept-%d", db.checkpoints, r.ID), db.keptAside(r) != ""
	f := fault.New(fault.FeatureNotSupported, "view %q cannot be built again: records that it was made from are no longer kept", r.Name).
		WithDetail("%v; its state is kept in %s", cause, dir).
		WithHint("start the version that saved it on that directory, or DROP the view and create it again from what is kept")
	if known {
		return f
	}
	err := os.MkdirAll(dir, 0o755)
	files, globErr := filepath.Glob(filepath.Join(db.checkpoints, "*.ckp"))
	for _, file := range files {
		if linked := os.Link(file, filepath.Join(dir, filepath.Base(file))); linked != nil && !errors.Is(linked, fs.ErrExist) {
			err = errors.Join(err, linked)
		}
	}
	if err = errors.Join(err, globErr); err != nil {
		return fmt.Errorf("keeping the state of view %s: %w", r.Name, err)
	}
	return f
}
