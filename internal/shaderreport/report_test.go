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
const assembly = `== Assembly
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

func TestAMDLoops(t *testing.T) {
	const perfinfo = "ACO shader stage: SW (CS)\nBB2\n\t(  9 clk)   s_endpgm\n\nACO shader stage: SW (CS)\n" +
		"BB1\n\t(  1 clk)   v0 = v_mov_b32 0\nBB2\n\t( 20 clk)   s_waitcnt lgkmcnt(0)\n\t(  3 clk)   v[0-3] = ds_read_b128 v4\n"
	p := amdListing(assembly, perfinfo, 32, false)
	loops := p.loops()
	require.Len(t, loops, 1)
	l := loop{First: 2, Last: 2, FMA: 8, Vector: 9, MulAdd: 1, Moves: 1, LDS: 1, Memory: 1, Scalar: 1, Branches: 1,
		Cycles: 23, issue: issue{vector: 8, lds: 8, memory: 4, scalar: 2}}
	assert.Equal(t, l, loops[0])
	assert.Equal(t, 23.0/8, p.per32(l.Cycles, l))
	assert.Equal(t, 800.0, p.whole(ten).FMA) // a loop in a loop
}

// Intel's listing of a shader of 16 lanes, whose only loop goes back from B3 to B2; B1 is
// its head, which has no code.
const debugIntel = `
Native code for unnamed compute shader (null)
SIMD16 shader: 10 instructions. 1 loops. 1234 cycles.
   START B0 (134 cycles)
mad(16)         g97<1>F         g97<8,8,1>F     g12<8,8,1>F     g5<1,1,1>F { align1 1H };
   END B0 ->B1
   START B2 <-B1 <-B3 (800 cycles)
   END B1 ->B2 ->B4
(+f0.0) break(16) JIP:  LABEL0          UIP:  LABEL0              { align1 1H };
   END B2 ->B1 ->B4 ->B3
   START B3 <-B2 (200 cycles)

LABEL5:
sync nop(1)                     null<0,1,0>UB                   { align1 WE_all 1N };
send(16)        g1UD            g16UD           nullUD          0x02403500                0x00000000
                            slm MsgDesc: ( load, a32, d32, V4, L1STATE_L3MOCS dst_len = 4 )  base_offset 0  { align1 1H $8 };
send(16)        g2UD            g16UD           nullUD          0x02403500                0x00000000
                            ugm MsgDesc: ( load, a32, d32, V4, L1STATE_L3MOCS dst_len = 4 )  base_offset 0  { align1 1H $8 };
mad(8)          g97<1>F         g97<8,8,1>F     g12<8,8,1>F     g5<1,1,1>F { align1 1Q };
mad(8)          g98<1>F         g97<8,8,1>F     g12<8,8,1>F     g5<1,1,1>F { align1 2Q };
add(16)         g92<1>D         g101<8,8,1>D    4352D           { align1 1H };
mov(1)          g77<1>UD        0x00000120UD                    { align1 WE_all 1N };
while(16)       JIP:  LABEL11                                   { align1 1H };
   END B3 ->B2
   START B4 <-B1 <-B2 (50 cycles)
