package shaders

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// geluOracle is gelu_new, by its definition, and its derivative.
func geluOracle(g float64) (y, dy float64) {
	c := math.Sqrt(2 / math.Pi)
	th := math.Tanh(c * (g + 0.044715*g*g*g))
	return 0.5 * g * (1 + th), 0.5*(1+th) + 0.5*g*(1-th*th)*c*(1+3*0.044715*g*g)
}

func endsCases(target Target) []kernelCase {
	target.Groups = fewGroups
	var cases []kernelCase
	for _, n := range []int{1, 64, 65, 999} {
		for _, rate := range []float32{0, 0.1} {
			d, s := Dropout{Rate: rate, Site: 9}, Step{Key: Key(5, n, 0)}
			z, dout := normals(3, n, 1), normals(4, n, 1)
			y, dz := make([]float64, n), make([]float64, n)
			for i := range y {
				k := keepOracle(d, s, i)
				y[i] = k * max(0, float64(z[i]))
				if z[i] > 0 {
					dz[i] = k * float64(dout[i])
				}
			}
			x, sum := normals(5, n, 1), make([]float64, n)
			for i := range sum {
				sum[i] = float64(x[i]) + keepOracle(d, s, i)*float64(z[i])
			}
			cases = append(cases, kernelCase{
				name: fmt.Sprintf("relu/n=%d,rate=%v", n, rate), call: Ends{n, 1, EndReLU, d}.Call(target), step: s,
				operands: []operand{in(z), in([]float32{0}), out(y, 1)},
			}, kernelCase{
				name: fmt.Sprintf("residual/n=%d,rate=%v", n, rate), call: Ends{1, n, EndResidual, d}.Call(target), step: s,
				operands: []operand{in(z), in(x), out(sum, 1)},
			}, kernelCase{
				name: fmt.Sprintf("relu_grad/n=%d,rate=%v", n, rate), call: ReLUGrad{n, d}.Call(target), step: s,
				operands: []operand{in(dout), in(narrow(y)), out(dz, 1)},
			})
		}
	}
	return append(cases, gatedCases(target)...)
}

func gatedCases(target Target) []kernelCase {
	var cases []kernelCase
	for _, c := range []struct {
		rows, width int
		spread      float64 // of g and l
		rate        float32
	}{
		{1, 1, 1, 0}, {3, 65, 1, 0.1}, {7, 31, 1e-3, 0}, {40, 33, 5, 0.5}, {9, 10, 1e4, 0},
	} {
		d, s := Dropout{Rate: c.rate, Site: 9}, Step{Key: Key(5, c.rows, c.width)}
		n := c.rows * c.width
		g, l, dout := normals(1, n, c.spread), normals(2, n, c.spread), normals(3, n, 1)
		pre, dpre := make([]float32, 2*n), make([]float64, 2*n)
		for i := range n {
			pre[2*i], pre[2*i+1] = g[i], l[i]
			y, dy := geluOracle(float64(g[i]))
			k := keepOracle(d, s, i) * float64(dout[i])
			dpre[2*i], dpre[2*i+1] = k*float64(l[i])*dy, k*y
		}
		y := make([]float64, n)
		for i := range y {
			v, _ := geluOracle(float64(g[i]))
			y[i] = keepOracle(d, s, i) * v * float64(l[i])
		}
		cases = append(cases, kernelCase{
			name: fmt.Sprintf("gated/%dx%d,spread=%v,rate=%v", c.rows, c.width, c.spread, c.rate),
			call: Ends{c.rows, c.width, EndGated, d}.Call(target), step: s,
			operands: []operand{in(pre), in([]float32{0}), out(y, 1)},
		}, kernelCase{
			name: fmt.Sprintf("gated_grad/%dx%d,spread=%v,rate=%v", c.rows, c.width, c.spread, c.rate),
			call: GatedGrad{c.rows, c.width, d}.Call(target), step: s,
			operands: []operand{in(dout), in(pre), out(dpre, 1)},
		})
	}
	return cases
}

// TestEndsAlone holds each end alone to the product with the identity that has it
// fused, to the bit.
func TestEndsAlone(t *testing.T) {
	r := newRunner(t)
	step := Step{Key: Key(6, 1, 2)}
	for _, target := range bothTargets(TargetOf(r.dev)) {
		for _, e := range []Ends{
			{Rows: 37, Width: 45, End: EndReLU},
			{Rows: 5, Width: 28, End: EndResidual},
			{Rows: 9, Width: 19, End: EndGated},
		} {
			e.Dropout = Dropout{Rate: 0.2, Site: 3}
			width := e.Width
			if e.End == EndGated {
				width *= 2
			}
			z, identity := r.array(t, normals(1, e.Rows*width, 1)), make([]float32, width*width)
			for i := range width {
				identity[i*width+i] = 1
			}
			residual, n := r.array(t, normals(2, e.Rows*e.Width, 1)), e.Rows*e.Width
			fused, alone := r.array(t, make([]float32, n)), r.array(t, make([]float32, n))
			product := MatMul{M: e.Rows, N: width, K: width, End: e.End, Dropout: e.Dropout}
			r.dispatch(t, product.Call(target), step, z, r.array(t, identity), fused, residual, residual)
			r.dispatch(t, e.Call(target), step, z, residual, alone)
			require.Equal(t, r.floats(t, fused, n), r.floats(t, alone, n), "%v", e.End)
		}
	}
}

func TestGeLUOracle(t *testing.T) {
	for g := -6.0; g <= 6; g += 0.37 {
		_, dy := geluOracle(g)
		numeric := finiteDifference(func(x []float64) float64 { y, _ := geluOracle(x[0]); return y }, []float64{g}, 1e-5)
		require.InDelta(t, numeric[0], dy, 1e-8, "at %v", g)
	}
}
