package shaders

import (
	"context"
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
)

// emulated is a kernel on cooperative matrices for devices that have none. A matrix of
// sums is shared out among the threads of a subgroup, as on devices that have them; an
// operand is the place in workgroup memory from which it was loaded. Nothing else of the
// kernel's text changes but that f32 stands for f16, with the numbers rounded as f16's
// where they are converted.
func emulated(t *testing.T, source string) string {
	for _, r := range []struct{ from, to string }{
		{`enable (f16|wgpu_cooperative_matrix);`, ""},
		{`coop_mat16x16<f16, [AB]>`, "Operand"},
		{`coop_mat16x16<f32, C>`, "Share16x16"},
		{`coopLoadT<Operand>\(&(a|b)_part\[(\w+)\], (\w+)\)`, "Operand($2, $3, 1u)"},
		{`coopLoad<Operand>\(&(a|b)_part\[(\w+)\], (\w+)\)`, "Operand($2, 1u, $3)"},
		{`coopStoreT\((\w+), &c_part\[(\w+)\], (\w+)\)`, "store($1, $2, $3)"},
		{`coopMultiplyAdd\(`, "multiply_add("},
		{`  cooperative\(t\);`, "  member = t.lane % LANES;\n  sixteen = min(16u, 16u * params.m);\n  cooperative(t);"},
		{`vec4<f16>\(`, "quantizeToF16("},
		{`\bf16\b`, "f32"},
	} {
		from := regexp.MustCompile(r.from)
		require.True(t, from.MatchString(source), "the kernel has no %s", r.from)
		source = from.ReplaceAllString(source, r.to)
	}
	require.Empty(t, regexp.MustCompile(`coop(_mat|Load|Store)\w*`).FindAllString(source, -1), "names that the emulation does not know")
	return source + `
const EACH: u32 = 256u / LANES;
var<private> member: u32;   // of its subgroup
var<private> sixteen: u32;  // 16, which a compiler cannot know: unrolled loops take it long

// Number (i, j) lies at at + i·row + j·column.
struct Operand { at: u32, row: u32, column: u32 }

struct Share16x16 { n: array<f32, EACH> }  // numbers member·EACH and on, by rows

fn multiply_add(a: Operand, b: Operand, c: Share16x16) -> Share16x16 {
  var sums = c;
  for (var i = 0u; i < EACH; i++) {
    let row = (member * EACH + i) / 16u;
    let column = (member * EACH + i) % 16u;
    var sum = sums.n[i];
    for (var k = 0u; k < sixteen; k++) {
      sum = fma(a_part[a.at + row * a.row + k * a.column], b_part[b.at + k * b.row + column * b.column], sum);
    }
    sums.n[i] = sum;
  }
  return sums;
}

fn store(c: Share16x16, at: u32, row: u32) {
  var sums = c;
  for (var i = 0u; i < EACH; i++) {
    c_part[at + (member * EACH + i) / 16u * row + (member * EACH + i) % 16u] = sums.n[i];
  }
}
`
}

// TestCooperativeEmulated runs the kernel on cooperative matrices, its matrices emulated,
// against the oracle of TestOperations, with operands rounded to half precision, twice.
// It shows that the kernel's text is right: what is brought to workgroup memory, which
// parts of it each subgroup multiplies and where its sums go, barriers, edges and ends,
// for subgroups of 32 and of 64 threads. It does not show that a device multiplies
// matrices as the emulation does; WithMatrices tries that on each.
func TestCooperativeEmulated(t *testing.T) {
	r := newRunner(t)
	target := bothTargets(TargetOf(r.dev))[1]
	var cases []kernelCase
	add := func(m MatMul, up, lanes int, scale float64) {
		m.Half = true
		target.MatrixLanes = lanes
		call := cooperative(up)(m, target)
		call.Variant = fmt.Sprintf("up=%d,lanes=%d", up, lanes)
		call.needs.features = wgpu.F16
		cases = append(cases, m.rowOf(call, scale))
	}
	for i, m := range []MatMul{
		{Layout: NT}, {Layout: NT, B: F16}, {Layout: NT, B: BF16},
		{Layout: NN}, {Layout: NN, B: F16}, {Layout: NN, B: BF16},
		{Layout: TN},
	} {
		m.M, m.N, m.K = 68+i%2, 132+i%2, 100-i%2 // whole fours and not in turn
		add(m, 2+2*(i%2), 32+32*(i%3%2), 1)
	}
	for i, m := range []MatMul{
		{Accumulate: true, Plus: true, Scale: -0.5},
		{End: EndReLU}, {End: EndResidual, Plus: true}, {End: EndGated}, {End: EndGated, KeepPre: true},
	} {
		m.M, m.N, m.K = 35, 70, 64
		m.Dropout = Dropout{Rate: 0.3, Site: uint32(i)}
		add(m, 2, 32, 0.2)
	}
	ctx := context.Background()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			source, err := Source(c.call.Spec)
			require.NoError(t, err)
			pipeline, err := r.dev.NewPipeline(ctx, c.name, emulated(t, source), c.call.Spec.Entry)
			require.NoError(t, err)
			r.pool.pipelines[c.call.Spec] = pipeline
			first := r.check(t, c)
			assert.Equal(t, first, r.check(t, c), "a second run gave other bits")
		})
	}
}

// TestWithMatrices: a device on paper has cooperative matrices if it says so, this one
// only if it multiplies right, and a product of halves takes them then.
func TestWithMatrices(t *testing.T) {
	ctx := context.Background()
	gpu := wgpu.AdapterInfo{Type: wgpu.DiscreteGPU, Features: wgpu.F16 | wgpu.CooperativeMatrices}
	paper := wgpu.OpenPlan(gpu, wgpu.Limits{BufferSize: 1 << 30, StorageBinding: 1 << 30, WorkgroupStorage: 48 << 10, Invocations: 1024, WorkgroupsPerDimension: 65535})
	m := MatMul{M: 2048, N: 2048, K: 512, Half: true}
	assert.Equal(t, "matmul/block", m.Call(TargetOf(paper)).Variant)
	target, err := TargetOf(paper).WithMatrices(ctx, paper)
	require.NoError(t, err)
	assert.Equal(t, 32, target.MatrixLanes)
	assert.Equal(t, "matmul/cooperative-tall", m.Call(target).Variant)
	m.M = 256
	assert.Equal(t, "matmul/cooperative", m.Call(target).Variant)
	m.Half = false
	assert.Equal(t, "matmul/block-split", m.Call(target).Variant)

	dev := newRunner(t).dev
	target, err = TargetOf(dev).WithMatrices(ctx, dev)
	require.NoError(t, err)
	assert.Equal(t, target.Features.Has(wgpu.CooperativeMatrices), target.MatrixLanes > 0)
	if !dev.Features().Has(wgpu.CooperativeMatrices) {
		assert.Equal(t, TargetOf(dev), target)
	}
}
