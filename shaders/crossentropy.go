package shaders

// CrossEntropy is -log softmax(logits)[label] of each row, over logits that may
// come in slices of the vocabulary: Stats for every slice, then Loss, and Grad
// for every slice again. Rows whose label is negative (-100, as a rule) are left
// out. Labels are [Rows] signed integers.
type CrossEntropy struct {
	Rows  int
	Vocab int // columns of this slice
	First int // the slice's first class
}

// crossEntropyRows are the passes whose threads share a row, and loss, where they
// share all rows.
type crossEntropyRows struct {
	CrossEntropy
	entry string
	start bool
}

var crossEntropyTable = newTable("crossentropy", rowLanes(256, func(c crossEntropyRows, t Target, lanes int) Call {
	rows, step := c.Rows, false
	if c.entry == "loss" {
		rows, step = 1, true
	}
	return c.call(c.entry, Constants("LANES", lanes), c.start, step, t.grid1D(rows, 1))
})...)

// Stats takes a slice into each row's running maximum, sum of exponentials and
// logit of the label; start begins anew.
//
// Bindings: 1 logits [Rows, Vocab], 2 labels, 3 stats [Rows, 4].
func (c CrossEntropy) Stats(t Target, start bool) Call {
	return crossEntropyTable.call(crossEntropyRows{c, "stats", start}, t)
}

// Loss writes the loss of each row, 0 for one left out, and adds the step's
// LossScale times their sum to total.
//
// Bindings: 1 labels, 2 stats, 3 nll [Rows], 4 total [1].
func (c CrossEntropy) Loss(t Target) Call {
	return crossEntropyTable.call(crossEntropyRows{c, "loss", false}, t)
}

// Grad turns a slice of logits into the gradient of what Loss added to total.
//
// Bindings: 1 logits, overwritten, 2 labels, 3 stats of all slices.
func (c CrossEntropy) Grad(t Target) Call {
	return c.call("grad", "", false, true, t.grid1D(c.Rows*((c.Vocab+255)/256), 1))
}

// ArgMax takes a slice into the class of each row's largest logit: the lowest of
// equals, 0 for a row of NaN; start begins anew.
//
// Bindings: 1 logits [Rows, Vocab], 2 out [Rows] unsigned integers, 3 largest [Rows],
// the logits of out.
func (c CrossEntropy) ArgMax(t Target, start bool) Call {
	return crossEntropyTable.call(crossEntropyRows{c, "arg_max", start}, t)
}

func (c CrossEntropy) call(entry, constants string, start, step bool, grid [3]uint32) Call {
	return Call{
		Spec:   Spec{File: "crossentropy", Entry: entry, Constants: constants, Step: step},
		Params: params("crossentropy", fields{"rows": c.Rows, "vocab": c.Vocab, "first": c.First, "start": start}),
		Grid:   grid,
	}
}
