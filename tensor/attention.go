package tensor

import "github.com/go-dept/dept/shaders"

// RelativeBias spreads T5's table of bucketed biases, [buckets, heads], over the
// distances that a span of positions has: [heads, 2·span-1], entry (h, d+span-1)
// for distance d = key position − query position. The bucket of each distance
// comes from the host, since logarithms differ between adapters in the last
// bits: index is r.BucketIndex() on the device.
func (g *Graph) RelativeBias(name string, table *Value, index *Ints, r shaders.RelativeBias) *Value {
	width := 2*r.Span - 1
	if len(table.Shape) != 2 || table.Shape[0] != r.Buckets || table.Shape[1] != r.Heads || index.Len() != width {
		g.fail("relative bias "+name, "the table is %v and the index %v; want [%d %d] and [%d]", table.Shape, index.Shape, r.Buckets, r.Heads, width)
		return table
	}
	y := g.result(name, table.needs, r.Heads, width)
	g.run(name, r.Expand(g.e.target), table, index, y)
	g.rule(y, func(dy *Value) {
		g.deliver(table, adds, func(into, _ *Value) {
			g.run(table.name+".weight_grad", r.Gather(g.e.target), dy, index, into)
		})
	})
	return y
}

// AttentionOptions says how rows attend.
type AttentionOptions struct {
	Batch, Heads, HeadDim int
	Queries, Keys         int
	QOffset               int    // column of the queries in q's rows
	KOffset, VOffset      int    // columns of keys and values in kv's rows
	Bias                  *Value // [heads, 2·span-1], or nil
	Window                *Ints  // [batch·queries, 2] first and end of the keys each query may see, or nil for all
	SeenBy                *Ints  // [batch·keys, 2] first and end of the queries that may see each key, for kv's gradient
	Causal                bool
	Decode                bool // queries stand at the step's position of a cache
	Dropout               shaders.Dropout
	Half                  bool // queries, keys and values may be rounded to half precision
}

// Attention is softmax(q·kᵀ + bias)·v for each head, without the 1/√d that T5
// leaves out. q is [batch·queries, ...] and kv [batch·keys, ...]; for
// self-attention both are the same packed value. The result is
// [batch·queries, heads·headDim]. The weights are never stored.
func (g *Graph) Attention(name string, q, kv *Value, o AttentionOptions) *Value {
	inner := o.Heads * o.HeadDim
	if q.Rows() != o.Batch*o.Queries || kv.Rows() != o.Batch*o.Keys ||
		o.QOffset+inner > q.Width() || max(o.KOffset, o.VOffset)+inner > kv.Width() {
		g.fail("attention "+name, "queries %v and keys %v do not hold %d×%d and %d×%d rows of %d heads of %d",
			q.Shape, kv.Shape, o.Batch, o.Queries, o.Batch, o.Keys, o.Heads, o.HeadDim)
		return q
	}
	if apart := func(i, j int) bool { return i+inner <= j || j+inner <= i }; kv.needs && !apart(o.KOffset, o.VOffset) ||
		q == kv && q.needs && !(apart(o.QOffset, o.KOffset) && apart(o.QOffset, o.VOffset)) {
		g.fail("attention "+name, "queries, keys and values at columns %d, %d and %d of %v and %v overlap, so that their gradients would",
			o.QOffset, o.KOffset, o.VOffset, q.Shape, kv.Shape)
		return q
	}
	a := shaders.Attention{
		Batch: o.Batch, Heads: o.Heads, Queries: o.Queries, Keys: o.Keys, HeadDim: o.HeadDim,
		QStride: q.Width(), QOffset: o.QOffset,
		KVStride: kv.Width(), KOffset: o.KOffset, VOffset: o.VOffset,
		Bias: o.Bias != nil, Windowed: o.Window != nil, Causal: o.Causal, Decode: o.Decode, Dropout: o.Dropout, Half: o.Half,
	}
	for _, w := range []struct {
		runs *Ints
		rows int
	}{{o.Window, o.Batch * o.Queries}, {o.SeenBy, o.Batch * o.Keys}} {
		if w.runs != nil && w.runs.Len() != 2*w.rows {
			g.fail("attention "+name, "a window %v for %d rows; want [%d 2]", w.runs.Shape, w.rows, w.rows)
			return q
		}
	}
	if kv.needs && (o.Window == nil) != (o.SeenBy == nil) {
		g.fail("attention "+name, "the gradient of the keys needs to know which queries see them: give both windows or none")
		return q
	}
	if o.Bias != nil {
		a.BiasSpan = (o.Bias.Width() + 1) / 2
		if a.BiasSpan < max(o.Queries, o.Keys) {
			g.fail("attention "+name, "a bias over %d positions for %d queries and %d keys", a.BiasSpan, o.Queries, o.Keys)
			return q
		}
	}
	y := g.result(name, q.needs || kv.needs || needed(o.Bias), o.Batch*o.Queries, inner)
	stats := g.result(name+".stats", false, o.Batch, o.Heads, o.Queries, 2)
	g.run(name, a.Forward(g.e.target), q, kv, o.Bias, o.Window, y, stats)
	g.rule(y, func(dy *Value) { g.attentionGrad(name, a, q, kv, o, y, dy, stats) })
	return y
}

// attentionGrad delivers the gradients of the bias, the queries, and keys and
// values. A packed operand has one gradient, of which each kernel writes its own
// columns; columns that none writes are zero.
func (g *Graph) attentionGrad(name string, a shaders.Attention, q, kv *Value, o AttentionOptions, y, dy, stats *Value) {
	t, inner := g.e.target, o.Heads*o.HeadDim
	g.run(name+".delta", a.Delta(t), dy, y, stats)
	if o.Bias != nil {
		g.deliver(o.Bias, adds, func(into, _ *Value) {
			g.run(o.Bias.name+".grad", a.GradBias(t), q, kv, o.Bias, o.Window, dy, stats, into)
		})
	}
	gradQ := func(into *Value) { g.run(name+".q_grad", a.GradQ(t), q, kv, o.Bias, o.Window, dy, stats, into) }
	gradKV := func(into *Value) { g.run(name+".kv_grad", a.GradKV(t), q, kv, o.Bias, o.SeenBy, dy, stats, into) }
	clear := func(into *Value, written int) {
		if into.Width() > written {
			g.fill(into, 0)
		}
	}
	if q == kv {
		g.deliver(q, overwrites, func(into, _ *Value) {
			clear(into, 3*inner)
			gradQ(into)
			gradKV(into)
		})
		return
	}
	g.deliver(q, overwrites, func(into, _ *Value) {
		clear(into, inner)
		gradQ(into)
	})
	g.deliver(kv, overwrites, func(into, _ *Value) {
		clear(into, 2*inner)
		gradKV(into)
	})
}
