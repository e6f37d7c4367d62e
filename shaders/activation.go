package shaders

// ReLUGrad is the gradient of out = dropout(max(z, 0)), told from out alone.
type ReLUGrad struct {
	N       int
	Dropout Dropout
}

// Call makes the dispatch.
//
// Bindings: 1 dout [N], 2 out [N], 3 dz [N].
func (r ReLUGrad) Call(t Target) Call {
	return elementwise(t, "relu_grad", r.N, 4, 0, r.Dropout, false)
}

// GatedGrad is the gradient of out = dropout(gelu(g)·l), where rows of pre hold
// g in the even columns and l in the odd ones.
type GatedGrad struct {
	Rows, Width int     // of out
	Dropout     Dropout // an element is named by its index in out
}

// Call makes the dispatch.
//
// Bindings: 1 dout [Rows, Width], 2 pre [Rows, 2·Width], 3 dpre [Rows, 2·Width].
func (g GatedGrad) Call(t Target) Call {
	return elementwise(t, "gated_grad", g.Rows*g.Width, 2, 0, g.Dropout, true)
}

// Add is a + b.
type Add struct{ N int }

// Call makes the dispatch.
//
// Bindings: 1 a [N], 2 b [N], 3 out [N].
func (a Add) Call(t Target) Call { return elementwise(t, "add", a.N, 4, 0, Dropout{}, false) }

// Fill writes one value everywhere.
type Fill struct {
	N     int
	Value float32
}

// Call makes the dispatch.
//
// Bindings: 1 out [N].
func (f Fill) Call(t Target) Call { return elementwise(t, "fill", f.N, 4, f.Value, Dropout{}, false) }

// elementwise gives each thread some of the n numbers.
func elementwise(t Target, entry string, n, each int, value float32, d Dropout, step bool) Call {
	site, threshold, scale := d.params()
	return Call{
		Spec:   Spec{File: "activation", Entry: entry, Step: step},
		Params: params(n, value, site, threshold, scale),
		Grid:   t.grid1D((n+each-1)/each, 64),
	}
}
