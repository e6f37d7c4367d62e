package main

import (
	"bytes"
	"io"
	"math"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
)

// blockHead is the head size of the benchmark's block, and blockEps its norms'
// epsilon.
const (
	blockHead = 64
	blockEps  = 1e-6
)

// benchBlock is an encoder of T5 1.0 with one block and the norm behind it, forward
// and then forward with the gradient of its input; shape is batch, length, width,
// feed-forward width.
func benchBlock(s *stage, shape []int) []*timing {
	b := newBlock(s, shape)
	if s.err != nil {
		return nil
	}
	g := s.e.NewGraph()
	y := g.Keep(b.record(g, g.Use(b.x)))
	forward := &timing{what: "block forward", flops: b.flops(2, 1), program: s.compile(g), check: func() (float64, float64) {
		got := s.read(y)
		if s.err != nil {
			return 1, 0
		}
		size := b.length * b.width // the first row of the batch
		return relative(got[:size], b.reference(doubles(b.hostX[:size]))), sumError
	}}
	if s.err == nil {
		s.err = s.e.Trainable(b.x)
	}
	g = s.e.NewGraph()
	out := b.record(g, g.Use(b.x))
	g.BackwardFrom(out, g.Use(b.c))
	both := &timing{what: "block forward and input gradient", flops: b.flops(4, 3.5), program: s.compile(g)}
	both.check = func() (float64, float64) {
		gradient, err := b.gradient(s, both.program)
		if err != nil {
			s.err = err
			return 1, 0
		}
		return b.slope(s, gradient), slopeError
	}
	return []*timing{forward, both}
}

// gradient is that of the input from one run: an array's gradient is added to, from
// run to run.
func (b *block) gradient(s *stage, p *tensor.Program) ([]float32, error) {
	if err := b.x.Grad.WriteFloats(make([]float32, len(b.hostX))); err != nil {
		return nil, err
	}
	if err := s.e.Run(p); err != nil {
		return nil, err
	}
	return b.x.Grad.ReadFloats(s.ctx)
}

// block is the benchmark's model, and its input and the gradient of its output, on
// the device and here.
type block struct {
	batch, length, width, ff int
	model                    *nn.Model
	x, c                     *tensor.Array
	hostX, hostC             []float32

	// The weights: of norms [d], and [out, in].
	norm, q, k, v, o, norm2, wi, wo, last []float32
	positions
}

func newBlock(s *stage, shape []int) *block {
	b := &block{batch: shape[0], length: shape[1], width: shape[2], ff: shape[3]}
	if b.width%blockHead != 0 {
		s.err = failf(codeSettings, "Choose a width such as 512.", "a block's width must be a multiple of %d, not %d", blockHead, b.width)
		return b
	}
	d := b.describe()
	numbers, err := b.draw(s, d)
	if err == nil {
		b.model, err = nn.Load(s.ctx, s.e, d, numbers, false)
	}
	if err != nil {
		s.err = err
		return b
	}
	s.owned = append(s.owned, b.model)
	b.x, b.hostX = s.array("x", 1, b.batch*b.length, b.width)
	b.c, b.hostC = s.array("c", 1, b.batch*b.length, b.width)
	return b
}

// describe is T5 with the one block, and no more of the rest than a model must have.
func (b *block) describe() nn.Description {
	c := t5.Config{
		DModel: b.width, DKV: blockHead, DFF: b.ff, NumHeads: b.width / blockHead, NumLayers: 1, VocabSize: 1, TieWordEmbeddings: true,
		FeedForwardProj: t5.FeedForwardReLU, LayerNormEpsilon: blockEps,
		RelativeAttentionNumBuckets: benchBuckets, RelativeAttentionMaxDistance: benchDistance,
	}
	d := c.Describe()
	d.Decoder.Bias = nil
	return d
}

// draw makes the model's numbers, of sizes that keep the block's results of the size
// of its input.
func (b *block) draw(s *stage, d nn.Description) (memory, error) {
	stack := d.Encoder
	self, ff := stack.Blocks[0][0], stack.Blocks[0][1]
	spread := 1 / math.Sqrt(float64(b.width))
	parts := map[string]struct {
		deviation float64
		keep      *[]float32
	}{
		self.Norm:                   {1, &b.norm},
		self.Attention.Q.Tensor:     {spread * math.Pow(blockHead, -0.25), &b.q},
		self.Attention.K.Tensor:     {spread * math.Pow(blockHead, -0.25), &b.k},
		self.Attention.V.Tensor:     {spread, &b.v},
		self.Attention.O.Tensor:     {spread, &b.o},
		stack.Bias.Tensor:           {1, &b.table},
		ff.Norm:                     {1, &b.norm2},
		ff.FeedForward.In[0].Tensor: {spread, &b.wi},
		ff.FeedForward.Out.Tensor:   {1 / math.Sqrt(float64(b.ff)), &b.wo},
		stack.Norm:                  {1, &b.last},
	}
	var all []safetensors.Tensor
	for _, t := range d.Tensors() {
		n := 1
		for _, size := range t.Shape {
			n *= size
		}
		x := s.normal(n, 1)
		if part, ok := parts[t.Name]; ok {
			for i := range x {
				x[i] *= float32(part.deviation)
			}
			*part.keep = x
		}
		all = append(all, safetensors.Float32(t.Name, safetensors.F32, t.Shape, x))
	}
	b.positions = newPositions(b.width/blockHead, b.length, b.table)
	var file bytes.Buffer
	if err := safetensors.Write(&file, all, nil); err != nil {
		return memory{}, err
	}
	parsed, err := safetensors.Parse(file.Bytes())
	return memory{parsed}, err
}

