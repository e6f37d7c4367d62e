package shaders

// Concat puts First positions a in front of Second positions b of each of Batch
// rows: [Batch, First+Second, Width]. Shared, all rows have the same a.
type Concat struct {
	Batch, First, Second, Width int
	Shared                      bool
}

type concatPass struct {
	Concat
	entry     string
	positions int // of out
	add       bool
}

var concatTable = newTable("concat", rowCells(
	func(c concatPass) bool { return c.Width%4 == 0 },
	func(c concatPass, t Target, size int) Call {
		return Call{
			Spec: Spec{File: "concat", Entry: c.entry, Constants: cellType("f32", size)},
			Params: params("concat", fields{
				"batch": c.Batch, "first": c.First, "second": c.Second, "width": c.Width / size,
				"shared_first": c.Shared, "add": c.add,
			}),
			Grid: t.grid1D(c.positions*(c.Width/size), 64),
		}
	})...)

// Forward joins the two.
//
// Bindings: 1 a [Batch, First, Width], or [First, Width] if Shared, 2 b [Batch,
// Second, Width], 3 out.
func (c Concat) Forward(t Target) Call {
	return concatTable.call(concatPass{c, "forward", c.Batch * (c.First + c.Second), false}, t)
}

// GradFirst writes the gradient of a, or adds it if add is set; Shared, it is
// the sum over the batch.
//
// Bindings: 1 dy [Batch, First+Second, Width], 2 da, shaped like a.
func (c Concat) GradFirst(t Target, add bool) Call {
	rows := c.Batch
	if c.Shared {
		rows = 1
	}
	return concatTable.call(concatPass{c, "grad_first", rows * c.First, add}, t)
}

// GradSecond writes the gradient of b, or adds it if add is set.
//
// Bindings: 1 dy [Batch, First+Second, Width], 2 db [Batch, Second, Width].
func (c Concat) GradSecond(t Target, add bool) Call {
	return concatTable.call(concatPass{c, "grad_second", c.Batch * c.Second, add}, t)
}
