package shaders

// Pack lays one to three matrices of Rows rows side by side in a matrix [Rows,
// ΣWidths]. Interleaved, which needs equal Widths, column c of it is column c/n
// of part c mod n, where n is how many parts there are. A part that Has does not
// name is Fill everywhere.
type Pack struct {
	Rows        int
	Widths      []int
	Has         [3]bool
	Interleaved bool
	Fill        float32
}

// Forward packs the parts.
//
// Bindings: 1, 2, 3 the parts [Rows, Widths[i]], any buffer in place of an absent
// one, 4 out [Rows, ΣWidths].
func (p Pack) Forward(t Target) Call {
	return p.call(t, "forward", p.Widths[0]+p.width(1)+p.width(2), 0, false)
}

// Part takes the columns of part i out of a packed matrix; add adds them to out.
//
// Bindings: 1 packed [Rows, ΣWidths], 2 out [Rows, Widths[i]].
func (p Pack) Part(t Target, i int, add bool) Call {
	return p.call(t, "part", p.Widths[i], i, add)
}

func (p Pack) width(i int) int {
	if i < len(p.Widths) {
		return p.Widths[i]
	}
	return 0
}

// call gives each thread one column of eight rows; columns are those of out.
func (p Pack) call(t Target, entry string, columns, part int, add bool) Call {
	constants, size := "", 1
	if !p.Interleaved {
		constants, size = cells(p.Widths...)
	}
	has := 0
	for i, given := range p.Has {
		if given {
			has |= 1 << i
		}
	}
	columns /= size
	return Call{
		Spec: Spec{File: "pack", Entry: entry, Constants: constants},
		Params: params(p.Rows, len(p.Widths), p.width(0)/size, p.width(1)/size, p.width(2)/size,
			has, p.Interleaved, p.Fill, part, add),
		Grid: t.grid1D((p.Rows+7)/8*((columns+63)/64), 1),
	}
}
