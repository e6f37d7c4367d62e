package shaders

// Apply multiplies n numbers by the dropout mask. Its gradient is itself.
//
// Bindings: 1 x [n], 2 out [n].
func (d Dropout) Apply(t Target, n int) Call {
	return Call{
		Spec:   Spec{File: "dropout", Entry: "dropout", Step: true},
		Params: params("dropout", d.with(fields{"n": n})),
		Grid:   t.grid1D(n, 64),
	}
}
