//go:build mt5

package train

import (
	"testing"

	"github.com/go-dept/dept/safetensors"
)

// TestMT5SmallFloat32 is TestMT5Small with tables of 488 MiB, which takes 3 GiB of
// memory; see scripts/check-long.
func TestMT5SmallFloat32(t *testing.T) { trainMT5Small(t, safetensors.F32) }
