package nn

import (
	"hash/fnv"

	"github.com/go-dept/dept/tensor"
)

// Pass records one run through a model into a graph.
type Pass struct {
	m         *Model
	g         *tensor.Graph
	hooks     Hooks
	rate      float32
	train     bool
	recompute bool
	mixed     bool
	once      map[string]*tensor.Value
	err       error
}

// NewPass starts a pass for evaluation.
func (m *Model) NewPass(g *tensor.Graph, hooks Hooks) *Pass {
	return &Pass{m: m, g: g, hooks: hooks}
}

// NewTrainingPass starts a pass for training; dropout is the model's rate.
func (m *Model) NewTrainingPass(g *tensor.Graph, hooks Hooks, dropout float32) *Pass {
	return &Pass{m: m, g: g, hooks: hooks, rate: dropout, train: true}
}

// Recompute makes blocks that are recorded from now on keep for the backward pass only
// what they start from; the rest is computed again there. See tensor.Graph.Recompute.
func (p *Pass) Recompute() { p.recompute = true }

// Mixed lets the products of blocks that are recorded from now on, and attention, round
// what they multiply to half precision, where the device is faster so. What they add up
// stays float32; so do norms, softmax, the head with its loss, and the product that ends
// a feed-forward layer, since what goes into it can leave the range of half precision.
func (p *Pass) Mixed() { p.mixed = true }

// Err is the first failure to put a table of the pass on the device.
func (p *Pass) Err() error { return p.err }

// Graph is the graph that is recorded into.
func (p *Pass) Graph() *tensor.Graph { return p.g }

// Model is the model that is passed through.
func (p *Pass) Model() *Model { return p.m }

// Once records something that several hooks of a method read, where the first of them
// asks for it.
func (p *Pass) Once(name string, record func() *tensor.Value) *tensor.Value {
	if p.once == nil {
		p.once = map[string]*tensor.Value{}
	}
	if p.once[name] == nil {
		p.once[name] = record()
	}
	return p.once[name]
}

// Training says whether the pass is one of training, in which methods draw
// dropout of their own.
func (p *Pass) Training() bool { return p.train }

// Dropout is the model's dropout at a place. Its draws depend on the place's name
// and on nothing else that is recorded, so that a method that draws besides
// leaves the others as they are.
func (p *Pass) Dropout(place string) tensor.Dropout { return DropoutAt(place, p.rate) }

// DropoutAt is dropout of any rate at a place that only its own name tells from
// others.
func DropoutAt(place string, rate float32) tensor.Dropout {
	h := fnv.New32a()
	h.Write([]byte(place))
	return tensor.Dropout{Rate: rate, Site: h.Sum32()}
}

// Tokens is text on the device: ids [batch, length] and, for a trainable
// embedding, the positions of each id (tensor.Runs).
type Tokens struct {
	IDs, Runs, Order *tensor.Ints
}

// Spans keeps attention inside each passage where a row holds several, and away
// from padding: for each position the first and the end of a run of positions,
// which for padding is empty. A nil one sets no bounds.
//
// Where a method puts keys in front (Hooks.Ahead), they count as positions read and
// have runs of their own in the By ones, and Target's runs end at the position
// itself, which otherwise is the mask's to say.
type Spans struct {
	Source   *tensor.Ints // [batch·source, 2] the source positions that each source position reads
	SourceBy *tensor.Ints // [batch·source, 2] those that read each
	Target   *tensor.Ints // [batch·target, 2] the target positions that each target position reads
	TargetBy *tensor.Ints // [batch·target, 2] those that read each
	Cross    *tensor.Ints // [batch·target, 2] the source positions that each target position reads
	CrossBy  *tensor.Ints // [batch·source, 2] the target positions that read each source position
}

