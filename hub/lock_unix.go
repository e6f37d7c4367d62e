//go:build unix

package hub

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the kernel's lock on a file if nobody has it; the lock goes with the file's
// closing. It is flock, as in Python's filelock, and failing for want of locks is errNoLocks.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return false, nil
	case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOLCK):
		return false, errNoLocks
	}
	return false, err
}
