package tensor

import "github.com/go-dept/dept/shaders"

// RMSNorm is x/√(mean(x²)+eps)·w over the last dimension, as T5 has it: no mean
// is taken off and no bias added. x is [..., width], w is [width].
func (g *Graph) RMSNorm(name string, x, w *Value, eps float32, dropout shaders.Dropout) *Value {
	if len(w.Shape) != 1 || w.Shape[0] != x.Width() {
		g.fail("rmsnorm "+name, "the input is %v and the weight %v; the last dimensions must agree", x.Shape, w.Shape)
		return x
	}
	n := shaders.RMSNorm{Rows: x.Rows(), Width: x.Width(), Eps: eps, Dropout: dropout}
	y := g.result(name, x.needs || w.needs, x.Shape...)
	rstd := g.result(name+".rstd", false, n.Rows)
	g.run(name, n.Forward(g.e.target), x, w, y, rstd)
	if !y.needs {
		return y
	}
	g.tape = append(g.tape, func() {
		if y.grad == nil {
			return
		}
		if w.needs {
			g.run(w.name+".weight_grad", n.GradW(g.e.target), x, rstd, y.grad, g.Use(w.array.Grad))
		}
		if x.needs {
			dx := g.result(name+".input_grad", false, x.Shape...)
			g.run(name+".input_grad", n.GradX(g.e.target, x.grad != nil), x, w, rstd, y.grad, x.grad, dx)
			x.grad = dx
		}
	})
	return y
}
