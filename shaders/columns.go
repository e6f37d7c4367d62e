package shaders

import "github.com/go-dept/dept/wgpu"

// Columns scales and shifts the columns of a matrix: y[i,j] = x[i,j]·scale[j] +
// shift[j], each where it is set.
type Columns struct {
	Rows, Width  int
	Scale, Shift bool
}

type columnsPass struct {
	Columns
	entry string
	prev  bool
}

func (c columnsPass) fours() bool { return c.Width%4 == 0 }

// A thread takes one column of eight rows.
var columnsTable = newTable("columns", rowCells(columnsPass.fours, func(c columnsPass, t Target, size int) Call {
	return c.call(size, t.grid1D((c.Rows+7)/8*((c.Width/size+63)/64), 1))
})...)

// A workgroup sums 16 columns. Where loads are dear a column is four numbers; a
// GPU would have too few workgroups then.
var columnSumsTable = newTable("columns-sums",
	variant[columnsPass]{name: "fours", needs: needs{on: wgpu.CPU}, fits: columnsPass.fours, call: columnSums(4)},
	variant[columnsPass]{name: "ones", needs: needs{invocations: 256}, call: columnSums(1)},
)

func columnSums(size int) func(columnsPass, Target) Call {
	return func(c columnsPass, t Target) Call { return c.call(size, t.grid1D(c.Width/size, 16)) }
}

func (c columnsPass) call(size int, grid [3]uint32) Call {
	return Call{
		Spec: Spec{File: "columns", Entry: c.entry, Constants: cellType("f32", size)},
		Params: params("columns", fields{
			"rows": c.Rows, "width": c.Width / size, "scaled": c.Scale, "shifted": c.Shift, "prev": c.prev,
		}),
		Grid: grid,
	}
}

// Forward computes y.
//
// Bindings: 1 x [Rows, Width], 2 scale [Width], 3 shift [Width], 4 y [Rows,
// Width]. What is not set binds any buffer.
func (c Columns) Forward(t Target) Call {
	return columnsTable.call(columnsPass{c, "forward", false}, t)
}

// GradX writes the gradient of x, added to prev if prev is set.
//
// Bindings: 1 dy [Rows, Width], 2 scale [Width] (any buffer without Scale),
// 3 prev [Rows, Width] (any buffer if prev is not set), 4 dx [Rows, Width].
func (c Columns) GradX(t Target, prev bool) Call {
	return columnsTable.call(columnsPass{c, "grad_x", prev}, t)
}

// GradScale adds the gradient of scale to dscale.
//
// Bindings: 1 dy [Rows, Width], 2 x [Rows, Width], 3 dscale [Width].
func (c Columns) GradScale(t Target) Call {
	return columnSumsTable.call(columnsPass{c, "grad_scale", false}, t)
}

// GradShift adds the gradient of shift to dshift.
//
// Bindings: 1 dy [Rows, Width], 2 dshift [Width].
func (c Columns) GradShift(t Target) Call {
	return columnSumsTable.call(columnsPass{c, "grad_shift", false}, t)
}
