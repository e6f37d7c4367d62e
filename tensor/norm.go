package tensor

import "github.com/go-dept/dept/shaders"

// Center is x without the mean of its last dimension: RMSNorm of that is what others
// call a layer norm.
func (g *Graph) Center(name string, x *Value) *Value {
	c := shaders.Center{Rows: x.Rows(), Width: x.Width()}
	y := g.result(name, x.needs, x.Shape...)
	g.run(name, c.Call(g.e.target), x, y)
	g.rule(y, func(dy *Value) {
		g.deliver(x, overwrites, func(into, _ *Value) { g.run(name+".grad", c.Call(g.e.target), dy, into) })
	})
	return y
}

// RMSNorm is x/√(mean(x²)+eps)·w over the last dimension, as T5 has it: no mean
// is taken off and no bias added. x is [..., width], w is [width].
func (g *Graph) RMSNorm(name string, x, w *Value, eps float32, dropout shaders.Dropout) *Value {
	if len(w.Shape) != 1 || w.Shape[0] != x.Width() {
		g.fail("rmsnorm "+name, "the input is %v and the weight %v; the last dimensions must agree", x.Shape, w.Shape)
		return x
	}
	n := shaders.RMSNorm{Rows: x.Rows(), Width: x.Width(), Eps: eps, Dropout: dropout}
	t := g.e.target
	y := g.result(name, x.needs || w.needs, x.Shape...)
	rstd := g.result(name+".rstd", false, n.Rows)
	g.run(name, n.Forward(t), x, w, y, rstd)
	g.rule(y, func(dy *Value) {
		g.deliver(w, adds, func(into, _ *Value) { g.run(w.name+".weight_grad", n.GradW(t), x, rstd, dy, into) })
		g.deliver(x, overwrites|joins, func(into, prev *Value) {
			operands := []any{x, w, rstd, dy, prev, into}
			if x.dropout.Rate > 0 {
				x.dropped = g.result(x.name+".dropout.grad", false, x.Shape...)
				operands = append(operands, x.dropped)
			}
			g.run(name+".input_grad", n.GradX(t, prev != nil, x.dropout), operands...)
		})
	})
	return y
}
