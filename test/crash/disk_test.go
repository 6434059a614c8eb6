package crash

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidemill/tidemill/test/crash/faultfs"
)

// disk is where the nodes of an era keep their data: a volume that loses and fails, or a plain directory.
type disk struct {
	dir    string // of the era
	data   string
	volume *faultfs.Volume // nil for a plain directory
	mount  *faultfs.Mount
}

func newDisk(dir string, seed uint64, plain bool) (*disk, error) {
	d := &disk{dir: dir, data: filepath.Join(dir, "data")}
	objects := filepath.Join(dir, "objects")
	for _, p := range []string{d.data, objects} {
		if err := os.MkdirAll(p, 0o700); err != nil {
			return nil, err
		}
	}
	if !plain {
		d.volume = faultfs.NewVolume(objects, seed)
	}
	return d, nil
}

// attach makes the data visible to a node.
func (d *disk) attach() error {
	if d.volume == nil {
		return nil
	}
	m, err := d.volume.Mount(d.data)
	d.mount = m
	return err
}

// kill ends a node. With power it loses what was not synced.
func (d *disk) kill(n *node, power bool) error {
	if d.volume == nil {
		n.kill(nil)
		return nil
	}
	if power {
		d.volume.Freeze()
	}
	var closed error
	released := make(chan struct{})
	n.kill(func() {
		if power { // the process cannot end while it waits for the disk
			go func() {
				d.volume.TurnOff()
				close(released)
			}()
		} else {
			close(released)
		}
	})
	<-released
	if closed = d.detach(); closed != nil {
		return closed
	}
	if power {
		return d.volume.Crash()
	}
	return nil
}

func (d *disk) detach() error {
	if d.mount == nil {
		return nil
	}
	err := d.mount.Close()
	d.mount = nil
	if err != nil {
		return fmt.Errorf("unmounting: %w", err)
	}
	return nil
}

// faults sets what goes wrong from now on.
func (d *disk) faults(f faultfs.Faults) {
	if d.volume != nil {
		d.volume.SetFaults(f)
	}
}

// keep leaves the data as plain files, for whoever looks into a failure; remove leaves nothing.
func (d *disk) keep() (string, error) {
	if d.volume == nil {
		return d.dir, nil
	}
	return d.dir, d.volume.Export(filepath.Join(d.dir, "exported"))
}

func (d *disk) remove() error {
	if d.volume != nil {
		if err := d.volume.Close(); err != nil {
			return err
		}
	}
	return os.RemoveAll(d.dir)
}
