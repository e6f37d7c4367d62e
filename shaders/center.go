package shaders

// Center is x - mean(x) over rows of Width numbers. Its gradient is itself.
type Center struct{ Rows, Width int }

var centerTable = newTable("center", rowLanes(64, func(c Center, t Target, lanes int) Call {
	return Call{
		Spec:   Spec{File: "center", Entry: "center", Constants: Constants("LANES", lanes)},
		Params: params("center", fields{"rows": c.Rows, "width": c.Width}),
		Grid:   t.grid1D(c.Rows, 1),
	}
})...)

// Call makes the dispatch.
//
// Bindings: 1 x [Rows, Width], 2 out [Rows, Width].
func (c Center) Call(t Target) Call { return centerTable.call(c, t) }
