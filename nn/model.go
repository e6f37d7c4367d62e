package nn

import (
	"context"
	"fmt"

	"github.com/go-dept/dept/tensor"
)

// Model is a model on a device: the weights of a checkpoint, packed so that one
// product computes queries, keys and values together.
type Model struct {
	Description

	e       *tensor.Engine
	weights []*weight
	byName  map[string]*weight
	bySite  map[string]*weight
	table   *weight // [vocabulary, d], the embedding
	head    *weight // [vocabulary, d], the output table; table when tied
	encoder stack
	decoder stack
	buckets map[bucketKey]*tensor.Ints
}

// bucketKey names the buckets of the distances that span positions have.
type bucketKey struct {
	span, offset int
	bias         RelativeBias
}

// stack is a Stack with its weights.
type stack struct {
	Stack
	bias   *weight
	blocks [][]*sublayer
	norm   *weight
}

// sublayer is a Sublayer with its weights.
type sublayer struct {
	Sublayer
	place   Place
	norm    *weight
	in, out *weight // qkv, or q of cross-attention, and o; wi and wo
	kv      *weight // of cross-attention
}

// Load puts a checkpoint's weights on the device, in the storage they have in
// the file. With trainable they are float32 and get gradients, for full
// fine-tuning.
func Load(ctx context.Context, e *tensor.Engine, d Description, from Checkpoint, trainable bool) (*Model, error) {
	m := &Model{
		Description: d, e: e, byName: map[string]*weight{}, bySite: map[string]*weight{}, buckets: map[bucketKey]*tensor.Ints{},
	}
	l := loader{ctx: ctx, m: m, from: from, trainable: trainable, shapes: map[string][]int{}}
	defer l.release()
	for _, t := range d.Tensors() {
		l.shapes[t.Name] = t.Shape
	}
	m.table = l.table(d.Embedding)
	m.head = m.table
	if d.Head != d.Embedding {
		m.head = l.table(d.Head)
	}
	m.encoder = l.stack(d.Encoder)
	m.decoder = l.stack(d.Decoder)
	if l.err != nil {
		m.Release()
		return nil, fmt.Errorf("load model: %w", l.err)
	}
	for _, w := range m.weights {
		for _, s := range w.sites {
			m.bySite[s.Name] = w
		}
	}
	return m, ctx.Err()
}

func (l *loader) stack(s Stack) stack {
	out := stack{Stack: s}
	if s.Bias != nil {
		out.bias = l.float(s.Bias.Tensor)
	}
	for i, b := range s.Blocks {
		var block []*sublayer
		for _, sub := range b {
			place := l.m.place(s, i, sub)
			x := &sublayer{Sublayer: sub, place: place, norm: l.norm(place.Name, sub.Norm)}
			switch a, f := sub.Attention, sub.FeedForward; {
			case a != nil && a.Cross:
				x.in = l.linear(place, false, a.Q)
				x.kv = l.linear(place, false, a.K, a.V)
				x.out = l.linear(place, false, a.O)
			case a != nil:
				x.in = l.linear(place, false, a.Q, a.K, a.V)
				x.out = l.linear(place, false, a.O)
			default:
				x.in = l.linear(place, len(f.In) == 2, f.In...)
				x.out = l.linear(place, false, f.Out)
			}
			block = append(block, x)
		}
		out.blocks = append(out.blocks, block)
	}
	out.norm = l.norm(s.Name, s.Norm)
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
	if a == nil || a.Storage != tensor.F32 {
		return nil, fmt.Errorf("read weight %s: it was not loaded for training", name)
	}
	x, err := a.ReadFloats(ctx)
	if err != nil {
		return nil, err
	}
	return w.unpack(name, x), nil
}

// Engine is the engine that the model was loaded with.
func (m *Model) Engine() *tensor.Engine { return m.e }

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
	m.weights, m.buckets = nil, nil
}

// bucketIndex is the bucket of every distance that span positions have.
func (m *Model) bucketIndex(b RelativeBias, r tensor.RelativeBias) (*tensor.Ints, error) {
	key := bucketKey{r.Span, r.Offset, b}
	if a, ok := m.buckets[key]; ok {
		return a, nil
	}
	a, err := m.e.NewInts("buckets", 2*r.Span-1)
	if err != nil {
		return nil, err
	}
	if err := a.Write(r.BucketIndex()); err != nil {
		a.Release()
		return nil, err
	}
	m.buckets[key] = a
	return a, nil
}
