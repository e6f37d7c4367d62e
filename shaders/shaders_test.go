package shaders

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// operand is what a kernel case binds at 1, 2, ... in order.
type operand struct {
	data  any       // []float32, []uint32 or []int32: what the buffer holds before
	want  []float64 // what it must hold after; nil for an input
	terms int       // how many terms an element of want sums
}

func in(data any) operand { return operand{data: data} }

// out is an output that the kernel writes whole: it starts as NaN, so an
// element that is not written shows.
func out(want []float64, terms int) operand {
	garbage := make([]float32, len(want))
	for i := range garbage {
		garbage[i] = float32(math.NaN())
	}
	return operand{data: garbage, want: want, terms: terms}
}

// inout is an output that the kernel adds to or changes.
func inout(before []float32, want []float64, terms int) operand {
	return operand{data: before, want: want, terms: terms}
}

// kernelCase is one row of the operation table.
type kernelCase struct {
	name     string
	call     Call
	step     Step
	operands []operand
}

// few is for devices that are slow to compile.
var few = flag.Bool("few", false, "of each kernel of each variant, the rows of one set of constants alone, and once")

// TestOperations runs every row of the table against its float64 oracle: each
// row twice, the second time with the rows in another order, so that what a
// former kernel left in a buffer would show. Every variant of every operation that
// the device can run has rows, those included that it would not choose. The
// tolerance is on the normalized
// mean square error: float32 rounding of inputs the oracle shares leaves 1e-14 a
// term; 1e-11, and 1e-10 for sums over 10,000 terms, leaves room for the order
// of a sum and nothing for a wrong constant.
func TestOperations(t *testing.T) {
	r := newRunner(t)
	var cases []kernelCase
	for _, family := range families {
		cases = append(cases, family(TargetOf(r.dev))...)
	}
	if *few {
		cases = ofOneSpec(cases)
	}
	first := make([][][]byte, len(cases))
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) { first[i] = r.check(t, c) })
	}
	if !*few {
		t.Run("again", func(t *testing.T) {
			for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(cases)) {
				require.Equal(t, first[i], r.check(t, cases[i]), "%s: a second run gave other bits", cases[i].name)
			}
		})
	}
	t.Run("every variant", func(t *testing.T) {
		ran := map[string]bool{}
		for _, c := range cases {
			ran[c.call.Variant] = true
		}
		for _, v := range known {
			if TargetOf(r.dev).can(v.needs) {
				assert.True(t, ran[v.name], "no row of the table runs %s", v.name)
			} else {
				t.Logf("this device cannot run %s, which needs %+v", v.name, v.needs)
			}
		}
	})
	t.Logf("%d rows, %d pipelines", len(cases), r.pool.Len())
}

