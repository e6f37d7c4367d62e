package shaders

import "fmt"

// Activation is a function of each number: activation.wgsl has the formulas.
type Activation int

// The activations. SiLU is another name of Swish.
const (
	ReLU Activation = iota
	LeakyReLU
	Swish
	GELU    // of the normal distribution
	GELUNew // its approximation by tanh, T5 1.1's
	Tanh
)

var activationNames = []string{"relu", "leakyrelu", "swish", "gelu", "gelu_new", "tanh"}

func (a Activation) String() string { return activationNames[a] }

// ParseActivation finds an activation by its name.
func ParseActivation(name string) (Activation, error) {
	for i, n := range activationNames {
		if n == name || name == "silu" && n == "swish" {
			return Activation(i), nil
		}
	}
	return 0, fmt.Errorf("no activation is named %q: there are %v", name, activationNames)
}

// Forward computes f of n numbers.
//
// Bindings: 1 x [n], 2 y [n].
func (a Activation) Forward(t Target, n int) Call { return a.call(t, "forward", n) }

// Grad writes the gradient of x.
//
// Bindings: 1 x [n], 2 dy [n], 3 dx [n].
func (a Activation) Grad(t Target, n int) Call { return a.call(t, "grad", n) }

func (a Activation) call(t Target, entry string, n int) Call {
	return Call{
		Spec:   Spec{File: "activation", Entry: entry},
		Params: params("activation", fields{"n": n, "kind": int(a)}),
		Grid:   t.grid1D((n+3)/4, 64),
	}
}
