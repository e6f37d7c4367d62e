//go:build linux && drivers

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// TestDrivers holds the kernels to what the drivers in the folder $DRIVERS make of them,
// which scripts/shader-drivers has put there. Cooperative matrices need naga besides.
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
	// RADV's waves are of 64 lanes where nothing asks for others.
	target := shaders.Target{
		Type: wgpu.DiscreteGPU, Vendor: "amd", Features: wgpu.F16 | wgpu.CooperativeMatrices, MatrixLanes: 64,
		Invocations: 1024, WorkgroupStorage: 64 << 10, Groups: 1<<16 - 1,
	}
	var products []shader
	for _, layout := range []shaders.Layout{shaders.NT, shaders.NN, shaders.TN} {
		for _, m := range []int{256, 2368} {
			spec := shaders.MatMul{Layout: layout, M: m, N: 512, K: 512, Half: true}.Call(target).Spec
			source, err := shaders.Source(spec)
			require.NoError(t, err)
			products = append(products, shader{File: spec.String() + ".wgsl", Entry: spec.Entry, Operation: "matmul", source: source})
			require.True(t, products[len(products)-1].cooperative())
		}
	}
	compilerOf(t, drivers, products).each(t, []string{"navi31", "gfx1200"}, holdAMD)
}
