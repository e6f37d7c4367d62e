package shaders

// Concat puts First positions a in front of Second positions b of each of Batch
// rows: [Batch, First+Second, Width]. Shared, all rows have the same a.
type Concat struct {
	Batch, First, Second, Width int
	Shared                      bool
}

// Forward joins the two.
//
// Bindings: 1 a [Batch, First, Width], or [First, Width] if Shared, 2 b [Batch,
// Second, Width], 3 out.
func (c Concat) Forward(t Target) Call {
	return c.call(t, "forward", c.Batch*(c.First+c.Second), false)
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
	return c.call(t, "grad_first", rows*c.First, add)
}

// GradSecond writes the gradient of b, or adds it if add is set.
//
// Bindings: 1 dy [Batch, First+Second, Width], 2 db [Batch, Second, Width].
func (c Concat) GradSecond(t Target, add bool) Call {
	return c.call(t, "grad_second", c.Batch*c.Second, add)
}

func (c Concat) call(t Target, entry string, positions int, add bool) Call {
	constants, size := cells(c.Width)
	return Call{
		Spec:   Spec{File: "concat", Entry: entry, Constants: constants},
		Params: params(c.Batch, c.First, c.Second, c.Width/size, c.Shared, add),
		Grid:   t.grid1D(positions*(c.Width/size), 64),
	}
}
