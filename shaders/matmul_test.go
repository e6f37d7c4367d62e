package shaders

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// oracle is Scale·A·B, [M, N].
func (m MatMul) oracle(a, b []float64) []float64 {
	c := make([]float64, m.M*m.N)
	for i := range c {
		row, col := i/m.N, i%m.N
		sum := 0.0
		for k := range m.K {
			x, y := row*m.K+k, k*m.N+col
			if m.Layout == TN {
				x = k*m.M + row
			}
			if m.Layout == NT {
				y = col*m.K + k
			}
			sum += a[x] * b[y]
		}
		c[i] = float64(orOne(m.Scale)) * sum
	}
	return c
}

// halves rounds numbers as half precision does, to ten bits of fraction and ties to
// even, whose exponents are those of normal numbers. So operands that a kernel rounds
// are those of its oracle too, and its tolerance is every kernel's.
func halves(x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		_, e := math.Frexp(v)
		unit := math.Ldexp(1, e-11)
		y[i] = math.RoundToEven(v/unit) * unit
	}
	return y
}

// row makes a row of the table from a product; the numbers of A have the given
// scale.
func (m MatMul) row(target Target, scale float64) kernelCase {
	return m.rowOf(m.Call(target), scale)
}

// rowBy makes a row of the variant of a name.
func (m MatMul) rowBy(variant string, target Target, scale float64) kernelCase {
	for _, c := range m.Call(target).Variants(target) {
		if c.Variant == "matmul/"+variant {
			return m.rowOf(c, scale)
		}
	}
	panic(fmt.Sprintf("no variant %s computes %+v", variant, m))
}

func (m MatMul) rowOf(call Call, scale float64) kernelCase {
	x := normals(1, m.M*m.K, scale)
	words, y := storedNormals(2, m.B, m.N*m.K)
	c := m.oracle(wide(x), y)
	if call.needs.features.Has(wgpu.F16) {
		c = m.oracle(halves(wide(x)), halves(y))
	}
	k := kernelCase{
		call:     call,
		step:     Step{Key: Key(42, m.M, m.N)},
		operands: []operand{in(x), in(words)},
	}
	k.name = fmt.Sprintf("%s/%s/%v,%v,%dx%dx%d", call.Variant, k.call.Spec.Entry, m.Layout, m.B, m.M, m.N, m.K)
	plus := []float32{0}
	if m.Plus {
		k.name += ",plus"
		plus = normals(4, len(c), scale)
		for i := range c {
			c[i] += float64(plus[i])
		}
	}
	keep := keeps(m.Dropout, k.step, len(c))
	if m.End != EndPlain && m.Dropout.Rate > 0 {
		k.name += ",dropout"
	}
	fourth := in([]float32{0})
	end := make([]float64, len(c))
	switch m.End {
	case EndPlain:
		before := normals(3, len(c), scale)
		if m.Accumulate {
			k.name += ",accumulate"
			k.operands = append(k.operands, inout(before, added(before, c), m.K))
		} else {
			k.operands = append(k.operands, out(c, m.K))
		}
	case EndReLU:
		for i := range c {
			end[i] = keep[i] * max(0, c[i])
		}
		k.operands = append(k.operands, out(end, m.K))
	case EndResidual:
		residual := normals(3, len(c), scale)
		for i := range c {
			end[i] = float64(residual[i]) + keep[i]*c[i]
		}
		k.operands = append(k.operands, out(end, m.K))
		fourth = in(residual)
	case EndReLUGrad:
		k.name += ",relu_grad"
		y := normals(3, len(c), scale)
		for i := range c {
			if y[i] > 0 {
				end[i] = c[i] / (1 - float64(m.Dropout.Rate))
			}
		}
		k.operands = append(k.operands, out(end, m.K))
		fourth = in(y)
	case EndGatedGrad:
		k.name += ",gated_grad"
		pre := normals(3, 2*len(c), scale)
		end = make([]float64, len(pre))
		for i := range c {
			y, dy := geluOracle(float64(pre[2*i]))
			end[2*i], end[2*i+1] = keep[i]*c[i]*float64(pre[2*i+1])*dy, keep[i]*c[i]*y
		}
		k.operands = append(k.operands, out(end, m.K))
		fourth = in(pre)
	case EndGated:
		end = end[:len(c)/2]
		for i := range end {
			g, _ := geluOracle(c[2*i])
			end[i] = keep[i] * g * c[2*i+1]
		}
		k.operands = append(k.operands, out(end, m.K))
		if m.KeepPre {
			fourth = out(c, m.K)
		}
	}
	k.operands = append(k.operands, fourth, in(plus))
	return k
}