// surroundings are what the attention of a stack's blocks reads besides the
// stream.
type surroundings struct {
	batch          int
	bias           *tensor.Value // of the self-attention's scores
	ahead          int           // keys of a method's own in front of self-attention's
	window, seenBy *tensor.Ints  // of self-attention
	causal         bool

	// Decoding appends the packed projection of the new position to what a cache
	// has, and attends to that.
	cache func(block int, qkv *tensor.Value) *tensor.Value

	// The encoder's keys and values, for the cross-attention of a block.
	cross       func(block int) *tensor.Value
	crossWindow *tensor.Ints
	crossSeenBy *tensor.Ints
}

// Embed records an input: the embeddings of text with what the options put in
// front of them or add to them.
func (p *Pass) Embed(stack string, text Tokens, o tensor.EmbedOptions) *tensor.Value {
	o.Table, o.Runs, o.Order = p.use(p.m.table), text.Runs, text.Order
	o.Dropout = p.Dropout(stack + ".embed")
	return p.g.Embed(stack+".embed", text.IDs, o)
}

// Words records the embeddings of text alone, [batch·length, d], for a method that
// computes something of them.
func (p *Pass) Words(stack string, text Tokens) *tensor.Value {
	return p.g.Embed(stack+".words", text.IDs, tensor.EmbedOptions{Table: p.use(p.m.table), Runs: text.Runs, Order: text.Order})
}

// Encode records the encoder on text [batch, length]. The result is [batch·(m +
// length), d] with the m positions that a method puts in front.
func (p *Pass) Encode(text Tokens, s Spans) *tensor.Value {
	var x *tensor.Value
	if p.hooks.Input != nil {
		x = p.hooks.Input(p, text)
	} else {
		x = p.Embed(p.m.encoder.Name, text, tensor.EmbedOptions{})
	}
	return p.EncodeFrom(x, text.IDs.Shape[0], s)
}

// EncodeFrom records the encoder on embedded rows x, [batch·length, d], which is
// the result's shape too.
func (p *Pass) EncodeFrom(x *tensor.Value, batch int, s Spans) *tensor.Value {
	stack, ahead := &p.m.encoder, p.hooks.Ahead.Encoder
	return p.stack(stack, x, surroundings{
		batch: batch, bias: p.bias(stack, ahead+x.Rows()/batch, 0), ahead: ahead, window: s.Source, seenBy: s.SourceBy, causal: stack.Causal,
	})
}

// Decode records the decoder on whole targets, each position seeing those before
// it, against the encoder's states [batch·source, d]. The result is
// [batch·target, d], after the final norm.
func (p *Pass) Decode(t Tokens, encoded *tensor.Value, s Spans) *tensor.Value {
	stack, ahead := &p.m.decoder, p.hooks.Ahead.Decoder
	batch, length := t.IDs.Shape[0], t.IDs.Shape[1]
	return p.stack(stack, p.Embed(stack.Name, t, tensor.EmbedOptions{}), surroundings{
		batch: batch, bias: p.bias(stack, ahead+length, 0), ahead: ahead, window: s.Target, seenBy: s.TargetBy, causal: stack.Causal && ahead == 0,
		cross:       func(block int) *tensor.Value { return p.crossKeys(block, encoded, batch) },
		crossWindow: s.Cross, crossSeenBy: s.CrossBy,
	})
}

// crossKeys are the keys and values of the encoder's states for the
// cross-attention of a decoder's block.
func (p *Pass) crossKeys(block int, encoded *tensor.Value, batch int) *tensor.Value {
	for _, l := range p.m.decoder.blocks[block] {
		if l.kv != nil {
			kv := p.project(l.kv, encoded, tensor.LinearOptions{Half: p.mixed})
			return p.behind(l, p.hooks.Ahead.Cross, batch, kv)
		}
	}
	return nil
}

// behind puts the keys that a method has for a place in front of kv, [batch·n, ...]
// packed as the place's weights are.
func (p *Pass) behind(l *sublayer, ahead, batch int, kv *tensor.Value) *tensor.Value {
	if ahead == 0 {
		return kv
	}
	kv.Shape = []int{batch, kv.Rows() / batch, kv.Width()}
	return p.g.Concat(l.place.Name+".keys", p.keys(l, ahead), kv)
}

