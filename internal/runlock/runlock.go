// Package runlock keeps a run's folder for one process at a time, with a lock of the
// kernel's that is gone with its process, however that ends.
package runlock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// File is the lock's file in the folder. It says who holds the lock; that it is there
// says nothing, since a killed process leaves it.
const File = "run.lock"

// Holder is a process that holds a lock.
type Holder struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// HeldError says that another process holds the lock of a folder.
type HeldError struct {
	Dir    string
	Holder *Holder // nil where it cannot be read
	// Unsure is set where the file system has no locks and the holder is on another
	// host, so that nobody here can see whether it still runs.
	Unsure bool
}

func (e *HeldError) Error() string {
	running := "a training is running in " + e.Dir
	if e.Holder == nil {
		return running
	}
	running += fmt.Sprintf(" (pid %d, on %s, since %s)", e.Holder.PID, e.Holder.Host, e.Holder.Since.Format(time.DateTime))
	if e.Unsure {
		running += fmt.Sprintf(", or was killed: its file system has no locks that would tell; go on there, or remove %s if nothing runs there", filepath.Join(e.Dir, File))
	}
	return running
}

// Lock is a lock that is held.
type Lock struct {
	// Warning, if not empty, says that the file system has no locks, so that the lock
	// keeps only those out who come later.
	Warning string

	file *flock.Flock
	made []string // folders that Take made, the innermost first
}

// retries are for folders and files that others remove at the same moment.
const retries = 1000

// Take takes the lock of a folder, which it makes where it is missing, or fails with a
// *HeldError at once.
func Take(dir string) (*Lock, error) { return take(dir, (*flock.Flock).TryLock) }

// take is Take with a way to lock.
func take(dir string, try func(*flock.Flock) (bool, error)) (*Lock, error) {
	path := filepath.Join(dir, File)
	l := &Lock{}
	for left := retries; ; left-- {
		err := l.makeFolder(dir)
		if errors.Is(err, fs.ErrExist) && left > 0 { // and gone again
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("taking the lock of %s: %w", dir, err)
		}
		l.file = flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o666))
		held, err := try(l.file)
		var refused *fs.PathError
		switch {
		case errors.Is(err, fs.ErrNotExist) && left > 0: // the folder's maker has just removed it
			continue
		case errors.As(err, &refused) && !errors.Is(err, errors.ErrUnsupported):
			l.removeFolder()
			return nil, fmt.Errorf("%s cannot be written to, not even a lock: %w", dir, err)
		case err != nil:
			l.Warning = fmt.Sprintf("the file system of %s has no locks (%v): nothing keeps two trainings that begin in it at once apart", dir, err)
			if h := read(path); h != nil && h.mayRun() {
				return nil, &HeldError{Dir: dir, Holder: h, Unsure: h.Host != hostname()}
			}
		case !held:
			// It may have been taken just now, and not be signed yet.
			time.Sleep(200 * time.Millisecond)
			return nil, &HeldError{Dir: dir, Holder: read(path)}
		case !l.current(path): // its last holder has removed it since it was opened
			l.file.Close()
			continue
		}
		if err := sign(path); err != nil {
			l.Release()
			return nil, fmt.Errorf("taking the lock of %s: %w", dir, err)
		}
		return l, nil
	}
}

// makeFolder makes dir and those above it that are missing.
func (l *Lock) makeFolder(dir string) error {
	var missing []string
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	if len(missing) > 0 {
		l.made = missing
	}
	return os.MkdirAll(dir, 0o777)
}

// removeFolder removes what makeFolder made and nobody has used.
func (l *Lock) removeFolder() {
	for _, dir := range l.made {
		os.Remove(dir) // fails where something is in it
	}
}

// current reports whether the locked file is still the one at path.
func (l *Lock) current(path string) bool {
	locked, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(locked, there)
}

// Release gives the lock back, and removes its file and the folders that Take made if
// they are empty still.
func (l *Lock) Release() {
	os.Remove(l.file.Path()) // while it is held, so that it is this lock's own
	l.file.Close()
	l.removeFolder()
}

// firstByte is where a lock's file begins to say who holds it: Windows lets nobody
// read or write the byte that is locked, the first.
const firstByte = 1

// sign writes into a lock's file that this process holds it.
func sign(path string) error {
	note, err := json.Marshal(Holder{Host: hostname(), PID: os.Getpid(), Since: time.Now().Truncate(time.Second)})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(append(note, '\n'), firstByte)
	return errors.Join(err, f.Close())
}

// read is what a lock's file says; nil where it says nothing.
func read(path string) *Holder {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var h Holder
	if json.NewDecoder(io.NewSectionReader(f, firstByte, 1<<12)).Decode(&h) != nil {
		return nil
	}
	return &h
}

// mayRun reports whether the process may still be there: on this host it is looked
// for.
func (h *Holder) mayRun() bool {
	if h.Host != hostname() {
		return true
	}
	if h.PID == os.Getpid() { // of a container's earlier life
		return false
	}
	p, err := os.FindProcess(h.PID)
	return err == nil && !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// hostname names this machine.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "an unnamed host"
	}
	return name
}
