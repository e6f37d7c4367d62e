package tensor

import "github.com/go-dept/dept/shaders"

// EmbedOptions gives what goes into an embedding besides the ids.
type EmbedOptions struct {
	Table *Value // [vocabulary, width]
	P     *Value // [m, width], or nil: vectors in front of the text
	// Shift, or nil, is added to the word embeddings: [length, width], row t at
	// text position t; or, with PerToken, [batch·length, width], a row a token.
	Shift    *Value
	PerToken bool
	Dropout  shaders.Dropout
	// Runs and Order list the positions of each id in ids (shaders.Runs); only
	// the gradient of a trainable table needs them.
	Runs, Order *Ints
}

// Embed is the encoder's input [P ; E(ids) + Shift]. ids is [batch, length]; the
// result is [batch·(m+length), width].
func (g *Graph) Embed(name string, ids *Ints, o EmbedOptions) *Value {
	batch, length, width := ids.Shape[0], ids.Shape[1], o.Table.Width()
	e := shaders.Embed{
		Batch: batch, Length: length, Width: width, Table: o.Table.storage,
		Shift: o.Shift != nil, PerToken: o.PerToken, ShiftScale: 1, Dropout: o.Dropout,
	}
	if o.P != nil {
		e.Prompt = o.P.Shape[0]
	}
	shifts := length
	if o.PerToken {
		shifts *= batch
	}
	switch {
	case o.P != nil && o.P.Width() != width:
		g.fail("embed "+name, "the prompt is %v, the table %v", o.P.Shape, o.Table.Shape)
		return o.Table
	case o.Shift != nil && product(o.Shift.Shape) != shifts*width:
		g.fail("embed "+name, "the shift is %v for ids %v and the table %v; want [%d %d]", o.Shift.Shape, ids.Shape, o.Table.Shape, shifts, width)
		return o.Table
	}
	y := g.result(name, o.Table.needs || needed(o.P) || needed(o.Shift), batch*(e.Prompt+length), width)
	t := g.e.target
	slices := o.Table.slices(o.Table.Rows())
	of := func(s slice) shaders.Embed {
		e.First, e.Vocab = s.first, s.n
		return e
	}
	for _, s := range slices {
		g.run(name, of(s).Forward(t), ids, o.Table.rows(s), o.P, o.Shift, y)
	}
	g.rule(y, func(dy *Value) {
		if o.P != nil {
			g.deliver(o.P, adds, func(into, _ *Value) { g.run(o.P.name+".grad", e.GradPrompt(t), dy, into) })
		}
		if o.Shift != nil {
			g.deliver(o.Shift, overwrites|adds, func(into, prev *Value) {
				g.run(o.Shift.name+".grad", e.GradShift(t, prev != nil), dy, into)
			})
		}
		if o.Table.needs && (o.Runs == nil || o.Order == nil) {
			g.fail("embed "+name, "the table %v is trained, which needs the runs of the ids %v", o.Table.Shape, ids.Shape)
			return
		}
		g.deliver(o.Table, adds, func(into, _ *Value) {
			for _, s := range slices {
				g.run(o.Table.name+".weight_grad", of(s).GradTable(t, batch*length), dy, o.Runs, o.Order, into.rows(s))
			}
		})
	})
	return y
}
