package shaders

// Add is a + Factor·b.
type Add struct {
	N      int
	Factor float32 // 0 is 1
}

// Call makes the dispatch.
//
// Bindings: 1 a [N], 2 b [N], 3 out [N].
func (a Add) Call(t Target) Call { return elementwise(t, "add", a.N, orOne(a.Factor)) }

// AddTo adds Factor·x to what is there.
type AddTo struct {
	N      int
	Factor float32 // 0 is 1
}

// Call makes the dispatch.
//
// Bindings: 1 x [N], 2 out [N].
func (a AddTo) Call(t Target) Call { return elementwise(t, "add_to", a.N, orOne(a.Factor)) }

// Divide is a/b, number by number.
type Divide struct{ N int }

// Forward computes the quotients.
//
// Bindings: 1 a [N], 2 b [N], 3 out [N].
func (d Divide) Forward(t Target) Call { return elementwise(t, "divide", d.N, 0) }

// GradA adds the gradient of a to da.
//
// Bindings: 1 dout [N], 2 b [N], 3 da [N].
func (d Divide) GradA(t Target) Call { return elementwise(t, "divide_grad_a", d.N, 0) }

// Fill writes one value everywhere.
type Fill struct {
	N     int
	Value float32
}

// Call makes the dispatch.
//
// Bindings: 1 out [N].
func (f Fill) Call(t Target) Call { return elementwise(t, "fill", f.N, f.Value) }

// elementwise gives each thread four of the n numbers.
func elementwise(t Target, entry string, n int, value float32) Call {
	return Call{
		Spec:   Spec{File: "elementwise", Entry: entry},
		Params: params("elementwise", fields{"n": n, "value": value}),
		Grid:   t.grid1D((n+3)/4, 64),
	}
}

// orOne is what a factor stands for: 1 if it is not set.
func orOne(factor float32) float32 {
	if factor == 0 {
		return 1
	}
	return factor
}
