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

func activationCases(target Target) []kernelCase {
	target.Groups = fewGroups
	var cases []kernelCase
	for _, n := range []int{1, 64, 65, 999} {
		a, b := normals(1, n, 1), normals(2, n, 1)
		sum, constant := make([]float64, n), make([]float64, n)
		for i := range sum {
			sum[i], constant[i] = float64(a[i])+float64(b[i]), -2.5
		}
		cases = append(cases,
			kernelCase{name: fmt.Sprintf("add/n=%d", n), call: Add{n}.Call(target), operands: []operand{in(a), in(b), out(sum, 2)}},
			kernelCase{name: fmt.Sprintf("fill/n=%d", n), call: Fill{n, -2.5}.Call(target), operands: []operand{out(constant, 1)}})
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
			cases = append(cases, kernelCase{
				name: fmt.Sprintf("relu_grad/n=%d,rate=%v", n, rate), call: ReLUGrad{n, d}.Call(target), step: s,
				operands: []operand{in(dout), in(narrow(y)), out(dz, 1)},
			})
		}
	}
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
		cases = append(cases, kernelCase{
			name: fmt.Sprintf("gated_grad/%dx%d,spread=%v,rate=%v", c.rows, c.width, c.spread, c.rate),
			call: GatedGrad{c.rows, c.width, d}.Call(target), step: s,
			operands: []operand{in(dout), in(pre), out(dpre, 1)},
		})
	}
	return cases
}

func TestGeLUOracle(t *testing.T) {
	for g := -6.0; g <= 6; g += 0.37 {
		_, dy := geluOracle(g)
		numeric := finiteDifference(func(x []float64) float64 { y, _ := geluOracle(x[0]); return y }, []float64{g}, 1e-5)
		require.InDelta(t, numeric[0], dy, 1e-8, "at %v", g)
	}
}