`

func TestIntelLoops(t *testing.T) {
	p := intelListing(debugIntel, 16)
	spans := p.spans()
	require.Len(t, spans, 1)
	l := p.sum(p.blocks[spans[0].first : spans[0].last+1])
	assert.Equal(t, loop{First: 2, Last: 3, FMA: 1, Vector: 2, LDS: 1, Memory: 1, Scalar: 1, Branches: 2, Cycles: 100}, l)
	assert.Equal(t, 200.0, p.per32(l.Cycles, l))
	assert.Equal(t, 1134.0+50, p.whole(ten).Cycles)
}

// NVK's listing of a loop that goes back from block 2 to block 1.
const assemblyNVK = `
block.u 0 L3 [] -> {
      ur0      = mov 0xfffffffe                              // delay=12
} -> [1]
block.u 1 L10 [0, 2] -> {
@!p1             bra L11                                     // delay=1
} -> [2, 3]
block.u 2 L13 [1] -> {
      r4..8    = ld.shared.strong.cta.b128 [r1]              // delay=4 rd:0 wr:1
      r35      = ffma.ftz r89 r99 r35                        // delay=1
      r28      = ffma.ftz r90 r92 r28                        // delay=2
      r3       = fmul.ftz r76 cx[ur2..4][0xc]                // delay=1
                 bra L10                                     // delay=5
} -> [1]
block.u 3 L11 [1] -> {
                 exit                                        // delay=1
} -> []
`

func TestNVKLoops(t *testing.T) {
	p := nakListing(assemblyNVK)
	spans := p.spans()
	require.Len(t, spans, 1)
	l := p.sum(p.blocks[spans[0].first : spans[0].last+1])
	assert.Equal(t, loop{First: 1, Last: 2, FMA: 2, Vector: 3, MulAdd: 1, LDS: 1, Branches: 2, Cycles: 14}, l)
}

// TestAMD, on Linux, where Mesa's driver takes hardware that is not there, holds the
// kernels that a GPU gets for a training step of T5-small to what AMD's compiler makes of
// them, as wgpu hands them over: nothing spills, and the main loops are multiply-adds.
func TestAMD(t *testing.T) {
	for _, dir := range []string{"cmd/dept", "dept", "nn", "shaders", "t5", "tensor", "wgpu"} {
		browsertest.LookAt(t, filepath.Join("../..", dir))
	}
	c := newCompiler(t, "")
	c.each(t, []string{"navi21", "gfx1100"}, holdAMD)
}

// compiler compiles the shaders of a training step.
type compiler struct {
	kit     *kit
	drivers string // a folder of scripts/shader-drivers; this system's are "".
	shaders []shader
	spirv   []string
}

func newCompiler(t *testing.T, drivers string, flags ...string) *compiler {
	dir := t.TempDir()
	write := exec.Command("go", append([]string{"run", "../../cmd/dept", "shaders", "--write", dir, "--model", "t5-small.json", "--device-type", "gpu"}, flags...)...)
	out, err := write.CombinedOutput()
	require.NoError(t, err, "%s", out)
	all, err := readShaders(dir)
	require.NoError(t, err)
	return compilerOf(t, drivers, busy(all))
}

func compilerOf(t *testing.T, drivers string, shaders []shader) *compiler {
	require.NotEmpty(t, shaders)
	k, err := newKit(t.TempDir())
	require.NoError(t, err)
	spirv, err := k.spirv(context.Background(), shaders)
	require.NoError(t, err)
	return &compiler{k, drivers, shaders, spirv}
}

// each compiles each shader for each hardware.
func (c *compiler) each(t *testing.T, names []string, hold func(*testing.T, shader, *compiled)) {
	hardware, err := (&report{}).hardware(names)
	require.NoError(t, err)
	for _, h := range hardware {
		for i, s := range c.shaders {
			t.Run(h.name+"/"+s.name(), func(t *testing.T) {
				made, err := c.kit.compile(context.Background(), c.drivers, h, c.spirv[i], s.Entry, false)
				require.NoError(t, err)
				hold(t, s, made)
			})
		}
	}
}

func holdAMD(t *testing.T, s shader, c *compiled) {
	assert.Zero(t, c.spilled())
	require.NotEmpty(t, c.loops)
	for _, l := range c.loops {
		t.Logf("%.0f registers, %+v", c.registers(), l)
		switch {
		case s.cooperative():
			assert.NotZero(t, l.WMMA)
		case s.Operation == "matmul":
			assert.GreaterOrEqual(t, l.perLDS(), 12.0)
			assert.GreaterOrEqual(t, l.share(), least(s))
			assert.LessOrEqual(t, l.control(), 0.1)
		default:
			assert.GreaterOrEqual(t, l.perLDS(), 6.0)
			assert.GreaterOrEqual(t, l.share(), 0.6)
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
