package t5

import (
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/tensor"
)

// Pass records one run through the model into a graph. Dropout sites are
// numbered in the order of recording, so a model records them the same way
// whatever the shapes.
type Pass struct {
	m    *Model
	g    *tensor.Graph
	rate float32
	site uint32
	err  error
}

// NewPass starts a pass; dropout is the rate, 0 for evaluation.
func (m *Model) NewPass(g *tensor.Graph, dropout float32) *Pass {
	return &Pass{m: m, g: g, rate: dropout}
}

// Err is the first failure to put a table of the pass on the device.
func (p *Pass) Err() error { return p.err }

// Graph is the graph that is recorded into.
func (p *Pass) Graph() *tensor.Graph { return p.g }

// Tokens is text on the device: ids [batch, length] and, for a trainable
// embedding, the positions of each id (shaders.Runs).
type Tokens struct {
	IDs, Runs, Order *tensor.Value
}

// Dropout is the next site of the model's dropout.
func (p *Pass) Dropout() shaders.Dropout {
	p.site++
	return shaders.Dropout{Rate: p.rate, Site: p.site}
}

// Table is the embedding, [vocab, d].
func (p *Pass) Table() *tensor.Value { return p.use(p.m.shared) }

func (p *Pass) use(w *weight) *tensor.Value { return p.g.Use(w.array) }

func (p *Pass) norm(w *weight, x *tensor.Value, d shaders.Dropout) *tensor.Value {
	return p.g.RMSNorm(w.names[0], x, p.use(w), float32(p.m.Config.LayerNormEpsilon), d)
}

func (p *Pass) linear(w *weight, x *tensor.Value, o tensor.LinearOptions) *tensor.Value {
	return p.g.Linear(w.names[0], x, p.use(w), o)
}

// bias spreads a stack's table over span positions.
func (p *Pass) bias(s *stack, span int, bidirectional bool) *tensor.Value {
	c := p.m.Config
	r := shaders.RelativeBias{
		Heads: c.NumHeads, Buckets: c.RelativeAttentionNumBuckets, MaxDistance: c.RelativeAttentionMaxDistance,
		Span: span, Bidirectional: bidirectional,
	}
	index, err := p.m.bucketIndex(r)
	if err != nil && p.err == nil {
		p.err = err
	}
	return p.g.RelativeBias(s.bias.names[0], p.use(s.bias), p.g.Use(index), r)
}

// feedForward is x + dropout(wo·dropout(act(wi·norm(x)))).
func (p *Pass) feedForward(b *block, x *tensor.Value) *tensor.Value {
	end := shaders.EndReLU
	if p.m.Config.Gated() {
		end = shaders.EndGated
	}
	h := p.norm(b.ffNorm, x, shaders.Dropout{})
	h = p.linear(b.wi, h, tensor.LinearOptions{End: end, Dropout: p.Dropout()})
	return p.residual(b.wo, h, x)
}

// residual is x + dropout(w·h).
func (p *Pass) residual(w *weight, h, x *tensor.Value) *tensor.Value {
	return p.linear(w, h, tensor.LinearOptions{End: shaders.EndResidual, Residual: x, Dropout: p.Dropout()})
}

// Spans keeps attention inside each passage where a row holds several, and away
// from padding: for each position the first and the end of a run of positions,
// which for padding is empty. A nil one sets no bounds.
type Spans struct {
	Source  *tensor.Value // [batch·source, 2] its passage, of each source position
	Target  *tensor.Value // [batch·target, 2] its passage, of each target position
	Cross   *tensor.Value // [batch·target, 2] the source positions that each target position reads
	CrossBy *tensor.Value // [batch·source, 2] the target positions that read each source position
}

