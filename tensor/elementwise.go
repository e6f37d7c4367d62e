package tensor

import "github.com/go-dept/dept/shaders"

// Add is a + factor·b of two values of equally many numbers; the result has a's
// shape.
func (g *Graph) Add(name string, a, b *Value, factor float32) *Value {
	if product(a.Shape) != product(b.Shape) {
		g.fail("add "+name, "%v and %v", a.Shape, b.Shape)
		return a
	}
	y := g.result(name, a.needs || b.needs, a.Shape...)
	g.run(name, shaders.Add{N: product(a.Shape), Factor: factor}.Call(g.e.target), a, b, y)
	g.rule(y, func(dy *Value) {
		g.give(a, dy, 1)
		g.give(b, dy, factor)
	})
	return y
}

// Divide is a/b, number by number. b is taken as it is: a gradient of it is
// refused.
func (g *Graph) Divide(name string, a, b *Value) *Value {
	if product(a.Shape) != product(b.Shape) || b.needs {
		g.fail("divide "+name, "%v by %v, which must have as many numbers and need no gradient", a.Shape, b.Shape)
		return a
	}
	d := shaders.Divide{N: product(a.Shape)}
	y := g.result(name, a.needs, a.Shape...)
	g.run(name, d.Forward(g.e.target), a, b, y)
	g.rule(y, func(dy *Value) {
		g.deliver(a, adds, func(into, _ *Value) { g.run(a.name+".grad", d.GradA(g.e.target), dy, b, into) })
	})
	return y
}

// Dropout is x with numbers dropped; see shaders.Dropout.
func (g *Graph) Dropout(name string, x *Value, d shaders.Dropout) *Value {
	if d.Rate <= 0 {
		return x
	}
	y := g.result(name, x.needs, x.Shape...)
	apply := d.Apply(g.e.target, product(x.Shape))
	g.run(name, apply, x, y)
	g.rule(y, func(dy *Value) {
		g.deliver(x, overwrites, func(into, _ *Value) { g.run(name+".grad", apply, dy, into) })
	})
	return y
}

// Activate is a function of each number.
func (g *Graph) Activate(name string, x *Value, a Activation) *Value {
	n := product(x.Shape)
	y := g.result(name, x.needs, x.Shape...)
	g.run(name, a.Forward(g.e.target, n), x, y)
	g.rule(y, func(dy *Value) {
		g.deliver(x, overwrites, func(into, _ *Value) { g.run(name+".grad", a.Grad(g.e.target, n), x, dy, into) })
	})
	return y
}

// RowNorms is the length of rows of W + scale·B·A: rows first, first+step, ... of
// w [any, in], stored in any form, as many as b [rows, r] has; a is [r, in]. It
// has no gradient: DoRA holds the norm fixed (Liu et al., "DoRA: Weight-Decomposed
// Low-Rank Adaptation", section 4.3).
func (g *Graph) RowNorms(name string, w, a, b *Value, first, step int, scale float32) *Value {
	if a.Width() != w.Width() || b.Width() != a.Shape[0] || first+step*(b.Shape[0]-1) >= w.Shape[0] {
		g.fail("row norms "+name, "the weight is %v, A %v and B %v", w.Shape, a.Shape, b.Shape)
		return w
	}
	y := g.result(name, false, b.Shape[0])
	n := shaders.RowNorms{Rows: b.Shape[0], Width: w.Width(), Rank: b.Width(), First: first, Step: step, W: w.storage, Scale: scale}
	g.run(name, n.Call(g.e.target), w, a, b, y)
	return y
}
