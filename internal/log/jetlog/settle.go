package jetlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// settledBytes is how much of the end of a stream's newest block may not be durable: one frame, with what the server puts around it.
const settledBytes = maxPayload + 64<<10

const (
	// failedName is a file that says that a write failed and the server has not been opened anew since.
	failedName = "FAILED"
	// failedAttempts to leave it are made: what makes writes fail now and then may hit it, too.
	failedAttempts = 5
)

// noteFailure leaves a file that says that the server's own notes cannot be trusted. If that is not possible, neither are notes, in all likelihood.
func noteFailure(dir string) {
	for range failedAttempts {
		f, err := os.Create(filepath.Join(dir, failedName))
		if err == nil && errors.Join(f.Sync(), f.Close()) == nil {
			return
		}
	}
}

// settle makes durable what a stopped server has left in dir. A process that was killed leaves bytes that can be read back and were never synced; after a
// failed fsync the operating system takes such bytes for clean, and no later fsync writes them. The server would take them
// for stored. So the end of each stream's newest block is written again, byte for byte, and synced.
//
// When a server stops after a write failed, its note of each stream's state, index.db, counts the frame that failed. The next server would believe
// the note and take that frame for deleted. Without notes it counts what is in the blocks.
func settle(dir string, logger *slog.Logger) error {
	if _, err := os.Stat(filepath.Join(dir, failedName)); err == nil {
		if err := removeAll(dir, streamFolders+"/index.db"); err != nil {
			return err
		}
		// Names become durable in their order, but not everywhere: the file goes only after the notes have gone for good.
		folders, err := glob(dir, streamFolders)
		if err != nil {
			return err
		}
		for _, folder := range folders {
			if err := syncFolder(folder); err != nil {
				return fmt.Errorf("syncing %s: %w", folder, err)
			}
		}
	}
	if err := settleBlocks(dir, logger); err != nil {
		return err
	}
	return removeAll(dir, failedName)
}

// streamFolders are the directories with the blocks of streams.
const streamFolders = "jetstream/*/streams/*/msgs"

// glob returns the paths that match a pattern within dir.
func glob(dir, pattern string) ([]string, error) {
	names, err := fs.Glob(os.DirFS(dir), pattern)
	for i, n := range names {
		names[i] = filepath.Join(dir, filepath.FromSlash(n))
	}
	return names, err
}

func removeAll(dir, pattern string) error {
	files, err := glob(dir, pattern)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func settleBlocks(dir string, logger *slog.Logger) error {
	blocks, err := glob(dir, streamFolders+"/*.blk")
	if err != nil {
		return err
	}
	newest := map[string]string{} // by directory
	for _, b := range blocks {
		if at := newest[filepath.Dir(b)]; at == "" || cmp.Less(blockNumber(at), blockNumber(b)) {
			newest[filepath.Dir(b)] = b
		}
	}
	for folder, block := range newest {
		if err := settleBlock(block, logger); err != nil {
			return fmt.Errorf("syncing %s: %w", block, err)
		}
		if err := syncFolder(folder); err != nil {
			return fmt.Errorf("syncing %s: %w", folder, err)
		}
	}
	return nil
}

func blockNumber(path string) uint64 {
	n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), ".blk"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func settleBlock(path string, logger *slog.Logger) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	from := max(0, info.Size()-settledBytes)
	end := make([]byte, info.Size()-from)
	if _, err := f.ReadAt(end, from); err != nil {
		logger.Error("the end of a block cannot be read", "block", path, "error", err) // what it is missing shows when it is read
		return nil
	}
	if _, err := f.WriteAt(end, from); err != nil {
		return err
	}
	return f.Sync()
}

func syncFolder(path string) (err error) {
	if runtime.GOOS == "windows" {
		return nil // it cannot be done, and need not
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// complete wants the streams of all topics in a server: one that starts on a directory which it cannot write to leaves them out.
func (l *Log) complete(e *embedded) error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	infos, err := e.streams(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(infos))
	for _, i := range infos {
		there[i.Config.Name] = true
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for name, t := range l.topics {
		if !there[t.stream] {
			return fmt.Errorf("the stream of topic %s could not be opened", name)
		}
	}
	return nil
}