// keys are a method's own for a place, packed as the place's weights are: [ahead,
// width].
func (p *Pass) keys(l *sublayer, ahead int) *tensor.Value {
	k, v := p.hooks.Keys(p, l.place)
	if l.kv != nil {
		return p.g.Pack(l.place.Name+".ahead", ahead, l.kv.layout, 0, k, v)
	}
	return p.g.Pack(l.place.Name+".ahead", ahead, l.in.layout, 0, nil, k, v)
}

// stack records the blocks on x, [rows, d], and the norm behind them.
func (p *Pass) stack(s *stack, x *tensor.Value, around surroundings) *tensor.Value {
	for i, block := range s.blocks {
		record := func() *tensor.Value {
			for _, l := range block {
				x = p.sublayer(i, l, x, around)
			}
			return x
		}
		if p.recompute {
			x = p.g.Recompute(record)
		} else {
			x = record()
		}
	}
	return p.norm(s.norm, x, p.Dropout(s.Name+".norm"))
}

// sublayer is x + f(norm(x)), and what a method puts behind it.
func (p *Pass) sublayer(block int, l *sublayer, x *tensor.Value, around surroundings) *tensor.Value {
	h := p.norm(l.norm, x, tensor.Dropout{})
	if l.Attention != nil {
		h = p.attend(block, l, h, around)
	} else {
		end := tensor.EndReLU
		if len(l.FeedForward.In) == 2 {
			end = tensor.EndGated
		}
		h = p.project(l.in, h, tensor.LinearOptions{Half: p.mixed, End: end, Dropout: p.Dropout(l.place.Name + ".in")})
	}
	half := p.mixed && l.Attention != nil
	y := p.project(l.out, h, tensor.LinearOptions{Half: half, End: tensor.EndResidual, Residual: x, Dropout: p.Dropout(l.place.Name)})
	if p.hooks.Sublayer != nil {
		y = p.hooks.Sublayer(p, l.place, x, y)
	}
	return y
}

// attend projects the normed stream h to queries, and to keys and values where
// they are not the encoder's or the cache's, and attends.
func (p *Pass) attend(block int, l *sublayer, h *tensor.Value, around surroundings) *tensor.Value {
	a := l.Attention
	inner := a.Heads * a.HeadDim
	q := p.project(l.in, h, tensor.LinearOptions{Half: p.mixed})
	o := tensor.AttentionOptions{
		Half:  p.mixed,
		Batch: around.batch, Heads: a.Heads, HeadDim: a.HeadDim, Queries: q.Rows() / around.batch, Dropout: p.Dropout(l.place.Name + ".weights"),
	}
	var kv *tensor.Value
	switch {
	case a.Cross:
		kv = around.cross(block)
		o.VOffset, o.Window, o.SeenBy = inner, around.crossWindow, around.crossSeenBy
	case around.cache != nil:
		kv = around.cache(block, q)
		o.KOffset, o.VOffset, o.Bias, o.Decode = inner, 2*inner, around.bias, true
	default:
		kv = p.behind(l, around.ahead, around.batch, q)
		o.KOffset, o.VOffset, o.Bias = inner, 2*inner, around.bias
		o.Window, o.SeenBy, o.Causal = around.window, around.seenBy, around.causal
	}
	o.Keys = kv.Rows() / around.batch
	if p.hooks.Attending != nil {
		p.hooks.Attending(l.place, q, kv, o)
	}
	return p.g.Attention(l.place.Name, q, kv, o)
}

func (p *Pass) use(w *weight) *tensor.Value { return p.g.Use(w.array) }

func (p *Pass) norm(w *weight, x *tensor.Value, d tensor.Dropout) *tensor.Value {
	weight := p.use(w)
	if f := p.hooks.Norm; f != nil {
		if own := f(p, w.sites[0]); own != nil {
			weight = own
		}
	}
	return p.g.RMSNorm(w.names[0], x, weight, p.m.Epsilon, d)
}

