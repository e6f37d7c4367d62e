package t5

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/tensor"
)

// Model is a T5 on a device: the weights of a checkpoint, packed so that one
// product computes queries, keys and values together.
type Model struct {
	Config *Config

	e       *tensor.Engine
	weights []*weight
	byName  map[string]*weight
	shared  *weight // [vocab, d], the embedding
	head    *weight // [vocab, d], the output table; shared when tied
	encoder stack
	decoder stack
	// The bucket of each distance by the number of positions, encoder and
	// decoder apart.
	buckets map[bucketKey]*tensor.Array
}

type bucketKey struct {
	span          int
	bidirectional bool
}

// stack is an encoder or a decoder.
type stack struct {
	bias   *weight // [buckets, heads], read by every block
	blocks []block
	norm   *weight
}

// block is one layer: self-attention, in a decoder cross-attention, and a
// feed-forward network, each behind its norm.
type block struct {
	selfNorm, qkv, selfOut               *weight
	crossNorm, crossQ, crossKV, crossOut *weight // decoder only
	ffNorm, wi, wo                       *weight
}

// weight is an array and the tensors of the checkpoint it is packed from: one
// below the other, or row by row in turn for the two of a gated unit.
type weight struct {
	array       *tensor.Array
	names       []string
	interleaved bool
}

// LoadModel puts a checkpoint's weights on the device, in the storage they have
// in the file. With trainable they are float32 and get gradients, for full
// fine-tuning.
func LoadModel(ctx context.Context, e *tensor.Engine, ck *Checkpoint, trainable bool) (*Model, error) {
	m := &Model{Config: ck.Config, e: e, byName: map[string]*weight{}, buckets: map[bucketKey]*tensor.Array{}}
	l := loader{ctx: ctx, m: m, ck: ck, trainable: trainable, shapes: map[string][]int{}}
	defer l.release()
	for _, s := range ck.Config.Tensors() {
		l.shapes[s.Name] = s.Shape
	}
	m.shared = l.weight("shared.weight")
	m.head = m.shared
	if !ck.Config.TieWordEmbeddings {
		m.head = l.weight("lm_head.weight")
	}
	m.encoder = l.stack("encoder", ck.Config.NumLayers, false)
	m.decoder = l.stack("decoder", ck.Config.NumDecoderLayers, true)
	if l.err != nil {
		m.Release()
		return nil, fmt.Errorf("load model: %w", l.err)
	}
	return m, ctx.Err()
}

type loader struct {
	ctx       context.Context
	m         *Model
	ck        *Checkpoint
	trainable bool
	shapes    map[string][]int
	err       error // the first

	// What gated weights are interleaved with: the two tensors as they lie, one
	// below the other, and which of their rows goes where.
	stacked, order *tensor.Array
}

func (l *loader) release() {
	for _, a := range []*tensor.Array{l.stacked, l.order} {
		if a != nil {
			a.Release()
		}
	}
	l.stacked, l.order = nil, nil
}

