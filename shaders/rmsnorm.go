package shaders

// RMSNorm is x·w/√(mean(x²)+Eps) over rows of Width numbers, then dropout.
type RMSNorm struct {
	Rows, Width int
	Eps         float32
	Dropout     Dropout // an element is named by its index in [Rows, Width]
}

// Forward normalises rows and keeps what the backward pass needs of them.
//
// Bindings: 1 x [Rows, Width], 2 w [Width], 3 out [Rows, Width], 4 rstd [Rows],
// the 1/√(mean(x²)+Eps) of each row.
func (n RMSNorm) Forward(t Target) Call { return n.perRow(t, "forward", false) }

// GradX is the gradient of x, added to prev if prev is set.
//
// Bindings: 1 x, 2 w, 3 rstd, 4 dout [Rows, Width], 5 prev [Rows, Width] (any
// buffer if prev is not set), 6 dx [Rows, Width].
func (n RMSNorm) GradX(t Target, prev bool) Call { return n.perRow(t, "grad_x", prev) }

// GradW adds the gradient of w to dw.
//
// Bindings: 1 x, 2 rstd, 3 dout, 4 dw [Width].
func (n RMSNorm) GradW(t Target) Call { return n.call("grad_w", "", false, t.grid1D(n.Width, 16)) }

// perRow gives each row to a workgroup: eight threads are one vector of a
// software adapter, and cost no switch at a barrier.
func (n RMSNorm) perRow(t Target, entry string, prev bool) Call {
	lanes := 64
	if t.CPU {
		lanes = 8
	}
	return n.call(entry, Constants("LANES", lanes), prev, t.grid1D(n.Rows, 1))
}

func (n RMSNorm) call(entry, constants string, prev bool, grid [3]uint32) Call {
	site, threshold, scale := n.Dropout.params()
	return Call{
		Spec:   Spec{File: "rmsnorm", Entry: entry, Constants: constants, Step: true},
		Params: params(n.Rows, n.Width, n.Eps, prev, site, threshold, scale),
		Grid:   grid,
	}
}
