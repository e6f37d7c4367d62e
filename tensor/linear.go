package tensor

import "github.com/go-dept/dept/shaders"

// LinearOptions is what a product does besides multiplying.
type LinearOptions struct {
	End      shaders.End     // EndPlain, EndReLU, EndGated or EndResidual
	Residual *Value          // EndResidual: [rows, out]
	Scale    float32         // 0 means 1
	Dropout  shaders.Dropout // on the result, before a residual is added
}

// Linear is x·Wᵀ with an end fused to it. x is [..., in] and w is [out, in], as
// Hugging Face stores weights; for EndGated w holds both weights of the gated
// unit, rows interleaved, and the result is half as wide.
func (g *Graph) Linear(name string, x, w *Value, o LinearOptions) *Value {
	rows, in := x.Rows(), x.Width()
	if len(w.Shape) != 2 || w.Shape[1] != in {
		g.fail("linear "+name, "the input is %v and the weight %v; the last dimensions must agree", x.Shape, w.Shape)
		return x
	}
	out := w.Shape[0]
	width := out
	if o.End == shaders.EndGated {
		width = out / 2
	}
	shape := append(append([]int{}, x.Shape[:len(x.Shape)-1]...), width)
	if o.End == shaders.EndResidual && product(o.Residual.Shape) != rows*out {
		g.fail("linear "+name, "the residual is %v, the product %v", o.Residual.Shape, shape)
		return x
	}
	needs := x.needs || w.needs || o.Residual != nil && o.Residual.needs
	y := g.result(name, needs, shape...)
	m := shaders.MatMul{
		Layout: shaders.NT, M: rows, N: out, K: in, B: w.storage, Scale: o.Scale,
		End: o.End, KeepPre: o.End == shaders.EndGated && (x.needs || w.needs), Dropout: o.Dropout,
	}
	none := g.Use(nil)
	fourth := none
	var pre *Value
	if o.End == shaders.EndResidual {
		fourth = o.Residual
	}
	if m.KeepPre {
		pre = g.result(name+".pre", false, rows, out)
		fourth = pre
	}
	g.run(name, m.Call(g.e.target), x, w, y, fourth, none)
	if !needs {
		return y
	}
	g.tape = append(g.tape, func() {
		if y.grad == nil {
			return
		}
		dz := y.grad
		if o.End == shaders.EndResidual {
			g.addGrad(o.Residual, y.grad)
		}
		if !x.needs && !w.needs {
			return
		}
		switch {
		case o.End == shaders.EndReLU:
			dz = g.result(name+".grad", false, rows, out)
			g.run(name+".grad", shaders.ReLUGrad{N: rows * out, Dropout: o.Dropout}.Call(g.e.target), y.grad, y, dz)
		case o.End == shaders.EndGated:
			dz = g.result(name+".grad", false, rows, out)
			g.run(name+".grad", shaders.GatedGrad{Rows: rows, Width: width, Dropout: o.Dropout}.Call(g.e.target), y.grad, pre, dz)
		case o.Dropout.Rate > 0:
			dz = g.result(name+".grad", false, rows, out)
			g.run(name+".dropout.grad", o.Dropout.Apply(g.e.target, rows*out), y.grad, dz)
		}
		if w.needs {
			g.run(w.name+".weight_grad", shaders.MatMul{
				Layout: shaders.TN, M: out, N: in, K: rows, Scale: o.Scale, Accumulate: true,
			}.Call(g.e.target), dz, x, g.Use(w.array.Grad), none, none)
		}
		if x.needs {
			g.inputGrad(name, x, dz, operand{v: w}, out, w.storage, o.Scale)
		}
	})
	return y
}

// inputGrad adds dz·W to the gradient of x; w binds [out, in].
func (g *Graph) inputGrad(name string, x, dz *Value, w operand, out int, storage shaders.Storage, scale float32) {
	dx := g.result(name+".input_grad", false, x.Shape...)
	m := shaders.MatMul{Layout: shaders.NN, M: x.Rows(), N: x.Width(), K: out, B: storage, Scale: scale}
	before := g.Use(nil)
	if x.grad != nil {
		m.End = shaders.EndResidual
		before = x.grad
	}
	g.run(name+".input_grad", m.Call(g.e.target), dz, w, dx, before, g.Use(nil))
	x.grad = dx
}
