package shaders

// RMSNorm is x·w/√(mean(x²)+Eps) over rows of Width numbers, then dropout.
type RMSNorm struct {
	Rows, Width int
	Eps         float32
	Dropout     Dropout // an element is named by its index in [Rows, Width]
}

// rmsnormRows are the passes that give each row to a workgroup.
type rmsnormRows struct {
	RMSNorm
	entry string
	prev  bool
	then  Dropout
}

var rmsnormTable = newTable("rmsnorm", rowLanes(64, func(n rmsnormRows, t Target, lanes int) Call {
	return n.RMSNorm.call(n, Constants("LANES", lanes), t.grid1D(n.Rows, 1))
})...)

// Forward normalizes rows and keeps what the backward pass needs of them.
//
// Bindings: 1 x [Rows, Width], 2 w [Width], 3 out [Rows, Width], 4 rstd [Rows],
// the 1/√(mean(x²)+Eps) of each row.
func (n RMSNorm) Forward(t Target) Call {
	return rmsnormTable.call(rmsnormRows{RMSNorm: n, entry: "forward"}, t)
}

// GradX is the gradient of x, added to prev if prev is set. Where x is itself the
// result of a dropout, what that passes on of its gradient can be written as well.
//
// Bindings: 1 x, 2 w, 3 rstd, 4 dout [Rows, Width], 5 prev [Rows, Width] (any
// buffer if prev is not set), 6 dx [Rows, Width], and where then has a rate 7
// keep·dx [Rows, Width].
func (n RMSNorm) GradX(t Target, prev bool, then Dropout) Call {
	entry := "grad_x"
	if then.Rate > 0 {
		entry = "grad_x_dropped"
	}
	return rmsnormTable.call(rmsnormRows{n, entry, prev, then}, t)
}

// GradW adds the gradient of w to dw.
//
// Bindings: 1 x, 2 rstd, 3 dout, 4 dw [Width].
func (n RMSNorm) GradW(t Target) Call {
	return n.call(rmsnormRows{entry: "grad_w"}, "", t.grid1D(n.Width, 16))
}

func (n RMSNorm) call(r rmsnormRows, constants string, grid [3]uint32) Call {
	f := n.Dropout.with(fields{"rows": n.Rows, "width": n.Width, "eps": n.Eps, "prev": r.prev})
	f["then_site"], f["then_threshold"], f["then_keep_scale"] = r.then.params()
	return Call{
		Spec:   Spec{File: "rmsnorm", Entry: r.entry, Constants: constants, Step: true},
		Params: params("rmsnorm", f),
		Grid:   grid,
	}
}
