//go:build linux

package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/browsertest"
)

// The assembly of a loop with a dual multiply-add, in a loop that is not listed.
const listing = `== Assembly
BB0:
	s_mov_b32 s0, 0
BB1:
	v_mov_b32_e32 v0, 0
BB2:
	s_waitcnt lgkmcnt(0)
	ds_load_b128 v[0:3], v4
	v_fma_f32 v1, v2, v3, v1 ; d6000001
	v_dual_fmac_f32 v1, v2, v3 :: v_dual_fmac_f32 v4, v5, v6
	v_pk_fma_f16 v1, v2, v3, v1
	v_fmac_f32_e32 v1, v2, v3
	v_fma_f32 v1, v2, v3, v1
	v_fma_f32 v1, v2, v3, v1
	v_mul_f32_e32 v1, v2, v3
	v_cndmask_b32 v1, v2, v3
	buffer_load_dword v1, v2
	s_add_u32 s0, s0, 1
	s_cbranch_scc1 BB2
BB3:
	s_cbranch_scc1 BB1
BB4:
	s_endpgm
`

func TestLoops(t *testing.T) {
	loops := loopsOf(listing)
	require.Len(t, loops, 1)
	assert.Equal(t, loop{First: 2, Last: 2, FMA: 8, Vector: 8, MulAdd: 1, Moves: 1, LDS: 1, Memory: 1, Scalar: 1, Branches: 1}, loops[0])
}

// TestAMD, on Linux, where Mesa's driver takes hardware that is not there, holds the kernels that a GPU gets for a training step of T5-small to what
// AMD's compiler makes of them, as wgpu hands them over: nothing spills, and the main
// loops are multiply-adds.
func TestAMD(t *testing.T) {
	for _, dir := range []string{"cmd/dept", "dept", "nn", "shaders", "t5", "tensor", "wgpu"} {
		browsertest.LookAt(t, filepath.Join("../..", dir))
	}
	dir := t.TempDir()
	write := exec.Command("go", "run", "../../cmd/dept", "shaders", "--write", dir, "--model", "t5-small.json", "--device-type", "gpu")
	out, err := write.CombinedOutput()
	require.NoError(t, err, "%s", out)
	all, err := readShaders(dir)
	require.NoError(t, err)
	var shaders []shader
	for _, s := range all {
		if s.FMA > 0 && s.Program == "step" {
			shaders = append(shaders, s)
		}
	}
	require.NotEmpty(t, shaders)
	k, err := newKit(t.TempDir())
	require.NoError(t, err)
	ctx := context.Background()
	spirv, err := k.spirv(ctx, shaders)
	require.NoError(t, err)
	for _, family := range []string{"navi21", "gfx1100"} {
		for i, s := range shaders {
			t.Run(family+"/"+strings.TrimSuffix(s.File, ".wgsl"), func(t *testing.T) {
				c, err := k.amd(ctx, spirv[i], s.Entry, family)
				require.NoError(t, err)
				assert.Zero(t, c.numbers["Spilled VGPRs"]+c.numbers["Spilled SGPRs"])
				require.NotEmpty(t, c.loops)
				for _, l := range c.loops {
					t.Logf("%.0f registers, %+v", c.numbers["VGPRs"], l)
					if s.Operation == "matmul" {
						assert.GreaterOrEqual(t, l.perLDS(), 12.0)
						assert.GreaterOrEqual(t, l.share(), least(s))
						assert.LessOrEqual(t, l.control(), 0.1)
						continue
					}
					assert.GreaterOrEqual(t, l.perLDS(), 6.0)
					assert.GreaterOrEqual(t, l.share(), 0.6)
				}
			})
		}
	}
}

// least is the smallest share of multiply-adds among the vector instructions of a
// product. Where rows are no whole fours each number is a load with its own address;
// those are small products, such as A·B of an odd rank.
func least(s shader) float64 {
	if strings.Contains(s.File, "ALIGNED-false") {
		return 0.55
	}
	return 0.85
}
