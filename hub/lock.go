package hub

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lock waits until no other process, Python's among them, downloads a blob, and returns what lets
// the next one in. Without locks there is nothing to wait for, and exclusive is false.
func (c *Client) lock(ctx context.Context, r Ref, etag, name string) (release func(), exclusive bool, err error) {
	path := filepath.Join(c.Cache, ".locks", r.folder(), etag+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, false, c.onDisk(err)
	}
	// The kernel's lock on the file, as Python's filelock takes it.
	l := flock.New(path, flock.SetPermissions(0o666))
	for tries := 0; ; tries++ {
		held, err := l.TryLock()
		var refused *fs.PathError
		switch {
		case held:
			return func() { l.Close() }, true, nil
		case errors.As(err, &refused) && !errors.Is(err, errors.ErrUnsupported):
			return nil, false, c.onDisk(err)
		case err != nil: // the file system has no locks
			l.Close()
			return func() {}, false, nil
		}
		if tries == 20 {
			c.warn("waiting for another process that downloads %s of %s", name, r)
		}
		select {
		case <-ctx.Done():
			l.Close()
			return nil, false, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
