package shaders

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
)

// rmsnormOracle is RMSNorm in plain Go; keep is the dropout factor of each
// element.
type rmsnormOracle struct {
	rows, width int
	eps         float64
	keep        []float64
}

func (o rmsnormOracle) forward(x, w []float64) (out, rstd []float64) {
	out, rstd = make([]float64, len(x)), make([]float64, o.rows)
	for r := range o.rows {
		row := x[r*o.width : (r+1)*o.width]
		var squares float64
		for _, v := range row {
			squares += v * v
		}
		rstd[r] = 1 / math.Sqrt(squares/float64(o.width)+o.eps)
		for c, v := range row {
			out[r*o.width+c] = o.keep[r*o.width+c] * v * rstd[r] * w[c]
		}
	}
	return out, rstd
}

func (o rmsnormOracle) backward(x, w, dout []float64) (dx, dw []float64) {
	dx, dw = make([]float64, len(x)), make([]float64, len(w))
	_, rstd := o.forward(x, w)
	for r := range o.rows {
		var dot float64
		for c := range w {
			i := r*o.width + c
			d := o.keep[i] * dout[i]
			dw[c] += d * x[i] * rstd[r]
			dot += d * w[c] * x[i]
		}
		for c := range w {
			i := r*o.width + c
			dx[i] = rstd[r] * (o.keep[i]*dout[i]*w[c] - x[i]*rstd[r]*rstd[r]*dot/float64(o.width))
		}
	}
	return dx, dw
}

func keeps(d Dropout, s Step, n int) []float64 {
	k := make([]float64, n)
	for i := range k {
		k[i] = keepOracle(d, s, i)
	}
	return k
}

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// added is before + g, what a gradient array holds after g was added to it.
func added(before []float32, g []float64) []float64 {
	sum := wide(before)
	for i := range sum {
		sum[i] += g[i]
	}
	return sum
}

// bothTargets is the adapter at hand taken once as software, once as a GPU:
// each variant of a kernel must run on either. The GPU has few workgroups to a
// dimension, so that larger grids spread over two.
func bothTargets(t Target) []Target {
	cpu, gpu := t, t
	cpu.Type, gpu.Type = wgpu.CPU, wgpu.DiscreteGPU
	gpu.Groups = fewGroups
	return []Target{cpu, gpu}
}

const fewGroups = 9

func rmsnormCases(target Target) []kernelCase {
	var cases []kernelCase
	for _, c := range []struct {
		rows, width int
		norm        float64 // of a row, about
		rate        float32
	}{
		{1, 1, 1e-3, 0}, {1, 512, 20, 0}, {3, 7, 1, 0.1}, {8, 64, 8, 0}, {9, 65, 1e-3, 0},
		{17, 129, 1e-3, 0.1}, {70, 40, 6, 0.1}, {5, 1024, 1e3, 0}, {301, 96, 10, 0.5},
	} {
		d, s := Dropout{Rate: c.rate, Site: 5}, Step{Key: Key(7, c.rows, c.width)}
		n := RMSNorm{Rows: c.rows, Width: c.width, Eps: 1e-6, Dropout: d}
		size := c.rows * c.width
		o := rmsnormOracle{c.rows, c.width, float64(n.Eps), keeps(d, s, size)}
		x := normals(1, size, c.norm/math.Sqrt(float64(c.width)))
		w, dout := normals(2, c.width, 1), normals(3, size, 1)
		prev, before := normals(4, size, 1/c.norm), normals(5, c.width, 1)
		y, rstd := o.forward(wide(x), wide(w))
		dx, dw := o.backward(wide(x), wide(w), wide(dout))
		for _, t := range bothTargets(target) {
			row := func(op string, call Call, operands ...operand) {
				name := fmt.Sprintf("rmsnorm/%s/%dx%d,norm=%v,rate=%v,cpu=%v", op, c.rows, c.width, c.norm, c.rate, t.Type == wgpu.CPU)
				cases = append(cases, kernelCase{name: name, call: call, step: s, operands: operands})
			}
			row("forward", n.Forward(t), in(x), in(w), out(y, c.width), out(rstd, c.width))
			r := narrow(rstd)
			row("grad_x", n.GradX(t, false, Dropout{}), in(x), in(w), in(r), in(dout), in([]float32{0}), out(dx, c.width))
			row("grad_x,prev", n.GradX(t, true, Dropout{}), in(x), in(w), in(r), in(dout), in(prev), out(added(prev, dx), c.width))
			then := Dropout{Rate: 0.2, Site: 6}
			whole := added(prev, dx)
			passed := make([]float64, size)
			for i, k := range keeps(then, s, size) {
				passed[i] = k * whole[i]
			}
			row("grad_x_dropped,prev", n.GradX(t, true, then), in(x), in(w), in(r), in(dout), in(prev), out(whole, c.width), out(passed, c.width))
			row("grad_w", n.GradW(t), in(x), in(r), in(dout), inout(before, added(before, dw), c.rows))
		}
	}
	return cases
}

func TestRMSNormOracle(t *testing.T) {
	const rows, width = 3, 5
	o := rmsnormOracle{rows, width, 1e-6, keeps(Dropout{Rate: 0.3}, Step{Key: Key(1, 1, 1)}, rows*width)}
	x, w, dout := wide(normals(1, rows*width, 1)), wide(normals(2, width, 1)), wide(normals(3, rows*width, 1))
	loss := func(x, w []float64) float64 {
		y, _ := o.forward(x, w)
		return dot(y, dout)
	}
	dx, dw := o.backward(x, w, dout)
	require.InDeltaSlice(t, finiteDifference(func(x []float64) float64 { return loss(x, w) }, x, 1e-5), dx, 1e-8)
	require.InDeltaSlice(t, finiteDifference(func(w []float64) float64 { return loss(x, w) }, w, 1e-5), dw, 1e-8)
}

func dot(a, b []float64) float64 {
	var sum float64
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
