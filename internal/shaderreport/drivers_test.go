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
	holdIntel := func(t *testing.T, s shader, c *compiled) {
		assert.Zero(t, c.spilled())
		if strings.HasPrefix(s.Entry, "light_") {
			assert.GreaterOrEqual(t, c.listing.lanes, 16)
		}
	}
	newCompiler(t, drivers, "--vendor", "intel").each(t, []string{"tgl", "mtl", "lnl"}, holdIntel)
	target := gpu
	target.Vendor = "intel"
	headCompiler(t, drivers, target, 16, 24, 33, 48, 128, 256).each(t, []string{"mtl", "lnl"}, holdIntel)
}
