package tensor

import "github.com/go-dept/dept/shaders"

// Columns is x·scale + shift, both by column: x is [..., width], scale and shift
// are [width] or nil.
func (g *Graph) Columns(name string, x, scale, shift *Value) *Value {
	for _, v := range []*Value{scale, shift} {
		if v != nil && product(v.Shape) != x.Width() {
			g.fail("columns "+name, "the input is %v and what goes by column %v", x.Shape, v.Shape)
			return x
		}
	}
	c := shaders.Columns{Rows: x.Rows(), Width: x.Width(), Scale: scale != nil, Shift: shift != nil}
	t := g.e.target
	y := g.result(name, x.needs || needed(scale) || needed(shift), x.Shape...)
	g.run(name, c.Forward(t), x, scale, shift, y)
	g.rule(y, func(dy *Value) {
		if scale != nil {
			g.deliver(scale, adds, func(into, _ *Value) { g.run(scale.name+".grad", c.GradScale(t), dy, x, into) })
		}
		if shift != nil {
			g.deliver(shift, adds, func(into, _ *Value) { g.run(shift.name+".grad", c.GradShift(t), dy, into) })
		}
		if scale == nil {
			g.give(x, dy, 1)
			return
		}
		g.deliver(x, overwrites|joins, func(into, prev *Value) {
			g.run(name+".input_grad", c.GradX(t, prev != nil), dy, scale, prev, into)
		})
	})
	return y
}

// Layout says how the parts of a packed weight, and of what its product makes,
// lie: side by side, or column by column in turn.
type Layout struct {
	Widths      []int // of one to three parts
	Interleaved bool
}

// Pack puts parts side by side as the layout says; fill stands where a part is
// nil. Parts are [rows, width].
func (g *Graph) Pack(name string, rows int, l Layout, fill float32, parts ...*Value) *Value {
	p := shaders.Pack{Rows: rows, Widths: l.Widths, Interleaved: l.Interleaved, Fill: fill}
	needs, width := false, 0
	operands := make([]any, 3, 4)
	for i, w := range l.Widths {
		width += w
		if i >= len(parts) || parts[i] == nil {
			continue
		}
		if product(parts[i].Shape) != rows*w {
			g.fail("pack "+name, "part %d is %v, the layout has room for [%d %d]", i+1, parts[i].Shape, rows, w)
			return parts[i]
		}
		p.Has[i], operands[i] = true, parts[i]
		needs = needs || parts[i].needs
	}
	y := g.result(name, needs, rows, width)
	t := g.e.target
	g.run(name, p.Forward(t), append(operands, y)...)
	g.rule(y, func(dy *Value) {
		for i, part := range parts {
			if part != nil {
				g.deliver(part, overwrites|adds, func(into, prev *Value) {
					g.run(name+".grad", p.Part(t, i, prev != nil), dy, into)
				})
			}
		}
	})
	return y
}

// Part takes part i of what Pack has put together.
func (g *Graph) Part(name string, x *Value, l Layout, i int) *Value {
	p := shaders.Pack{Rows: x.Rows(), Widths: l.Widths, Interleaved: l.Interleaved}
	if sum(l.Widths) != x.Width() || i >= len(l.Widths) {
		g.fail("part "+name, "part %d of %v, which is %v", i+1, l.Widths, x.Shape)
		return x
	}
	t := g.e.target
	y := g.result(name, x.needs, x.Rows(), l.Widths[i])
	g.run(name, p.Part(t, i, false), x, y)
	g.rule(y, func(dy *Value) {
		g.deliver(x, overwrites|adds, func(into, prev *Value) {
			if prev != nil {
				g.run(name+".grad", p.AddPart(t, i), dy, into)
				return
			}
			back := p
			back.Has[i] = true
			operands := make([]any, 3, 4)
			operands[i] = dy
			g.run(name+".grad", back.Forward(t), append(operands, into)...)
		})
	})
	return y
}

func sum(x []int) (n int) {
	for _, v := range x {
		n += v
	}
	return n
}

// Concat puts a in front of b along the positions of each batch row: a is [batch,
// m, width], or [m, width] for every row alike; b is [batch, n, width], as is the
// result, with m + n positions.
func (g *Graph) Concat(name string, a, b *Value) *Value {
	shared := len(a.Shape) == 2
	if len(b.Shape) != 3 || a.Width() != b.Width() || !shared && (len(a.Shape) != 3 || a.Shape[0] != b.Shape[0]) {
		g.fail("concat "+name, "%v in front of %v; want [batch m width] or [m width] in front of [batch n width]", a.Shape, b.Shape)
		return b
	}
	c := shaders.Concat{Batch: b.Shape[0], First: a.Shape[len(a.Shape)-2], Second: b.Shape[1], Width: b.Width(), Shared: shared}
	t := g.e.target
	y := g.result(name, a.needs || b.needs, c.Batch, c.First+c.Second, c.Width)
	g.run(name, c.Forward(t), a, b, y)
	g.rule(y, func(dy *Value) {
		g.deliver(a, overwrites|adds, func(into, prev *Value) {
			g.run(a.name+".grad", c.GradFirst(t, prev != nil), dy, into)
		})
		g.deliver(b, overwrites|adds, func(into, prev *Value) {
			g.run(b.name+".grad", c.GradSecond(t, prev != nil), dy, into)
		})
	})
	return y
}