func matmulCases(target Target) []kernelCase {
	var cases []kernelCase
	operands := []MatMul{
		{Layout: NT}, {Layout: NT, B: F16}, {Layout: NT, B: BF16},
		{Layout: NN}, {Layout: NN, B: F16}, {Layout: NN, B: BF16},
		{Layout: TN},
	}
	ends := []MatMul{
		{End: EndReLU},
		{End: EndResidual, B: F16, Scale: 0.125},
		{End: EndResidual, Layout: NN},
		{End: EndGated, B: BF16},
		{End: EndGated, KeepPre: true},
	}
	passing := []MatMul{
		{End: EndReLUGrad, Layout: NN, Dropout: Dropout{Rate: 0.3}},
		{End: EndGatedGrad, Layout: NN, B: F16, Dropout: Dropout{Rate: 0.3, Site: 9}},
	}
	sized := func(m MatMul, rows, cols, k int) MatMul {
		m.M, m.N, m.K = rows, cols, k
		return m
	}
	for _, t := range bothTargets(target) {
		for i, m := range operands {
			if t.Type == wgpu.CPU || i%3 == 0 {
				cases = append(cases, sized(m, 36, 148, 52).row(t, 1), sized(m, 33, 131, 51).row(t, 1),
					sized(m, 3, 148, 532).row(t, 1e-3), sized(m, 2, 35, 301).row(t, 1))
			}
		}
		for i, m := range ends {
			m.Dropout = Dropout{Rate: 0.3, Site: uint32(i)}
			cases = append(cases, sized(m, 36, 148, 64).row(t, 0.2))
			if t.Type == wgpu.CPU || i == 0 {
				cases = append(cases, sized(m, 4, 34, 128).row(t, 0.2), sized(m, 1, 2, 4).row(t, 1))
			}
			m.Dropout.Rate = 0
			cases = append(cases, sized(m, 17, 30, 64).row(t, 1))
			m.Plus, m.Dropout.Rate = true, 0.3
			cases = append(cases, sized(m, 35, 38, 20).row(t, 0.5))
			if t.Type == wgpu.CPU {
				cases = append(cases, sized(m, 3, 22, 20).row(t, 0.5))
			}
		}
		cases = append(cases,
			MatMul{M: 1, N: 1, K: 1}.row(t, 1),
			MatMul{Layout: TN, M: 1, N: 1, K: 1}.row(t, 1),
			MatMul{Layout: TN, M: 12, N: 20, K: 12_003, Accumulate: true}.row(t, 1),
			MatMul{Layout: NN, M: 3, N: 20, K: 32_128, Accumulate: true}.row(t, 1),
			MatMul{M: 20, N: 24, K: 8, Scale: -2}.row(t, 1),
			MatMul{Layout: NN, M: 3, N: 7, K: 5}.row(t, 1e-3),
			MatMul{Layout: TN, M: 100, N: 5, K: 6}.row(t, 1),
			MatMul{Plus: true, M: 33, N: 31, K: 8, Scale: 0.25}.row(t, 1),
			MatMul{Plus: true, Layout: TN, M: 5, N: 7, K: 33, Accumulate: true}.row(t, 1))
	}
	// The tiles that software adapters have without subgroups, and all of them at shapes
	// for which they would take others.
	cpu := bothTargets(target)[0]
	for i, m := range operands {
		for _, name := range []string{"tile", "quad", "quad-flat"} {
			cases = append(cases, sized(m, 36, 148, 52).rowBy(name, cpu, 1))
			if i%3 == 0 {
				cases = append(cases, sized(m, 13, 131, 51).rowBy(name, cpu, 1), sized(m, 131, 22, 51).rowBy(name, cpu, 1))
			}
		}
	}
	for i, m := range ends {
		m.Dropout = Dropout{Rate: 0.3, Site: uint32(i)}
		m.Plus = i%2 == 0
		for _, name := range []string{"tile", "quad", "quad-flat"} {
			cases = append(cases, sized(m, 35, 150, 20).rowBy(name, cpu, 0.2))
		}
	}
	// Every variant for GPUs in every layout, in whole fours and not. Some take seconds
	// to compile, so the parts that all share are seen in two of them only; and in a
	// browser, which takes longer, how half-precision weights are loaded in those of the
	// ends below.
	gpu := bothTargets(target)[1]
	for v, name := range []string{"block", "thin", "block-split", "block-small", "light", "thin-light"} {
		for i, m := range operands {
			whole, odd := sized(m, 132, 148, 180), sized(m, 131, 149, 147)
			switch {
			case runtime.GOOS == "js" && m.B != F32 && (name != "block" || m.B != F16):
			case v < 2:
				cases = append(cases, whole.rowBy(name, gpu, 1), odd.rowBy(name, gpu, 1))
			case m.Layout != TN && i%3 != v%3:
			case i%2 == 0:
				cases = append(cases, whole.rowBy(name, gpu, 1))
			default:
				cases = append(cases, odd.rowBy(name, gpu, 1))
			}
		}
	}
	if gpu.Features.Has(wgpu.F16) {
		for i, m := range operands {
			m.Half = true
			rows := sized(m, 132, 148, 52)
			if i%2 == 1 {
				rows = sized(m, 131, 149, 51)
			}
			cases = append(cases, rows.rowBy("block-half", gpu, 1))
		}
	}
	for i, m := range ends {
		m.Dropout = Dropout{Rate: 0.3, Site: uint32(i)}
		m.Plus = i%2 == 0
		cases = append(cases, sized(m, 35, 150, 20).rowBy("block", gpu, 0.2))
		if runtime.GOOS != "js" { // ten seconds each in a browser
			cases = append(cases, sized(m, 131, 74, 36).rowBy("light", gpu, 0.2))
			if i%2 == 0 {
				cases = append(cases, sized(m, 130, 78, 68).rowBy("block-split", gpu, 0.2))
			}
		}
	}
	for i, name := range []string{"block", "thin"} {
		m := passing[i]
		cases = append(cases, sized(m, 36, 148, 64).row(cpu, 0.2), sized(m, 3, 23, 20).row(cpu, 0.5))
		m.Plus = true
		cases = append(cases, sized(m, 35, 39, 20).rowBy(name, gpu, 0.5))
	}
	for _, m := range []MatMul{{Layout: NT, B: F16}, {Layout: NN, B: BF16}, {Layout: TN}} {
		m = sized(m, 13, 9, 21)
		naive := m.row(target, 1)
		naive.name = strings.Replace(naive.name, naive.call.Variant+"/"+naive.call.Spec.Entry, "matmul/naive", 1)
		naive.call, naive.operands = m.Naive(target), naive.operands[:3]
		cases = append(cases, naive)
	}
	return cases
}

