package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// errNoLocks is the error of a file system without locks.
var errNoLocks = errors.New("the file system has no locks")

// lock waits until no other process, Python's among them, downloads a blob, and returns what lets
// the next one in. Without locks there is nothing to wait for, and exclusive is false.
func (c *Client) lock(ctx context.Context, r Ref, etag, name string) (release func(), exclusive bool, err error) {
	path := filepath.Join(c.Cache, ".locks", r.folder(), etag+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, false, c.onDisk(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, false, c.onDisk(err)
	}
	for tries := 0; ; tries++ {
		held, err := tryLock(f)
		if errors.Is(err, errNoLocks) {
			f.Close()
			return func() {}, false, nil
		}
		if held {
			return func() { f.Close() }, true, nil
		}
		if err != nil {
			f.Close()
			return nil, false, c.onDisk(err)
		}
		if tries == 20 {
			c.warn("waiting for another process that downloads %s of %s", name, r)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, false, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
