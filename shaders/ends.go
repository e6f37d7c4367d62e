package shaders

// Ends is the end of a product alone, for a z that is no product: z [Rows, Width]
// becomes keep·max(0, z) with EndReLU and residual + keep·z with EndResidual; with
// EndGated z is [Rows, 2·Width] and columns 2j and 2j+1 become
// keep·gelu(z[2j])·z[2j+1]. See MatMul.
type Ends struct {
	Rows, Width int // of out
	End         End // all but EndPlain
	Dropout     Dropout
}

// Call makes the dispatch.
//
// Bindings: 1 z, 2 residual [Rows, Width] with EndResidual, else any buffer, 3 out
// [Rows, Width].
func (e Ends) Call(t Target) Call {
	n := e.Rows * e.Width
	switch e.End {
	case EndReLU:
		return end(t, "relu", n, 4, e.Dropout)
	case EndResidual:
		return end(t, "add_residual", n, 4, e.Dropout)
	case EndGated:
		return end(t, "gated", n, 2, e.Dropout)
	}
	panic("shaders: a plain end does nothing by itself")
}

// ReLUGrad is the gradient of out = dropout(max(z, 0)), from out alone.
type ReLUGrad struct {
	N       int
	Dropout Dropout
}

// Call makes the dispatch.
//
// Bindings: 1 dout [N], 2 out [N], 3 dz [N].
func (r ReLUGrad) Call(t Target) Call {
	return end(t, "relu_grad", r.N, 4, r.Dropout)
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
	return end(t, "gated_grad", g.Rows*g.Width, 2, g.Dropout)
}

// end gives each thread some of the n numbers.
func end(t Target, entry string, n, each int, d Dropout) Call {
	return Call{
		Spec:   Spec{File: "ends", Entry: entry, Step: entry != "relu_grad"},
		Params: params("ends", d.with(fields{"n": n})),
		Grid:   t.grid1D((n+each-1)/each, 64),
	}
}
