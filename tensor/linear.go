package tensor

import "github.com/go-dept/dept/shaders"

// LinearOptions is what a product does besides multiplying.
type LinearOptions struct {
	Factor   float32         // on the product; 0 means 1
	Plus     *Value          // [rows, out], added to the product, or nil
	Scale    *Value          // [out], multiplies the columns of the sum, or nil
	Bias     *Value          // [out], added to the columns of that, or nil
	End      shaders.End     // EndPlain, EndReLU, EndGated or EndResidual, of the sum
	Residual *Value          // EndResidual: [rows, out]
	Dropout  shaders.Dropout // on the result, before a residual is added; not with EndPlain
	Half     bool            // the operands may be rounded to half precision, those of the gradients too
}

// Linear is Factor·x·Wᵀ + Plus, scaled and shifted by column, with an end fused to it. x is
// [..., in] and w is [out, in], as Hugging Face stores weights; for EndGated w
// holds both weights of the gated unit, rows interleaved, and the result is half
// as wide.
func (g *Graph) Linear(name string, x, w *Value, o LinearOptions) *Value {
	if len(w.Shape) != 2 || w.Shape[1] != x.Width() {
		g.fail("linear "+name, "the input is %v and the weight %v; the last dimensions must agree", x.Shape, w.Shape)
		return x
	}
	rows, out := x.Rows(), w.Shape[0]
	switch {
	case o.End == shaders.EndResidual && product(o.Residual.Shape) != rows*out:
		g.fail("linear "+name, "the residual is %v, the product [%d %d]", o.Residual.Shape, rows, out)
		return x
	case o.Plus != nil && product(o.Plus.Shape) != rows*out:
		g.fail("linear "+name, "what is added is %v, the product [%d %d]", o.Plus.Shape, rows, out)
		return x
	}
	if o.Scale != nil || o.Bias != nil {
		// The gradient of the scale needs the sum, so that the end cannot be fused.
		z := g.Linear(name, x, w, LinearOptions{Factor: o.Factor, Plus: o.Plus, Half: o.Half})
		z = g.Columns(name+".columns", z, o.Scale, o.Bias)
		return g.End(name+".end", z, o)
	}
	needs := x.needs || w.needs || needed(o.Residual) || needed(o.Plus)
	y := g.result(name, needs, endShape(x.Shape, out, o.End)...)
	m := shaders.MatMul{
		Layout: shaders.NT, M: rows, N: out, K: x.Width(), B: w.storage, Scale: o.Factor, Plus: o.Plus != nil,
		End: o.End, KeepPre: o.End == shaders.EndGated && (x.needs || w.needs || needed(o.Plus)), Dropout: o.Dropout, Half: o.Half,
	}
	var fourth, pre *Value
	switch {
	case o.End == shaders.EndResidual:
		fourth = o.Residual
		if x.needs || w.needs || needed(o.Plus) {
			y.dropout = o.Dropout
		}
	case m.KeepPre:
		pre = g.result(name+".pre", false, rows, out)
		fourth = pre
	}
	y.activation = o.activation(y, pre)
	g.run(name, m.Call(g.e.target), x, w, y, fourth, o.Plus)
	g.rule(y, func(dy *Value) {
		if o.End == shaders.EndResidual {
			g.give(o.Residual, dy, 1)
		}
		if !x.needs && !w.needs && !needed(o.Plus) {
			return
		}
		dz := g.endGrad(name, dy, y, pre, o)
		if o.Plus != nil {
			g.give(o.Plus, dz, 1)
		}
		g.deliver(w, overwrites|adds|joins, func(into, prev *Value) {
			g.multiply(w.name+".weight_grad", shaders.MatMul{Layout: shaders.TN, M: out, N: x.Width(), K: rows, Scale: o.Factor, Half: o.Half}, dz, x, into, prev)
		})
		g.inputGrad(name, shaders.MatMul{Layout: shaders.NN, M: rows, N: x.Width(), K: out, B: w.storage, Scale: o.Factor, Half: o.Half}, dz, w, x)
	})
	return y
}

// activation is an end that a gradient can pass in the product that makes it.
type activation struct {
	grad    shaders.End // EndReLUGrad or EndGatedGrad
	dropout shaders.Dropout
	of      *Value // what it reads: of ReLU the result, of EndGated what that was applied to
}

// activation is that of the result y, nil where it has none.
func (o LinearOptions) activation(y, pre *Value) *activation {
	switch {
	case !y.needs:
	case o.End == shaders.EndReLU:
		return &activation{shaders.EndReLUGrad, o.Dropout, y}
	case o.End == shaders.EndGated:
		return &activation{shaders.EndGatedGrad, o.Dropout, pre}
	}
	return nil
}

