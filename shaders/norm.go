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
		Spec:   Spec{File: "norm", Entry: "sum_squares"},
		Params: params("norm", fields{"n": s.N, "slot": s.Slot}),
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
// if the update is applied and 0 if not, factor), 4 factor [2]: what AdamW multiplies
// gradients by, factor/GradScale, and applied.
func (c ClipNorm) Call(t Target) Call {
	return Call{
		Spec:   Spec{File: "norm", Entry: "clip_norm", Step: true},
		Params: params("norm", fields{"n": c.Slots, "slot": 0}),
		Grid:   [3]uint32{1, 1, 1},
	}
}
