//go:build !unix && !windows

package hub

import "os"

// tryLock: a browser's files are one page's.
func tryLock(*os.File) (bool, error) { return false, errNoLocks }
