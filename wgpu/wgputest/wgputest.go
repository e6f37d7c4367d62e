// Package wgputest gives the tests of a process the one device that they share:
// opening several at once crashes some drivers.
package wgputest

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/go-dept/dept/wgpu"
)

var device = sync.OnceValues(func() (*wgpu.Device, error) {
	return wgpu.Open(context.Background(), os.Getenv("DEPT_DEVICE"))
})

var announce sync.Once

// Device returns the shared device: the best adapter, or the one that
// $DEPT_DEVICE names. A machine without one fails the test, and says what to
// install.
func Device(t testing.TB) *wgpu.Device {
	t.Helper()
	d, err := device()
	if err != nil {
		t.Fatalf("this test needs a WebGPU device: %v", err)
	}
	announce.Do(func() { t.Logf("device: %s", d.Info()) })
	return d
}