// ofOneSpec leaves, of each kernel of each variant, the rows that run the same pipeline
// as the first.
func ofOneSpec(cases []kernelCase) (kept []kernelCase) {
	type kernel struct{ variant, file, entry string }
	specs := map[kernel]Spec{}
	for _, c := range cases {
		k := kernel{c.call.Variant, c.call.Spec.File, c.call.Spec.Entry}
		if spec, ok := specs[k]; !ok {
			specs[k] = c.call.Spec
		} else if spec != c.call.Spec {
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

// families lists the functions that make the rows of the table.
var families = []func(Target) []kernelCase{dropoutCases, matmulCases, attentionCases, relbiasCases, rmsnormCases, embedCases, crossEntropyCases, endsCases, activationCases, centerCases, elementwiseCases, columnsCases, packCases, concatCases, rowNormsCases, adamwCases, cacheCases}

type runner struct {
	dev  *wgpu.Device
	pool *Pool
	// Buffers are reused from row to row, as they are in a program.
	scratch map[int64][]*wgpu.Buffer
}

func newRunner(t *testing.T) *runner {
	dev := wgputest.Device(t)
	return &runner{dev, NewPool(dev), map[int64][]*wgpu.Buffer{}}
}

// check runs one row and returns the bytes of its outputs.
func (r *runner) check(t *testing.T, c kernelCase) [][]byte {
	ctx := context.Background()
	used := map[int64]int{}
	buffer := func(data []byte) *wgpu.Buffer {
		size := max(16, (int64(len(data))+15)&^15)
		if used[size] == len(r.scratch[size]) {
			b, err := r.dev.NewBuffer("scratch", size)
			require.NoError(t, err)
			r.scratch[size] = append(r.scratch[size], b)
		}
		b := r.scratch[size][used[size]]
		used[size]++
		require.NoError(t, r.dev.Write(b, 0, data))
		return b
	}
	pipeline, err := r.pool.Pipeline(ctx, c.call.Spec)
	require.NoError(t, err)
	pad := func(b []byte) []byte { return append(b, make([]byte, (16-len(b)%16)%16)...) }
	bindings := []wgpu.Binding{{Index: 0, Buffer: buffer(pad(c.call.Params))}}
	for i, o := range c.operands {
		bindings = append(bindings, wgpu.Binding{Index: i + 1, Buffer: buffer(words(t, o.data))})
	}
	if c.call.Spec.Step {
		bindings = append(bindings, wgpu.Binding{Index: StepBinding, Buffer: buffer(c.step.Bytes())})
	}
	group, err := r.dev.NewBindGroup(pipeline, bindings)
	require.NoError(t, err)
	defer group.Release()
	require.NoError(t, r.dev.Submit([]wgpu.Dispatch{{Pipeline: pipeline, Group: group, Grid: c.call.Grid}}))
	var got [][]byte
	for i, o := range c.operands {
		if o.want == nil {
			continue
		}
		raw := make([]byte, 4*len(o.want))
		require.NoError(t, r.dev.Read(ctx, bindings[i+1].Buffer, 0, raw))
		got = append(got, raw)
		values := make([]float64, len(o.want))
		for k := range values {
			bits := binary.LittleEndian.Uint32(raw[4*k:])
			if _, floats := o.data.([]float32); floats {
				values[k] = float64(math.Float32frombits(bits))
			} else {
				values[k] = float64(bits)
			}
		}
		tolerance := 1e-11
		if o.terms > 10_000 {
			tolerance = 1e-10
		}
		assert.LessOrEqual(t, nmse(values, o.want), tolerance, "%s: NMSE of operand %d of %s", c.name, i+1, c.call.Spec)
	}
	return got
}

// nmse is Σ(got-want)² / Σwant²; 0 for two zero arrays, +Inf where got is not
// finite.
func nmse(got, want []float64) float64 {
	var num, den float64
	for i, w := range want {
		if math.IsNaN(got[i]) || math.IsInf(got[i], 0) {
			return math.Inf(1)
		}
		num += (got[i] - w) * (got[i] - w)
		den += w * w
	}
	if num == 0 {
		return 0
	}
	return num / den
}

func words(t testing.TB, data any) []byte {
	var b []byte
	switch data := data.(type) {
	case []float32:
		for _, v := range data {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	case []uint32:
		for _, v := range data {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	case []int32:
		for _, v := range data {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
	default:
		t.Fatalf("an operand of type %T", data)
	}
	return b
}

// normals draws n numbers from N(0, scale²), a function of the seed.
func normals(seed uint64, n int, scale float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 99))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * scale)
	}
	return x
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// keepOracle is the dropout factor of an element, as dropout.wgsl defines it.
func keepOracle(d Dropout, s Step, element int) float64 {
	site, threshold, scale := d.params()
	if threshold == 0 {
		return 1
	}
	mix := func(h uint32) uint32 {
		h = (h ^ h>>16) * 0x7feb352d
		h = (h ^ h>>15) * 0x846ca68b
		return h ^ h>>16
	}
	if mix(mix(uint32(element)+s.Key[0])^(s.Key[1]+site*0x9e3779b9)) < threshold {
		return 0
	}
	return float64(scale)
}

func dropoutCases(target Target) []kernelCase {
	var cases []kernelCase
	for _, n := range []int{1, 63, 64, 65, 1000} {
		for _, rate := range []float32{0, 0.1, 0.5} {
			d, s := Dropout{Rate: rate, Site: 7}, Step{Key: Key(42, n, 0)}
			x := normals(uint64(n), n, 1)
			want := make([]float64, n)
			for i := range want {
				want[i] = keepOracle(d, s, i) * float64(x[i])
			}
			cases = append(cases, kernelCase{
				name: fmt.Sprintf("dropout/n=%d,rate=%v", n, rate),
				call: d.Apply(target, n), step: s,
				operands: []operand{in(x), out(want, 1)},
			})
		}
	}
	return cases
}

// finiteDifference is the gradient of f at x by central differences; oracles of
// backward kernels are held against it.
func finiteDifference(f func([]float64) float64, x []float64, h float64) []float64 {
	g := make([]float64, len(x))
	for i := range x {
		old := x[i]
		x[i] = old + h
		up := f(x)
		x[i] = old - h
		down := f(x)
		x[i] = old
		g[i] = (up - down) / (2 * h)
	}
	return g
}

// TestDropoutRate holds the share of dropped elements and the independence of
// sites and steps to what chance allows: five standard deviations.
func TestDropoutRate(t *testing.T) {
	const n = 200_000
	d := Dropout{Rate: 0.1, Site: 3}
	a, b := Step{Key: Key(42, 1, 0)}, Step{Key: Key(42, 2, 0)}
	var dropped, both, bothSites int
	for i := range n {
		first := keepOracle(d, a, i) == 0
		if first {
			dropped++
			if keepOracle(d, b, i) == 0 {
				both++
			}
			if keepOracle(Dropout{Rate: 0.1, Site: 4}, a, i) == 0 {
				bothSites++
			}
		}
	}
	sigma := func(p float64) float64 { return 5 * math.Sqrt(p*(1-p)*n) }
	assert.InDelta(t, 0.1*n, dropped, sigma(0.1))
	assert.InDelta(t, 0.01*n, both, sigma(0.01))
	assert.InDelta(t, 0.01*n, bothSites, sigma(0.01))
}

// TestSourceIsWhole compiles the files as they lie, overrides at their
// defaults, and refuses constants that a file does not have.
func TestSourceIsWhole(t *testing.T) {
	names, err := fs.Glob(files, "*.wgsl")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		source, err := Source(Spec{File: strings.TrimSuffix(name, ".wgsl")})
		require.NoError(t, err)
		require.NotContains(t, source, "\noverride ", name)
	}
	_, err = Source(Spec{File: "dropout", Constants: "NOPE=1"})
	require.ErrorContains(t, err, "no override or alias NOPE")
}