// project is x times a weight, with what the hooks add to its sites and multiply
// them by.
func (p *Pass) project(w *weight, x *tensor.Value, o tensor.LinearOptions) *tensor.Value {
	name := w.sites[0].Name
	if f := p.hooks.Plus; f != nil {
		o.Plus = p.gather(w, name+".plus", x.Rows(), 0, func(s Site) *tensor.Value { return f(p, s, x) })
	}
	if f := p.hooks.Scale; f != nil {
		o.Scale = p.gather(w, name+".scale", 1, 1, func(s Site) *tensor.Value { return f(p, s) })
	}
	if f := p.hooks.Bias; f != nil {
		o.Bias = p.gather(w, name+".bias", 1, 0, func(s Site) *tensor.Value { return f(p, s) })
	}
	if f := p.hooks.ScaleInput; f != nil && len(w.sites) == 1 {
		if scale := f(p, w.sites[0]); scale != nil {
			x = p.g.Columns(name+".input_scale", x, scale, nil)
		}
	}
	return p.g.Linear(name, x, p.use(w), o)
}

// gather packs what a hook has for each site of a weight as the weight is packed;
// nil where it has nothing for any.
func (p *Pass) gather(w *weight, name string, rows int, fill float32, of func(Site) *tensor.Value) *tensor.Value {
	parts := make([]*tensor.Value, len(w.sites))
	any := false
	for i, s := range w.sites {
		parts[i] = of(s)
		any = any || parts[i] != nil
	}
	switch {
	case !any:
		return nil
	case len(parts) == 1:
		return parts[0]
	}
	return p.g.Pack(name, rows, w.layout, fill, parts...)
}

// bias spreads a stack's table over span positions, whose distances are offset more than
// the differences of their indexes; nil where there is none.
func (p *Pass) bias(s *stack, span, offset int) *tensor.Value {
	if s.Bias == nil {
		return nil
	}
	r := tensor.RelativeBias{
		Heads: s.bias.array.Shape[1], Buckets: s.Bias.Buckets, MaxDistance: s.Bias.MaxDistance,
		Span: span, Offset: offset, Bidirectional: s.Bias.Bidirectional,
	}
	index, err := p.m.bucketIndex(*s.Bias, r)
	if err != nil {
		if p.err == nil {
			p.err = err
		}
		return nil
	}
	return p.g.RelativeBias(s.bias.names[0], p.use(s.bias), index, r)
}

// Product is x times the weight of one site, without the model's own use of it:
// [rows, out].
func (p *Pass) Product(s Site, x *tensor.Value) *tensor.Value {
	w := p.m.bySite[s.Name]
	y := p.g.Linear(s.Name+".again", x, p.use(w), tensor.LinearOptions{})
	if len(w.sites) == 1 {
		return y
	}
	return p.g.Part(s.Name+".again.part", y, w.layout, w.part(s))
}

// Norms is the length of each row of W + scale·B·A for the weight W of a site:
// [out]. See tensor.Graph.RowNorms.
func (p *Pass) Norms(s Site, a, b *tensor.Value, scale float32) *tensor.Value {
	w := p.m.bySite[s.Name]
	first, step := w.row(w.part(s))
	return p.g.RowNorms(s.Name+".norms", p.use(w), a, b, first, step, scale)
}

// part is which of a weight's sites s is.
func (w *weight) part(s Site) int {
	for i, site := range w.sites {
		if site.Name == s.Name {
			return i
		}
	}
	return 0
}

// Loss is the cross-entropy of the decoder's states against labels [rows], -100
// left out; see tensor.Graph.CrossEntropy.
func (p *Pass) Loss(states *tensor.Value, labels *tensor.Ints, total *tensor.Value) *tensor.Value {
	return p.g.CrossEntropy("lm_head", states, p.use(p.m.head), labels, p.m.HeadScale, total)
}

// Logits is the score of every token of the vocabulary, [rows, vocabulary], in one value
// or several; see tensor.Graph.Logits.
func (p *Pass) Logits(states *tensor.Value) []*tensor.Value {
	return p.g.Logits("lm_head", states, p.use(p.m.head), p.m.HeadScale)
}
