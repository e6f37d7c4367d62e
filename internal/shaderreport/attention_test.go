//go:build linux

package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// TestHeads holds attention's kernels for heads of several sizes, T5-3B's 128 and an odd
// one among them, to what AMD's compiler makes of them, as TestAMD holds those of
// T5-small.
func TestHeads(t *testing.T) {
	target := shaders.Target{Type: wgpu.DiscreteGPU, Invocations: 256, WorkgroupStorage: 32 << 10, Groups: 1<<16 - 1}
	c := &compiler{}
	for _, d := range []int{8, 33, 128, 256} {
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
			c.shaders = append(c.shaders, shader{File: call.Spec.String(), Entry: call.Spec.Entry, Operation: call.Operation(), source: source})
		}
	}
	var err error
	c.kit, err = newKit(t.TempDir())
	require.NoError(t, err)
	c.spirv, err = c.kit.spirv(context.Background(), c.shaders)
	require.NoError(t, err)
	c.each(t, []string{"navi21", "gfx1100"}, holdAMD)
}
