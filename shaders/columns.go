package shaders

// Columns scales and shifts the columns of a matrix: y[i,j] = x[i,j]·scale[j] +
// shift[j], each where it is set.
type Columns struct {
	Rows, Width  int
	Scale, Shift bool
}

// Forward computes y.
//
// Bindings: 1 x [Rows, Width], 2 scale [Width], 3 shift [Width], 4 y [Rows,
// Width]. What is not set binds any buffer.
func (c Columns) Forward(t Target) Call { return c.blocks(t, "forward", false) }

// GradX writes the gradient of x, added to prev if prev is set.
//
// Bindings: 1 dy [Rows, Width], 2 scale [Width] (any buffer without Scale),
// 3 prev [Rows, Width] (any buffer if prev is not set), 4 dx [Rows, Width].
func (c Columns) GradX(t Target, prev bool) Call { return c.blocks(t, "grad_x", prev) }

// GradScale adds the gradient of scale to dscale.
//
// Bindings: 1 dy [Rows, Width], 2 x [Rows, Width], 3 dscale [Width].
func (c Columns) GradScale(t Target) Call { return c.sums(t, "grad_scale") }

// GradShift adds the gradient of shift to dshift.
//
// Bindings: 1 dy [Rows, Width], 2 dshift [Width].
func (c Columns) GradShift(t Target) Call { return c.sums(t, "grad_shift") }

// blocks gives each thread one column of eight rows.
func (c Columns) blocks(t Target, entry string, prev bool) Call {
	constants, size := cells(c.Width)
	width := c.Width / size
	return c.call(entry, constants, width, prev, t.grid1D((c.Rows+7)/8*((width+63)/64), 1))
}

// sums gives 16 columns to a workgroup. On a GPU a column is one number, since
// fewer workgroups would leave most of it idle; a software adapter is served by
// few loads.
func (c Columns) sums(t Target, entry string) Call {
	constants, size := "", 1
	if t.CPU {
		constants, size = cells(c.Width)
	}
	return c.call(entry, constants, c.Width/size, false, t.grid1D(c.Width/size, 16))
}

func (c Columns) call(entry, constants string, width int, prev bool, grid [3]uint32) Call {
	return Call{
		Spec:   Spec{File: "columns", Entry: entry, Constants: constants},
		Params: params(c.Rows, width, c.Scale, c.Shift, prev),
		Grid:   grid,
	}
}
