//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// TestHeads holds attention's kernels for heads of several sizes, T5-3B's 128 and an odd
// one among them, to what AMD's compiler makes of them, as TestAMD holds those of
// T5-small.
func TestHeads(t *testing.T) {
	names := []string{"navi21", "gfx1100"}
	headCompiler(t, "", gpu, 8, 33, 128, 256).each(t, names, holdAMD)
	narrow := gpu
	narrow.WorkgroupStorage = 16 << 10
	headCompiler(t, "", narrow, 128, 256).each(t, names, func(t *testing.T, _ shader, c *compiled) {
		assert.Zero(t, c.spilled())
	})
}

// gpu is one without features.
var gpu = shaders.Target{Type: wgpu.DiscreteGPU, Invocations: 256, WorkgroupStorage: 32 << 10, Groups: 1<<16 - 1}

// headCompiler compiles attention's kernels for heads of some sizes.
func headCompiler(t *testing.T, drivers string, target shaders.Target, sizes ...int) *compiler {
	var all []shader
	for _, d := range sizes {
		a := shaders.Attention{
			Batch: 2, Heads: 2, Queries: 200, Keys: 200, HeadDim: d, Bias: true, BiasSpan: 200,
			QStride: 6 * d, KVStride: 6 * d, KOffset: 2 * d, VOffset: 4 * d,
		}
		calls := []shaders.Call{a.Forward(target), a.GradQ(target), a.GradKV(target)}
		if d > 8 { // whose loop the compiler unrolls whole
			calls = append(calls, a.GradBias(target))
		}
		if d%4 == 0 {
			decode := a
			decode.Queries, decode.Decode = 1, true
			calls = append(calls, decode.Forward(target))
		}
		for _, call := range calls {
			source, err := shaders.Source(call.Spec)
			require.NoError(t, err)
			all = append(all, shader{File: call.Spec.String(), Entry: call.Spec.Entry, Operation: call.Operation(), source: source})
		}
	}
	return compilerOf(t, drivers, all)
}
