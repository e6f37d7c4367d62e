//go:build linux

package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// TestHeads holds attention's kernels for heads of several sizes, T5-3B's 128 and odd
// ones among them, to what AMD's compiler makes of them, as TestAMD holds those of
// T5-small. Loops that the compiler unrolls whole, such as over the numbers of small
// heads, are not listed.
func TestHeads(t *testing.T) {
	target := shaders.Target{Type: wgpu.DiscreteGPU, Invocations: 256, WorkgroupStorage: 32 << 10, Groups: 1<<16 - 1}
	var all []shader
	for _, d := range []int{8, 33, 128, 256} {
		a := shaders.Attention{
			Batch: 2, Heads: 2, Queries: 200, Keys: 200, HeadDim: d, Bias: true, BiasSpan: 200,
			QStride: 6 * d, KVStride: 6 * d, KOffset: 2 * d, VOffset: 4 * d,
		}
		calls := []shaders.Call{a.Forward(target), a.GradQ(target), a.GradKV(target), a.GradBias(target)}
		if d%4 == 0 {
			one := a
			one.Queries, one.Decode = 1, true
			calls = append(calls, one.Forward(target))
		}
		for _, c := range calls {
			source, err := shaders.Source(c.Spec)
			require.NoError(t, err)
			all = append(all, shader{File: c.Spec.String(), Entry: c.Spec.Entry, source: source})
		}
	}
	k, err := newKit(t.TempDir())
	require.NoError(t, err)
	ctx := context.Background()
	spirv, err := k.spirv(ctx, all)
	require.NoError(t, err)
	for _, family := range []string{"navi21", "gfx1100"} {
		for i, s := range all {
			t.Run(fmt.Sprint(family, "/", s.File), func(t *testing.T) {
				c, err := k.compile(ctx, "", hardware{family, amd}, spirv[i], s.Entry, false)
				require.NoError(t, err)
				assert.Zero(t, c.spilled())
				for _, l := range c.loops {
					t.Logf("%.0f registers, %+v", c.registers(), l)
					assert.GreaterOrEqual(t, l.perLDS(), 6.0)
					assert.GreaterOrEqual(t, l.share(), 0.6)
				}
			})
		}
	}
}
