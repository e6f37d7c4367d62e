package tensor

import (
	"slices"

	"github.com/go-dept/dept/shaders"
)

// Backward appends the gradient of everything trainable. It is called once,
// after the loss has been recorded.
func (g *Graph) Backward() {
	g.backward = true
	if n := len(g.sections); n > 0 {
		g.sections = append(g.sections, section{g.sections[n-1].name + ".grad", len(g.nodes)})
	}
	for _, rule := range slices.Backward(g.tape) {
		rule()
	}
}

// BackwardFrom is Backward for a part of a model: grad is the gradient of v,
// which no loss follows.
func (g *Graph) BackwardFrom(v, grad *Value) {
	v.grad, v.shared = grad, true
	g.Backward()
}

// Gradient is the gradient of a value that Backward has come to; nil where
// nothing trainable is upstream of it. That of an array is its Grad.
func (g *Graph) Gradient(v *Value) *Value {
	if v.array != nil && v.array.Grad != nil {
		return g.Use(v.array.Grad)
	}
	return v.grad
}

// rule remembers how the gradient of a result reaches its operands. It runs in
// Backward with dy, the gradient of y, and not at all where y has none.
func (g *Graph) rule(y *Value, do func(dy *Value)) {
	if !y.needs {
		return
	}
	g.tape = append(g.tape, func() {
		if dy := g.Gradient(y); dy != nil {
			do(dy)
		}
	})
}

// ability is what the kernel of a gradient can do with the gradient that its
// operand has already.
type ability uint8

const (
	overwrites ability = 1 << iota // into = gradient
	adds                           // into = into + gradient, perhaps in some places only
	joins                          // into = prev + gradient
)

// deliver is the one way of a gradient to its operand v, which may be a trained
// array, a result, or the head of either, used once or several times. run records
// the kernel, which
//
//	overwrites into where prev is nil,
//	adds to into in place where prev is into,
//	writes prev and its own gradient joined into into otherwise,
//
// of which deliver asks for what the kernel can. Where v needs no gradient,
// nothing is recorded.
func (g *Graph) deliver(v *Value, can ability, run func(into, prev *Value)) {
	if !v.needs {
		return
	}
	if v.head != nil {
		g.deliverHead(v, can, run)
		return
	}
	v.dropped = nil // of what had been gathered
	had := g.Gradient(v)
	fresh := func() *Value { return g.result(v.name+".grad", false, v.Shape...) }
	mine := had != nil && !v.shared // an array's or only v's: it may change in place
	switch {
	case mine && can&adds != 0:
		run(had, had)
	case had == nil && can&overwrites != 0:
		into := fresh()
		run(into, nil)
		v.grad = into
	case had != nil && can&joins != 0 && v.trained() == nil:
		into := fresh()
		run(into, had)
		v.grad, v.shared = into, false
	case can&overwrites != 0:
		into := fresh()
		run(into, nil)
		g.give(v, into, 1)
	default:
		into := fresh()
		g.fill(into, 0)
		run(into, into)
		if had == nil {
			v.grad = into
		} else {
			g.give(v, into, 1)
		}
	}
}

// deliverHead adds a gradient to the first numbers of another value's.
func (g *Graph) deliverHead(v *Value, can ability, run func(into, prev *Value)) {
	if can&adds == 0 {
		into := g.result(v.name+".grad", false, v.Shape...)
		run(into, nil)
		g.give(v, into, 1)
		return
	}
	g.deliver(v.head, adds, func(whole, _ *Value) {
		into := whole.view(v.Shape...)
		run(into, into)
	})
}

// give delivers factor times a gradient that exists as a value. A first one is
// taken as it is and not copied, so that others may hold it too.
func (g *Graph) give(v, grad *Value, factor float32) {
	if !v.needs {
		return
	}
	if v.head == nil && v.trained() == nil && v.grad == nil && factor == 1 {
		v.grad, v.shared = grad, true
		return
	}
	n := product(grad.Shape)
	g.deliver(v, adds|joins, func(into, prev *Value) {
		if prev == into {
			g.run(v.name+".grad.add", shaders.AddTo{N: n, Factor: factor}.Call(g.e.target), grad, into)
		} else {
			g.run(v.name+".grad.add", shaders.Add{N: n, Factor: factor}.Call(g.e.target), prev, grad, into)
		}
	})
}

// trained is the array that v brings into the graph, if it has a gradient.
func (v *Value) trained() *Array {
	if v.array != nil && v.array.Grad != nil {
		return v.array
	}
	return nil
}

// fill sets every number of v.
func (g *Graph) fill(v *Value, x float32) {
	g.run(v.name+".fill", shaders.Fill{N: product(v.Shape), Value: x}.Call(g.e.target), v)
}
