// Package atomicfile writes files whole or not at all.
package atomicfile

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
)

// WriteFile puts at path what write produces. The bytes go to a temporary file beside path, which
// is synced and then renamed over it, so that a reader, or a process killed at any moment, finds
// either the old file or the new one, each complete. When write or the disk fails, the temporary
// file is removed and path is untouched. The folder of path must exist.
//
// Writes are buffered: write may make many small ones.
func WriteFile(path string, write func(io.Writer) error) error {
	f, err := createBeside(path)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := fill(f, write); err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	syncDir(filepath.Dir(path))
	return nil
}

// Clean removes from a folder the temporary files that killed processes have left there. Nobody may
// be writing to it.
func Clean(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there is no folder, or WriteFile will say what is wrong
	}
	for _, e := range entries {
		if temporary.MatchString(e.Name()) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// temporary matches the names that createBeside gives.
var temporary = regexp.MustCompile(`^\..+\.[0-9a-f]{8}\.tmp$`)

// createBeside makes a new file in path's folder: a rename is atomic within one file system only.
// It is not os.CreateTemp because that ignores the umask and hides the file from other users.
func createBeside(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	for {
		name := fmt.Sprintf("%s.%s.%08x.tmp", dir, base, rand.Uint32())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !os.IsExist(err) {
			return f, err
		}
	}
}

// fill writes, syncs and closes f.
func fill(f *os.File, write func(io.Writer) error) error {
	defer f.Close() // the error of the close that counts is looked at below
	w := bufio.NewWriterSize(f, 1<<18)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// syncDir makes a rename in dir survive a power cut where the system can do that. Windows and some
// network file systems cannot sync a folder, and the file itself is already safe, so failing here
// is no error.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
