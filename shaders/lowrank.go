package shaders

// GradA adds the gradient of A to dA; rows past Length get none.
//
// Bindings: 1 G [Length, Width] from GradShift, 2 B [Rank, Width],
// 3 dA [MaxLength, Rank].
func (e Embed) GradA(t Target) Call {
	lanes := 64
	if t.CPU {
		lanes = 8
	}
	return e.lowrank("grad_a", Constants("LANES", lanes), t.grid1D(e.shifted()*((e.Rank+3)/4), 1))
}

// GradB adds the gradient of B to dB.
//
// Bindings: 1 G [Length, Width] from GradShift, 2 A [MaxLength, Rank],
// 3 dB [Rank, Width].
func (e Embed) GradB(t Target) Call {
	return e.lowrank("grad_b", "", t.grid1D((e.Rank+3)/4*((e.Width+63)/64), 1))
}

// shifted is how many text positions have a row in A.
func (e Embed) shifted() int { return min(e.Length, e.MaxLength) }

func (e Embed) lowrank(entry, constants string, grid [3]uint32) Call {
	return Call{
		Spec:   Spec{File: "lowrank", Entry: entry, Constants: constants},
		Params: params(e.shifted(), e.Rank, e.Width),
		Grid:   grid,
	}
}
