//go:build linux && drivers

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDrivers holds the kernels to what the drivers in the folder $DRIVERS make of them,
// which scripts/shader-drivers has put there.
func TestDrivers(t *testing.T) {
	drivers := os.Getenv("DRIVERS")
	require.NotEmpty(t, drivers, "make check-long PART=drivers")
	newCompiler(t, drivers, "--vendor", "amd").each(t, []string{"navi21", "navi31", "gfx1200"}, holdAMD)
	newCompiler(t, drivers, "--vendor", "nvidia").each(t, []string{"ga102"}, func(t *testing.T, _ shader, c *compiled) {
		assert.Zero(t, c.spilled())
	})
	newCompiler(t, drivers, "--vendor", "intel").each(t, []string{"mtl", "lnl"}, func(t *testing.T, s shader, c *compiled) {
		if !strings.HasPrefix(s.Entry, "thin_") {
			assert.Zero(t, c.spilled())
		}
	})
}