// Encode runs the encoder on embedded rows x, [batch·source, d]. The result has
// x's shape.
func (p *Pass) Encode(x *tensor.Value, batch int, s Spans) *tensor.Value {
	c := p.m.Config
	length := x.Rows() / batch
	bias := p.bias(&p.m.encoder, length, true)
	for i := range p.m.encoder.blocks {
		b := &p.m.encoder.blocks[i]
		h := p.norm(b.selfNorm, x, shaders.Dropout{})
		qkv := p.linear(b.qkv, h, tensor.LinearOptions{})
		h = p.g.Attention(b.qkv.names[0], qkv, qkv, tensor.AttentionOptions{
			Batch: batch, Heads: c.NumHeads, HeadDim: c.DKV, Queries: length, Keys: length,
			KOffset: c.inner(), VOffset: 2 * c.inner(), Bias: bias, Window: s.Source, SeenBy: s.Source, Dropout: p.Dropout(),
		})
		x = p.residual(b.selfOut, h, x)
		x = p.feedForward(b, x)
	}
	return p.norm(p.m.encoder.norm, x, p.Dropout())
}

// Decode runs the decoder on whole targets, each position seeing those before
// it, against the encoder's states [batch·source, d]. The result is
// [batch·target, d], after the final norm.
func (p *Pass) Decode(t Tokens, encoded *tensor.Value, s Spans) *tensor.Value {
	c := p.m.Config
	batch, length := t.IDs.Shape[0], t.IDs.Shape[1]
	x := p.embedTargets(t)
	bias := p.bias(&p.m.decoder, length, false)
	for i := range p.m.decoder.blocks {
		b := &p.m.decoder.blocks[i]
		h := p.norm(b.selfNorm, x, shaders.Dropout{})
		qkv := p.linear(b.qkv, h, tensor.LinearOptions{})
		h = p.g.Attention(b.qkv.names[0], qkv, qkv, tensor.AttentionOptions{
			Batch: batch, Heads: c.NumHeads, HeadDim: c.DKV, Queries: length, Keys: length,
			KOffset: c.inner(), VOffset: 2 * c.inner(), Bias: bias, Window: s.Target, SeenBy: s.Target, Causal: true, Dropout: p.Dropout(),
		})
		x = p.residual(b.selfOut, h, x)
		kv := p.linear(b.crossKV, encoded, tensor.LinearOptions{})
		x = p.cross(b, x, kv, batch, s)
		x = p.feedForward(b, x)
	}
	return p.norm(p.m.decoder.norm, x, p.Dropout())
}

func (p *Pass) embedTargets(t Tokens) *tensor.Value {
	return p.g.Embed("decoder.embed", t.IDs, tensor.EmbedOptions{
		Table: p.Table(), Dropout: p.Dropout(), Runs: t.Runs, Order: t.Order,
	})
}

// cross is x + dropout(o·attention(norm(x), the encoder's keys and values)).
func (p *Pass) cross(b *block, x, kv *tensor.Value, batch int, s Spans) *tensor.Value {
	c := p.m.Config
	h := p.norm(b.crossNorm, x, shaders.Dropout{})
	q := p.linear(b.crossQ, h, tensor.LinearOptions{})
	h = p.g.Attention(b.crossQ.names[0], q, kv, tensor.AttentionOptions{
		Batch: batch, Heads: c.NumHeads, HeadDim: c.DKV, Queries: q.Rows() / batch, Keys: kv.Rows() / batch,
		VOffset: c.inner(), Window: s.Cross, SeenBy: s.CrossBy, Dropout: p.Dropout(),
	})
	return p.residual(b.crossOut, h, x)
}

// Loss is the cross-entropy of the decoder's states against labels [rows], -100
// left out; see tensor.Graph.CrossEntropy.
func (p *Pass) Loss(states, labels, total *tensor.Value) *tensor.Value {
	return p.g.CrossEntropy("lm_head", states, p.use(p.m.head), labels, p.m.outputScale(), total)
}

// Logits is the score of every token of the vocabulary, [rows, vocab].
func (p *Pass) Logits(states *tensor.Value) *tensor.Value {
	return p.g.Logits("lm_head", states, p.use(p.m.head), p.m.outputScale())
}
