package shaders

// SumSquares adds up the squares of N numbers, to a relative error below 1e-6.
type SumSquares struct {
	N    int
	Slot int // where its partial sums begin
}

// sumBlock is how many squares go into a partial sum.
const sumBlock = 65536

// Slots is how many partial sums there are.
func (s SumSquares) Slots() int { return (s.N + sumBlock - 1) / sumBlock }

// Call makes the dispatch.
//
// Bindings: 1 grad [N], 2 partials, of which Slots from Slot on are written.
func (s SumSquares) Call(t Target) Call {
	return Call{
		Spec:   Spec{File: "adamw", Entry: "sum_squares"},
		Params: params(s.N, s.Slot, 0, 0, 0, 0, 0, 0, 0),
		Grid:   t.grid1D(s.Slots(), 1),
	}
}

// ClipNorm makes the factor of an update from the sums of squares of all
// gradients: min(1, Clip/(norm+1e-6)), or 1 where the step's Clip is 0. A loss or
// norm that is not finite stops the update.
type ClipNorm struct {
	Slots int // partial sums
}

// Call makes the dispatch.
//
// Bindings: 1 partials [Slots], 2 total [1], the loss, emptied, 3 records
// [ring, 4], whose row of the step's Slot becomes (loss, norm before clipping, 1
// if the update is applied and 0 if not, factor), 4 factor [2]: factor, applied.
func (c ClipNorm) Call(t Target) Call {
	return Call{
		Spec:   Spec{File: "adamw", Entry: "clip_norm", Step: true},
		Params: params(c.Slots, 0, 0, 0, 0, 0, 0, 0, 0),
		Grid:   [3]uint32{1, 1, 1},
	}
}

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
		Params: params(a.N, 0, a.Group, float32(a.Scale), float32(a.Beta1), float32(a.Beta2),
			float32(1-a.Beta1), float32(1-a.Beta2), float32(a.Eps)),
		Grid: t.grid1D((a.N+3)/4, 64),
	}
}
