package duck

// definitions are the statements that made what an instance holds, to make it again in another. An error that DuckDB calls
// fatal or internal makes an instance unusable for good.
type definitions struct {
	list []definition
}

type definition struct {
	key  string // a relation, or the text of another statement
	make func(*conn) error
}

// put adds a definition in the place of the one of that key.
func (d *definitions) put(key string, create func(*conn) error) {
	for i := range d.list {
		if d.list[i].key == key {
			d.list[i].make = create
			return
		}
	}
	d.list = append(d.list, definition{key, create})
}

func (d *definitions) drop(key string) {
	for i := range d.list {
		if d.list[i].key == key {
			d.list = append(d.list[:i], d.list[i+1:]...)
			return
		}
	}
}

// replay makes all of them again. One that depends on a later one is tried again after it; one whose relations have been dropped cannot be
// made, and could not be used before.
func (d *definitions) replay(c *conn) {
	left := d.list
	for len(left) > 0 {
		var failed []definition
		for _, def := range left {
			if def.make(c) != nil {
				failed = append(failed, def)
			}
		}
		if len(failed) == len(left) {
			return
		}
		left = failed
	}
}

// isUnusable reports whether an error says that the instance has become unusable before.
func isUnusable(err error) bool {
	e, ok := asError(err)
	return ok && e.Kind == KindFatal
}