// memory is a checkpoint of float32 in memory.
type memory struct{ *safetensors.File }

// Reader gives a tensor's bytes.
func (m memory) Reader(name string) (safetensors.DType, *io.SectionReader, error) {
	r, err := m.File.Reader(name)
	return safetensors.F32, r, err
}

// Bytes gives them all at once.
func (m memory) Bytes(name string) (safetensors.DType, []byte, error) {
	x, err := m.File.Bytes(name)
	return safetensors.F32, x, err
}

// Row is a row of a matrix.
func (m memory) Row(name string, i int) ([]float32, error) {
	x, err := m.File.Float32(name)
	if err != nil {
		return nil, err
	}
	info, _ := m.Lookup(name)
	return x[i*info.Shape[1] : (i+1)*info.Shape[1]], nil
}

func (b *block) record(g *tensor.Graph, x *tensor.Value) *tensor.Value {
	return b.model.NewPass(g, nn.Hooks{}).EncodeFrom(x, b.batch, nn.Spans{})
}

// flops counts the products with weights so often each, two operations an
// element, and those of attention.
func (b *block) flops(linear, attention float64) float64 {
	rows, d := float64(b.batch*b.length), float64(b.width)
	return linear*rows*d*(4*d+2*float64(b.ff)) + attention*4*rows*float64(b.length)*d
}

// reference is the model on one row of the batch, in float64.
func (b *block) reference(x []float64) []float64 {
	n, d := b.length, b.width
	var q, k, v [][]float64
	for t := range n {
		h := normed(x[t*d:(t+1)*d], b.norm)
		q, k, v = append(q, times(h, b.q)), append(k, times(h, b.k)), append(v, times(h, b.v))
	}
	out := make([]float64, 0, n*d)
	for t := range n {
		heads := make([]float64, d)
		for h := range b.Heads {
			part := func(of [][]float64, t int) []float64 { return of[t][h*blockHead : (h+1)*blockHead] }
			b.attend(part([][]float64{heads}, 0), part(q, t), h, t,
				func(at int) []float64 { return part(k, at) }, func(at int) []float64 { return part(v, at) })
		}
		y := times(heads, b.o)
		for i := range y {
			y[i] += x[t*d+i]
		}
		hidden := times(normed(y, b.norm2), b.wi)
		for i, z := range hidden {
			hidden[i] = max(0, z)
		}
		for i, z := range times(hidden, b.wo) {
			y[i] += z
		}
		out = append(out, normed(y, b.last)...)
	}
	return out
}

// normed is T5's norm: x by the root of its mean square, times w.
func normed(x []float64, w []float32) []float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	scale := 1 / math.Sqrt(sum/float64(len(x))+blockEps)
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v * scale * float64(w[i])
	}
	return out
}

// times is x·wᵀ.
func times(x []float64, w []float32) []float64 {
	out := make([]float64, len(w)/len(x))
	for i := range out {
		for j, v := range x {
			out[i] += v * float64(w[i*len(x)+j])
		}
	}
	return out
}

// slope compares the gradient of Σ c·y along a random direction with the
// difference quotient, on the first row of the batch. Their difference is that
// of the gradients in this direction, so it is relative to the gradient's size.
func (b *block) slope(s *stage, gradient []float32) float64 {
	const h = 1e-7 // so small that hardly a ReLU changes sides
	size := b.length * b.width
	up, down := doubles(b.hostX[:size]), doubles(b.hostX[:size])
	var along, squares float64
	for i := range size {
		v := s.random.NormFloat64()
		along += v * float64(gradient[i])
		squares += float64(gradient[i]) * float64(gradient[i])
		up[i] += h * v
		down[i] -= h * v
	}
	var rise float64
	above, below := b.reference(up), b.reference(down)
	for i, c := range b.hostC[:size] {
		rise += float64(c) * (above[i] - below[i])
	}
	rise /= 2 * h
	return math.Abs(along-rise) / math.Sqrt(squares)
}
