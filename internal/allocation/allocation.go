// Package allocation holds readers of files that people bring to a bound on memory, in tests.
package allocation

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bound is how many bytes reading an input of so many bytes may allocate.
func Bound(size int) uint64 { return 64<<20 + 4*uint64(size) }

// Check fails the test where read, of an input of size bytes, allocates more than its Bound. Nothing
// else must run beside it.
func Check(t testing.TB, size int, read func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, Bound(size), "bytes allocated for %d bytes of input", size)
}
