package shaders

// RowNorms is DoRA's norm of the rows of a weight and its low-rank change:
// n[o] = ‖W[First + Step·o, :] + Scale·B[o, :]·A‖₂ for each of Rows rows o.
type RowNorms struct {
	Rows, Width, Rank int
	First, Step       int // which rows of W
	W                 Storage
	Scale             float32
}

var rowNormsTable = newTable("rownorms", rowLanes(64, func(n RowNorms, t Target, lanes int) Call {
	return Call{
		Spec: Spec{File: "rownorms", Entry: "row_norms", Constants: Constants("STORAGE", uint32(n.W), "LANES", lanes)},
		Params: params("rownorms", fields{
			"rows": n.Rows, "width": n.Width, "rank": n.Rank, "first": n.First, "step": n.Step, "scale": n.Scale,
		}),
		Grid: t.grid1D((n.Rows+3)/4, 1),
	}
})...)

// Call makes the dispatch.
//
// Bindings: 1 W [any, Width] in W storage, 2 A [Rank, Width], 3 B [Rows, Rank],
// 4 out [Rows].
func (n RowNorms) Call(t Target) Call { return rowNormsTable.call(n, t) }
