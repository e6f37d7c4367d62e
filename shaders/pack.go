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

type packPass struct {
	Pack
	entry   string
	columns int // of out
	part    int
	add     bool
}

// A thread takes one column of eight rows.
var packTable = newTable("pack", rowCells(
	func(p packPass) bool { return !p.Interleaved && wholeFours(p.Widths...) },
	func(p packPass, t Target, size int) Call {
		has := 0
		for i, given := range p.Has {
			if given {
				has |= 1 << i
			}
		}
		return Call{
			Spec: Spec{File: "pack", Entry: p.entry, Constants: cellType("f32", size)},
			Params: params("pack", fields{
				"rows": p.Rows, "parts": len(p.Widths),
				"a": p.width(0) / size, "b": p.width(1) / size, "c": p.width(2) / size,
				"has": has, "interleaved": p.Interleaved, "fill": p.Fill, "part": p.part, "add": p.add,
			}),
			Grid: t.grid1D((p.Rows+7)/8*((p.columns/size+63)/64), 1),
		}
	})...)

// Forward packs the parts.
//
// Bindings: 1, 2, 3 the parts [Rows, Widths[i]], any buffer in place of an absent
// one, 4 out [Rows, ΣWidths].
func (p Pack) Forward(t Target) Call {
	return packTable.call(packPass{p, "forward", p.Widths[0] + p.width(1) + p.width(2), 0, false}, t)
}

// Part takes the columns of part i out of a packed matrix; add adds them to out.
//
// Bindings: 1 packed [Rows, ΣWidths], 2 out [Rows, Widths[i]].
func (p Pack) Part(t Target, i int, add bool) Call {
	return packTable.call(packPass{p, "part", p.Widths[i], i, add}, t)
}

// AddPart adds to the columns of part i of a packed matrix.
//
// Bindings: 1 part [Rows, Widths[i]], 2 packed [Rows, ΣWidths].
func (p Pack) AddPart(t Target, i int) Call {
	return packTable.call(packPass{p, "add_part", p.Widths[i], i, true}, t)
}

func (p Pack) width(i int) int {
	if i < len(p.Widths) {
		return p.Widths[i]
	}
	return 0
}