// inputGrad delivers the product dz·W as the gradient of x. Where x came out of an
// activation and nothing else has read it, the gradient passes that in the same kernel.
func (g *Graph) inputGrad(name string, m shaders.MatMul, dz, w, x *Value) {
	if a := x.activation; a != nil && x.reads == 1 {
		x.grad, x.past = g.result(x.name+".grad", false, a.of.Shape...), true
		m.End, m.Dropout = a.grad, a.dropout
		g.run(name+".input_grad", m.Call(g.e.target), dz, w, x.grad, a.of, nil)
		return
	}
	g.deliver(x, overwrites|adds|joins, func(into, prev *Value) {
		g.multiply(name+".input_grad", m, dz, w, into, prev)
	})
}

// Product is factor·a·b of two matrices, [m, k] and [k, n].
func (g *Graph) Product(name string, a, b *Value, factor float32) *Value {
	if len(a.Shape) != 2 || len(b.Shape) != 2 || a.Shape[1] != b.Shape[0] {
		g.fail("product "+name, "%v and %v; the inner dimensions must agree", a.Shape, b.Shape)
		return a
	}
	m, k, n := a.Shape[0], a.Shape[1], b.Shape[1]
	y := g.result(name, a.needs || b.needs, m, n)
	g.multiply(name, shaders.MatMul{Layout: shaders.NN, M: m, N: n, K: k, B: b.storage, Scale: factor}, a, b, y, nil)
	g.rule(y, func(dy *Value) {
		g.deliver(a, overwrites|adds|joins, func(into, prev *Value) {
			g.multiply(a.name+".grad", shaders.MatMul{Layout: shaders.NT, M: m, N: k, K: n, B: b.storage, Scale: factor}, dy, b, into, prev)
		})
		g.deliver(b, overwrites|adds|joins, func(into, prev *Value) {
			g.multiply(b.name+".grad", shaders.MatMul{Layout: shaders.TN, M: k, N: n, K: m, Scale: factor}, a, dy, into, prev)
		})
	})
	return y
}

// multiply records a product as deliver asks for it. b and into may be parts.
func (g *Graph) multiply(label string, m shaders.MatMul, a *Value, b any, into any, prev *Value) {
	var before *Value
	switch {
	case prev == nil:
	case into == any(prev):
		m.Accumulate = true
	default:
		m.End = shaders.EndResidual
		before = prev
	}
	g.run(label, m.Call(g.e.target), a, b, into, before, nil)
}

// End is what Linear does with its sum, on its own: z is [..., out]; for EndGated
// the two parts are interleaved and the result is half as wide. Of the options
// only End, Residual and Dropout count.
func (g *Graph) End(name string, z *Value, o LinearOptions) *Value {
	if o.End == shaders.EndPlain {
		return z
	}
	y := g.result(name, z.needs || needed(o.Residual), endShape(z.Shape, z.Width(), o.End)...)
	if o.End == shaders.EndResidual && z.needs {
		y.dropout = o.Dropout
	}
	y.activation = o.activation(y, z)
	g.run(name, shaders.Ends{Rows: y.Rows(), Width: y.Width(), End: o.End, Dropout: o.Dropout}.Call(g.e.target), z, o.Residual, y)
	g.rule(y, func(dy *Value) {
		if o.End == shaders.EndResidual {
			g.give(o.Residual, dy, 1)
		}
		if z.needs {
			g.give(z, g.endGrad(name, dy, y, z, o), 1)
		}
	})
	return y
}

// endGrad is the gradient of what an end was applied to, from that of its result
// y; pre is what EndGated was applied to.
func (g *Graph) endGrad(name string, dy, y, pre *Value, o LinearOptions) *Value {
	n, t := product(y.Shape), g.e.target
	switch {
	case y.past:
		return dy
	case o.End == shaders.EndReLU:
		dz := g.result(name+".grad", false, y.Shape...)
		g.run(name+".grad", shaders.ReLUGrad{N: n, Dropout: o.Dropout}.Call(t), dy, y, dz)
		return dz
	case o.End == shaders.EndGated:
		dz := g.result(name+".grad", false, pre.Shape...)
		g.run(name+".grad", shaders.GatedGrad{Rows: y.Rows(), Width: y.Width(), Dropout: o.Dropout}.Call(t), dy, pre, dz)
		return dz
	case o.End == shaders.EndResidual && o.Dropout.Rate > 0 && y.dropped != nil:
		return y.dropped
	case o.End == shaders.EndResidual && o.Dropout.Rate > 0:
		dz := g.result(name+".grad", false, y.Shape...)
		g.run(name+".dropout.grad", o.Dropout.Apply(t, n), dy, dz)
		return dz
	}
	return dy
}

// endShape is the shape of a result whose sum is out wide.
func endShape(shape []int, out int, end shaders.End) []int {
	if end == shaders.EndGated {
		out /= 2
	}
	return append(append([]int{}, shape[:len(shape)-1]...), out)
}

// needed says whether a value is there and needs a gradient.
func needed(v *Value) bool { return v != nil && v.needs }
