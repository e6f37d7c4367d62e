package tensor

import "github.com/go-dept/dept/shaders"

// EmbedOptions gives what goes into an embedding besides the ids.
type EmbedOptions struct {
	Table   *Value  // [vocabulary, width]
	P       *Value  // [m, width], or nil: trained vectors in front of the text
	A, B    *Value  // [s, r] and [r, width], or nil: the low-rank shift
	Scale   float32 // of the shift
	Dropout shaders.Dropout
	// Runs and Order list the positions of each id in ids (shaders.Runs); only
	// a trainable table needs them.
	Runs, Order *Value
}

// Embed is DePT's input [P ; E(ids) + scale·A[t]·B]. ids is [batch, length]; the
// result is [batch·(m+length), width].
func (g *Graph) Embed(name string, ids *Value, o EmbedOptions) *Value {
	batch, length, width := ids.Shape[0], ids.Shape[1], o.Table.Width()
	e := shaders.Embed{Batch: batch, Length: length, Width: width, ShiftScale: o.Scale, Table: o.Table.storage, Dropout: o.Dropout}
	needs := o.Table.needs
	if o.P != nil {
		e.Prompt = o.P.Shape[0]
		needs = needs || o.P.needs
		if o.P.Width() != width {
			g.fail("embed "+name, "the prompt is %v, the table %v", o.P.Shape, o.Table.Shape)
			return ids
		}
	}
	if o.A != nil {
		e.Shift = true
		needs = needs || o.A.needs || o.B.needs
		if o.B.Shape[0] != o.A.Width() || o.B.Width() != width || length > o.A.Shape[0] {
			g.fail("embed "+name, "A is %v and B %v for %d positions of width %d", o.A.Shape, o.B.Shape, length, width)
			return ids
		}
	}
	y := g.result(name, needs, batch*(e.Prompt+length), width)
	t := g.e.target
	var shift *Value
	if o.A != nil {
		shift = g.result("shift", false, length, width)
		g.run("shift", shaders.MatMul{Layout: shaders.NN, M: length, N: width, K: o.A.Width()}.Call(t), o.A, o.B, shift, g.Use(nil), g.Use(nil))
	}
	g.run(name, e.Forward(t), ids, o.Table, o.P, shift, y)
	if !needs {
		return y
	}
	g.tape = append(g.tape, func() {
		if y.grad == nil {
			return
		}
		if o.P != nil && o.P.needs {
			g.run("prompt.grad", e.GradPrompt(t), y.grad, g.Use(o.P.array.Grad))
		}
		if o.A != nil && o.A.needs {
			rank := o.A.Width()
			dshift := g.result("shift.grad", false, length, width)
			g.run("shift.grad", e.GradShift(t, false), y.grad, dshift)
			g.run("lowrank_A.grad", shaders.MatMul{Layout: shaders.NT, M: length, N: rank, K: width, Accumulate: true}.Call(t),
				dshift, o.B, g.Use(o.A.array.Grad), g.Use(nil), g.Use(nil))
			g.run("lowrank_B.grad", shaders.MatMul{Layout: shaders.TN, M: rank, N: width, K: length, Accumulate: true}.Call(t),
				o.A, dshift, g.Use(o.B.array.Grad), g.Use(nil), g.Use(nil))
		}
		if o.Table.needs {
			g.run(o.Table.name+".weight_grad", e.GradTable(t, batch*length), y.grad, o.Runs, o.Order, g.Use(o.Table.array.Grad))
		}
	})
	return y
}
