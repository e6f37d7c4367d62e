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
	e := shaders.Embed{Batch: batch, Length: length, Width: width, Scale: o.Scale, Table: o.Table.storage, Dropout: o.Dropout}
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
		e.MaxLength, e.Rank = o.A.Shape[0], o.A.Shape[1]
		needs = needs || o.A.needs || o.B.needs
		if o.B.Shape[0] != e.Rank || o.B.Width() != width || length > e.MaxLength {
			g.fail("embed "+name, "A is %v and B %v for %d positions of width %d", o.A.Shape, o.B.Shape, length, width)
			return ids
		}
	}
	y := g.result(name, needs, batch*(e.Prompt+length), width)
	t := g.e.target
	g.run(name, e.Forward(t), ids, o.Table, o.P, o.A, o.B, y)
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
			shift := g.result("shift.grad", false, length, width)
			g.run("shift.grad", e.GradShift(t), y.grad, shift)
			g.run("lowrank_A.grad", e.GradA(t), shift, o.B, g.Use(o.A.array.Grad))
			g.run("lowrank_B.grad", e.GradB(t), shift, o.A, g.Use(o.B.array.Grad))
		}
		if o.Table.needs {
			g.run(o.Table.name+".weight_grad", e.GradTable(t, batch*length), y.grad, o.Runs, o.Order, g.Use(o.Table.array.Grad))
		}
	})
	return y
}
