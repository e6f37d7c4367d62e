package shaders

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// activationOracle is f(x) and f'(x).
func activationOracle(a Activation, x float64) (y, slope float64) {
	logistic := 1 / (1 + math.Exp(-x))
	switch a {
	case ReLU:
		if x > 0 {
			return x, 1
		}
		return 0, 0
	case LeakyReLU:
		if x > 0 {
			return x, 1
		}
		return 0.01 * x, 0.01
	case Swish:
		return x * logistic, logistic * (1 + x*(1-logistic))
	case GELU:
		normal := math.Erfc(-x/math.Sqrt2) / 2
		return x * normal, normal + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case GELUNew:
		u, du := math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x), math.Sqrt(2/math.Pi)*(1+3*0.044715*x*x)
		t := math.Tanh(u)
		return x * (1 + t) / 2, (1+t)/2 + x*(1-t*t)*du/2
	default:
		t := math.Tanh(x)
		return t, 1 - t*t
	}
}

func activationCases(target Target) []kernelCase {
	target.Groups = fewGroups
	var cases []kernelCase
	for a := range Activation(len(activationNames)) {
		for _, c := range []struct {
			n    int
			size float64
		}{{1, 1}, {65, 1}, {9999, 2}, {63, 1e-3}, {257, 30}} {
			x, dy := normals(1, c.n, c.size), normals(2, c.n, 1)
			y, dx := make([]float64, c.n), make([]float64, c.n)
			for i := range x {
				y[i], dx[i] = activationOracle(a, float64(x[i]))
				dx[i] *= float64(dy[i])
			}
			name := fmt.Sprintf("activation/%s/n=%d,size=%g", a, c.n, c.size)
			cases = append(cases,
				kernelCase{name: name, call: a.Forward(target, c.n), operands: []operand{in(x), out(y, 1)}},
				kernelCase{name: name + "/grad", call: a.Grad(target, c.n), operands: []operand{in(x), in(dy), out(dx, 1)}},
			)
		}
	}
	return cases
}

func TestActivationOracle(t *testing.T) {
	for i, name := range activationNames {
		a, err := ParseActivation(name)
		require.NoError(t, err)
		require.Equal(t, Activation(i), a)
		for _, x := range []float64{-7.3, -1.1, -0.01, 0.02, 0.7, 4.9} {
			const h = 1e-5
			up, _ := activationOracle(a, x+h)
			down, _ := activationOracle(a, x-h)
			_, slope := activationOracle(a, x)
			assert.InDelta(t, (up-down)/(2*h), slope, 1e-8, "%s at %g", a, x)
		}
	}
	_, err := ParseActivation("mish")
	assert.ErrorContains(t, err, `no activation is named "mish": there are [relu`)
}
