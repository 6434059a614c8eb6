package engine

import (
	"context"
	"time"
)

// SetResolution changes how often a view looks at the time from now on.
func (e *Engine) SetResolution(ctx context.Context, id uint64, resolution time.Duration) error {
	return e.call(ctx, func() {
		for _, v := range e.views {
			if v.rel.ID == id {
				v.time.resolution = resolution.Microseconds()
			}
		}
		e.momentDue = nil // the next moment may come earlier
	})
}