func (l *loader) stack(name string, layers int, decoder bool) stack {
	// HF keeps the one table of biases in the first block.
	s := stack{bias: l.float(name + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight")}
	for i := range layers {
		layer := func(k int, rest string) string { return fmt.Sprintf("%s.block.%d.layer.%d.%s", name, i, k, rest) }
		b := block{
			selfNorm: l.float(layer(0, "layer_norm.weight")),
			qkv:      l.weight(layer(0, "SelfAttention.q.weight"), layer(0, "SelfAttention.k.weight"), layer(0, "SelfAttention.v.weight")),
			selfOut:  l.weight(layer(0, "SelfAttention.o.weight")),
		}
		ff := 1
		if decoder {
			b.crossNorm = l.float(layer(1, "layer_norm.weight"))
			b.crossQ = l.weight(layer(1, "EncDecAttention.q.weight"))
			b.crossKV = l.weight(layer(1, "EncDecAttention.k.weight"), layer(1, "EncDecAttention.v.weight"))
			b.crossOut = l.weight(layer(1, "EncDecAttention.o.weight"))
			ff = 2
		}
		b.ffNorm = l.float(layer(ff, "layer_norm.weight"))
		if l.ck.Config.Gated() {
			b.wi = l.gated(layer(ff, "DenseReluDense.wi_0.weight"), layer(ff, "DenseReluDense.wi_1.weight"))
		} else {
			b.wi = l.weight(layer(ff, "DenseReluDense.wi.weight"))
		}
		b.wo = l.weight(layer(ff, "DenseReluDense.wo.weight"))
		s.blocks = append(s.blocks, b)
	}
	s.norm = l.float(name + ".final_layer_norm.weight")
	return s
}

var storages = map[safetensors.DType]shaders.Storage{
	safetensors.F32: shaders.F32, safetensors.F16: shaders.F16, safetensors.BF16: shaders.BF16,
}

// weight loads tensors one below the other, in the storage of the file.
func (l *loader) weight(names ...string) *weight { return l.load(&weight{names: names}, false) }

// float loads a small tensor as float32: kernels read norms and biases so.
func (l *loader) float(name string) *weight { return l.load(&weight{names: []string{name}}, true) }

// gated loads two tensors row by row in turn, as the gated end of a product
// reads them.
func (l *loader) gated(g, linear string) *weight {
	return l.load(&weight{names: []string{g, linear}, interleaved: true}, false)
}

func (l *loader) load(w *weight, float bool) *weight {
	if l.err == nil {
		l.err = l.put(w, float)
	}
	return w
}

// put makes a weight's array and fills it.
func (l *loader) put(w *weight, float bool) error {
	var dtype safetensors.DType
	rows, words := 0, true
	for i, name := range w.names {
		t, r, err := l.ck.Reader(name)
		if err != nil {
			return err
		}
		if i > 0 && t != dtype {
			float = true // parts of different storage meet in float32
		}
		dtype = t
		shape := l.shapes[name]
		rows += shape[0]
		unit := r.Size()
		if w.interleaved {
			unit /= int64(shape[0])
		}
		words = words && unit%4 == 0
	}
	storage, ok := storages[dtype]
	if float || l.trainable || !ok {
		storage = shaders.F32
	}
	shape := append([]int{rows}, l.shapes[w.names[0]][1:]...)
	var err error
	if w.array, err = l.m.e.NewArray(w.names[0], storage, shape...); err != nil {
		return err
	}
	l.m.weights = append(l.m.weights, w)
	for _, name := range w.names {
		l.m.byName[name] = w
	}
	// Nearly all of a model passes from its file to the device as it lies. Small
	// tensors, and what has another form on the device, go by way of Go's memory.
	if stored, ok := storages[dtype]; ok && words && !float && stored == storage {
		err = l.stream(w)
	} else {
		err = l.convert(w, storage)
	}
	if err == nil && l.trainable {
		err = l.m.e.Trainable(w.array)
	}
	return err
}

// stream copies a weight's tensors to the device as they lie in the file.
func (l *loader) stream(w *weight) error {
	to := w.array
	if w.interleaved {
		if err := l.makeStacked(w.array.Shape[0], w.array.Shape[1]*w.array.Storage.Bytes()/4); err != nil {
			return err
		}
		to = l.stacked
	}
	offset := int64(0)
	for _, name := range w.names {
		_, r, err := l.ck.Reader(name)
		if err != nil {
			return err
		}
		if err := to.WriteFrom(l.ctx, offset, r); err != nil {
			return err
		}
		offset += r.Size()
	}
	if !w.interleaved {
		return nil
	}
	g := l.m.e.NewGraph()
	g.GatherRows(w.names[0], g.Use(l.stacked), g.Use(l.order), g.Use(w.array))
	p, err := g.Compile(l.ctx)
	if err != nil {
		return err
	}
	defer p.Release()
	return l.m.e.Run(p)
}

// makeStacked makes room for the two tensors of a gated weight, which all blocks
// share as long as they are stored alike.
func (l *loader) makeStacked(rows, words int) error {
	if l.stacked != nil && slices.Equal(l.stacked.Shape, []int{rows, words}) {
		return nil
	}
	l.release()
	var err error
	if l.stacked, err = l.m.e.NewArray("stacked", shaders.F32, rows, words); err != nil {
		return err
	}
	if l.order, err = l.m.e.NewArray("order", shaders.F32, rows); err != nil {
		return err
	}
	from := make([]uint32, rows)
	for i := range from {
		from[i] = uint32(i%2*(rows/2) + i/2)
	}
	return l.order.WriteUints(from)
}

// convert brings a weight's tensors into the form they have on the device.
func (l *loader) convert(w *weight, storage shaders.Storage) error {
	parts := make([][]byte, len(w.names))
	for i, name := range w.names {
		if storage == shaders.F32 {
			x, err := l.ck.Float32(name)
			if err != nil {
				return err
			}
			parts[i] = tensor.FloatBytes(x)
			continue
		}
		var err error
		if _, parts[i], err = l.ck.Bytes(name); err != nil {
			return err
		}
	}
	return w.array.WriteBytes(0, w.pack(parts))
}

// pack joins the parts' bytes, up to a whole word.
func (w *weight) pack(parts [][]byte) []byte {
	out := parts[0]
	switch {
	case w.interleaved:
		out = make([]byte, 0, 2*len(parts[0]))
		row := 2 * len(parts[0]) / w.array.Shape[0]
		for at := 0; at < len(parts[0]); at += row {
			out = append(out, parts[0][at:at+row]...)
			out = append(out, parts[1][at:at+row]...)
		}
	case len(parts) > 1:
		out = nil
		for _, p := range parts {
			out = append(out, p...)
		}
	}
	return append(out, make([]byte, -len(out)&3)...)
}

// unpack takes the tensor of a name out of the packed numbers.
func (w *weight) unpack(name string, packed []float32) []float32 {
	if len(w.names) == 1 {
		return packed
	}
	part := 0
	for i, n := range w.names {
		if n == name {
			part = i
		}
	}
	n := len(packed) / len(w.names)
	if !w.interleaved {
		return packed[part*n : (part+1)*n]
	}
	width := w.array.Shape[1]
	out := make([]float32, 0, n)
	for row := part; row < w.array.Shape[0]; row += 2 {
		out = append(out, packed[row*width:(row+1)*width]...)
	}
	return out
}

// Trainable lists the arrays of a model that was loaded for training.
func (m *Model) Trainable() []*tensor.Array {
	var all []*tensor.Array
	for _, w := range m.weights {
		if w.array.Grad != nil {
			all = append(all, w.array)
		}
	}
	return all
}

// Tensor reads a weight back from the device under its name in the checkpoint;
// only float32 arrays can be read so.
func (m *Model) Tensor(ctx context.Context, name string) ([]float32, error) {
	return m.read(ctx, name, func(a *tensor.Array) *tensor.Array { return a })
}

// Gradient reads a weight's gradient under its name in the checkpoint.
func (m *Model) Gradient(ctx context.Context, name string) ([]float32, error) {
	return m.read(ctx, name, func(a *tensor.Array) *tensor.Array { return a.Grad })
}

func (m *Model) read(ctx context.Context, name string, of func(*tensor.Array) *tensor.Array) ([]float32, error) {
	w, ok := m.byName[name]
	if !ok {
		return nil, fmt.Errorf("read weight %s: the model has none of that name", name)
	}
	a := of(w.array)
	if a == nil || a.Storage != shaders.F32 {
		return nil, fmt.Errorf("read weight %s: it was not loaded for training", name)
	}
	x, err := a.ReadFloats(ctx)
	if err != nil {
		return nil, err
	}
	return w.unpack(name, x), nil
}

// Parameters is the number of weights, and Bytes the device memory they take.
func (m *Model) Parameters() (n int) {
	for _, w := range m.weights {
		n += w.array.Len()
	}
	return n
}

// Bytes is the device memory of the weights.
func (m *Model) Bytes() (n int64) {
	for _, w := range m.weights {
		n += w.array.Bytes()
	}
	return n
}

// Release gives the weights' memory back.
func (m *Model) Release() {
	for _, w := range m.weights {
		w.array.Release()
	}
	for _, a := range m.buckets {
		a.Release()
	}
	m.weights = nil
}

// outputScale is what T5 multiplies the decoder's states by before a tied
// output table.
func (m *Model) outputScale() float32 {
	if m.Config.TieWordEmbeddings {
		return float32(1 / math.Sqrt(float64(m.Config.DModel)))
	}
	return 1
}

// bucketIndex is the bucket of every distance that span positions have.
func (m *Model) bucketIndex(r shaders.RelativeBias) (*tensor.Array, error) {
	key := bucketKey{r.Span, r.Bidirectional}
	if a, ok := m.buckets[key]; ok {
		return a, nil
	}
	a, err := m.e.NewArray("buckets", shaders.F32, 2*r.Span-1)
	if err != nil {
		return nil, err
	}
	if err := a.WriteUints(r.BucketIndex()); err != nil {
		return nil, err
	}
	m.buckets[key] = a
	return a, nil
}

// inner is the width of all heads together, which need not be d_model.
func (c *Config) inner() int { return c.NumHeads * c.DKV }