// BenchmarkMatMul prints GFLOP/s of each kernel at the shapes of T5-small, and
// how many times the naive kernel's that is: the two take turns, and the median
// counts, since the machine may have other work.
func BenchmarkMatMul(b *testing.B) {
	dev := wgputest.Device(b)
	target := TargetOf(dev)
	for _, m := range []MatMul{
		{M: 512, N: 512, K: 512},
		{M: 1024, N: 512, K: 2048},
		{M: 1024, N: 2048, K: 512},
		{M: 1024, N: 2048, K: 512, B: F16},
		{M: 1024, N: 2048, K: 512, B: BF16},
		{M: 1024, N: 2046, K: 511},
		{M: 1024, N: 2048, K: 512, End: EndReLU, Dropout: Dropout{Rate: 0.1}},
		{M: 1024, N: 4096, K: 512, End: EndGated},
		{M: 1024, N: 512, K: 512, End: EndResidual},
		{Layout: NN, M: 1024, N: 2048, K: 512},
		{Layout: NN, M: 1024, N: 512, K: 2048},
		{Layout: TN, M: 512, N: 2048, K: 1024},
		{Layout: TN, M: 45, N: 512, K: 1024},
		{M: 4, N: 32_128, K: 512},
		{Layout: NN, M: 4, N: 512, K: 32_128},
		{M: 1, N: 2048, K: 512},
	} {
		b.Run(fmt.Sprintf("%v,%v,%v,%dx%dx%d", m.Layout, m.B, m.End, m.M, m.N, m.K), func(b *testing.B) {
			fast, naive := timeCall(b, dev, m, m.Call(target)), timeCall(b, dev, m, m.Naive(target))
			var f, n []time.Duration
			for range b.N {
				f, n = append(f, fast()), append(n, naive())
			}
			slices.Sort(f)
			slices.Sort(n)
			flops := 2 * float64(m.M) * float64(m.N) * float64(m.K)
			b.ReportMetric(flops/float64(f[len(f)/2]), "GFLOP/s")
			b.ReportMetric(float64(n[len(n)/2])/float64(f[len(f)/2]), "x-naive")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// timeCall returns a function that runs a product once and takes its time. The
// first run, which compiles, is done.
func timeCall(b *testing.B, dev *wgpu.Device, m MatMul, call Call) func() time.Duration {
	ctx := context.Background()
	pipeline, err := NewPool(dev).Pipeline(ctx, call.Spec)
	require.NoError(b, err)
	buffer := func(bytes int) *wgpu.Buffer {
		buf, err := dev.NewBuffer("benchmark", int64(bytes))
		require.NoError(b, err)
		b.Cleanup(buf.Release)
		return buf
	}
	params := buffer(len(call.Params))
	require.NoError(b, dev.Write(params, 0, call.Params))
	bindings := []wgpu.Binding{
		{Index: 0, Buffer: params},
		{Index: 1, Buffer: buffer(4 * m.M * m.K)},
		{Index: 2, Buffer: buffer(m.B.Bytes() * m.N * m.K)},
		{Index: 3, Buffer: buffer(4 * m.M * m.N)},
	}
	if call.Spec.File != "matmul_naive" {
		bindings = append(bindings, wgpu.Binding{Index: 4, Buffer: buffer(4 * m.M * m.N)}, wgpu.Binding{Index: 5, Buffer: buffer(4 * m.M * m.N)})
	}
	if call.Spec.Step {
		bindings = append(bindings, wgpu.Binding{Index: StepBinding, Buffer: buffer(StepBytes)})
	}
	group, err := dev.NewBindGroup(pipeline, bindings)
	require.NoError(b, err)
	b.Cleanup(group.Release)
	run := func() time.Duration {
		start := time.Now()
		require.NoError(b, dev.Submit([]wgpu.Dispatch{{Pipeline: pipeline, Group: group, Grid: call.Grid}}))
		require.NoError(b, dev.Wait(ctx))
		return time.Since(start)
	}
	run()
	return run
}
