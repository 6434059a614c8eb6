//go:build !linux

package faultfs

import "errors"

// Mount is a volume that other processes see in a directory.
type Mount struct{}

// Mount fails: volumes can be mounted only on Linux.
func (v *Volume) Mount(string) (*Mount, error) {
	return nil, errors.ErrUnsupported
}

// Close does nothing.
func (m *Mount) Close() error { return nil }
