package shaders

// AdamW updates a parameter of N numbers with Scale times the rate of its Group,
// and empties its gradient. An update that ClipNorm stopped leaves parameter and
// moments as they are, to the bit.
type AdamW struct {
	N                 int
	Group             int
	Scale             float64 // 0 means 1
	Beta1, Beta2, Eps float64
}

// Call makes the dispatch.
//
// Bindings: 1 param [N], 2 grad [N], 3 m [N], 4 v [N], 5 factor from ClipNorm,
// 6 rates [groups]: lr·√(1-β2^t)/(1-β1^t) of each group at update t.
func (a AdamW) Call(t Target) Call {
	if a.Scale == 0 {
		a.Scale = 1
	}
	return Call{
		Spec: Spec{File: "adamw", Entry: "adamw"},
		Params: params("adamw", fields{
			"n": a.N, "group": a.Group, "scale": float32(a.Scale), "beta1": float32(a.Beta1), "beta2": float32(a.Beta2),
			"alpha1": float32(1 - a.Beta1), "alpha2": float32(1 - a.Beta2), "eps": float32(a.Eps),
		}),
		Grid: t.grid1D((a.N+3)/4, 64),
	}
}
