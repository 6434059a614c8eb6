package log

import (
	"fmt"
)

const maxNameBytes = 200

// CheckTopic reports whether a topic of this name and configuration can be created. The error
// wraps ErrInvalid.
func CheckTopic(name string, c TopicConfig) error {
	if len(name) == 0 || len(name) > maxNameBytes {
		return fmt.Errorf("%w: a topic's name has 1 to %d bytes, not %d", ErrInvalid, maxNameBytes, len(name))
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return fmt.Errorf("%w: topic name %q: byte %d is not one of [a-zA-Z0-9_-]", ErrInvalid, name, i)
		}
	}
	switch {
	case c.Partitions < 1 || c.Partitions > MaxPartitions:
		return fmt.Errorf("%w: topic %s: %d partitions, allowed are 1 to %d", ErrInvalid, name, c.Partitions, MaxPartitions)
	case c.MaxAge < 0:
		return fmt.Errorf("%w: topic %s: negative MaxAge", ErrInvalid, name)
	case c.MaxBytes < 0:
		return fmt.Errorf("%w: topic %s: negative MaxBytes", ErrInvalid, name)
	}
	return nil
}

func nameByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '-'
}

// CheckGroup reports whether a group can be appended to a topic of this configuration, and returns
// the sum of its bodies in bytes. The error wraps ErrInvalid or ErrTooLarge.
func (c TopicConfig) CheckGroup(group []Entry) (int, error) {
	if len(group) == 0 {
		return 0, fmt.Errorf("%w: empty group", ErrInvalid)
	}
	if len(group) > MaxGroupRecords {
		return 0, fmt.Errorf("%w: %d records, allowed are %d", ErrTooLarge, len(group), MaxGroupRecords)
	}
	n := 0
	for i := range group {
		if int(group[i].Partition) >= c.Partitions {
			return 0, fmt.Errorf("%w: record %d of the group is for partition %d of %d", ErrInvalid, i, group[i].Partition, c.Partitions)
		}
		n += len(group[i].Body)
	}
	if n > MaxGroupBytes {
		return 0, fmt.Errorf("%w: %d bytes, allowed are %d", ErrTooLarge, n, MaxGroupBytes)
	}
	return n, nil
}
