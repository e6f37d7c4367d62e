package main

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// bench times a part of T5 on the device there is, or on one opened for it.
func (w *worker) bench(ctx context.Context, m Bench) error {
	on := w.model
	if on == nil {
		if w.bare == nil {
			dev, err := wgpu.Open(ctx, "")
			if err != nil {
				return err
			}
			engine, err := tensor.NewEngine(dev)
			if err != nil {
				dev.Release()
				return err
			}
			w.bare = &model{dev: dev, engine: engine}
		}
		on = w.bare
	}
	for _, part := range []struct {
		what   string
		sizes  int
		record func(*stage, []int) []*timing
	}{{"matmul", 3, benchMatMul}, {"attention", 4, benchAttention}, {"block", 4, benchBlock}} {
		if part.what != m.What {
			continue
		}
		if len(m.Shape) != part.sizes || slices.Min(m.Shape) < 1 || slices.Max(m.Shape) > 1<<16 {
			return failf(codeSettings, "Give sizes such as 512x512x512 for matmul.", "%s takes %d sizes from 1 to 65,536, not %v", m.What, part.sizes, m.Shape)
		}
		s := &stage{ctx: ctx, e: on.engine, random: rand.New(rand.NewPCG(1, 2))}
		defer s.release()
		reply := Benched{Device: on.device(), Results: []BenchResult{}}
		for _, t := range part.record(s, m.Shape) {
			result := s.time(t, m.Shape)
			if s.err != nil {
				return s.err
			}
			reply.Results = append(reply.Results, result)
		}
		if s.err != nil {
			return s.err
		}
		w.post(reply)
		return nil
	}
	return failf(codeSettings, "Choose matmul, attention or block.", "there is nothing called %q to time", m.What)
}

// timing is a recorded computation and how to check what comes out.
type timing struct {
	what    string
	flops   float64
	program *tensor.Program
	// check gives the error of a sample of the result, relative to its size, and
	// the largest that is still right.
	check func() (found, allowed float64)
}

// Errors of float32 sums against float64 ones, relative to the root of the mean
// square: twenty times what kernels are held to natively. A gradient is less
// exact where float32 sees a ReLU on its other side.
const (
	sumError   = 1.5e-5
	slopeError = 1e-4
)

// stage makes arrays of random numbers for a benchmark. The first error is kept.
type stage struct {
	ctx    context.Context
	e      *tensor.Engine
	random *rand.Rand
	arrays []*tensor.Array
	err    error
}

func (s *stage) release() {
	for _, a := range s.arrays {
		a.Release()
	}
}

// array is one of normally distributed numbers and, on the host, the same.
func (s *stage) array(name string, deviation float64, shape ...int) (*tensor.Array, []float32) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(s.random.NormFloat64() * deviation)
	}
	return s.floats(name, x, shape...), x
}

func (s *stage) floats(name string, x []float32, shape ...int) *tensor.Array {
	if s.err != nil {
		return &tensor.Array{Name: name, Shape: shape}
	}
	a, err := s.e.NewArray(name, shaders.F32, shape...)
	if err != nil {
		s.err = err
		return &tensor.Array{Name: name, Shape: shape}
	}
	s.arrays = append(s.arrays, a)
	s.err = a.WriteFloats(x)
	return a
}

func (s *stage) compile(g *tensor.Graph) *tensor.Program {
	if s.err != nil {
		return nil
	}
	p, err := g.Compile(s.ctx)
	s.err = err
	return p
}

func (s *stage) read(v *tensor.Value) []float32 {
	if s.err != nil {
		return nil
	}
	x, err := v.Read(s.ctx)
	s.err = err
	return x
}

// Each program is timed some times, and run often enough each time for clocks
// that browsers make coarse.
const (
	benchTimes = 5
	benchLong  = 50 * time.Millisecond
	benchMost  = 64
)

func (s *stage) time(t *timing, shape []int) BenchResult {
	r := BenchResult{What: t.what, Shape: shape}
	if s.err != nil {
		return r
	}
	defer t.program.Release()
	run := func(n int) time.Duration {
		if s.err != nil {
			return 0
		}
		began := time.Now()
		if s.err = s.e.Run(slices.Repeat([]*tensor.Program{t.program}, n)...); s.err == nil {
			s.err = s.e.Device().Wait(s.ctx)
		}
		return time.Since(began)
	}
	run(1) // compiles and warms up
	n := min(max(1, int(benchLong/max(run(1), time.Microsecond))), benchMost)
	took := make([]time.Duration, benchTimes)
	for i := range took {
		took[i] = run(n)
	}
	slices.Sort(took)
	r.MS = 1000 * took[benchTimes/2].Seconds() / float64(n)
	r.GFLOPs = t.flops / 1e6 / max(r.MS, 1e-6)
	if s.err == nil {
		var allowed float64
		r.Error, allowed = t.check()
		r.Right = r.Error <= allowed
	}
	return r
}

// relative is the root of the mean square of got − want, by that of want.
func relative(got []float32, want []float64) float64 {
	var off, all float64
	for i, x := range want {
		d := float64(got[i]) - x
		off += d * d
		all += x * x
	}
	return math.Sqrt(off / all)
}

// benchMatMul is [m, k]·[n, k]ᵀ, as a layer multiplies; shape is m, k, n.
func benchMatMul(s *stage, shape []int) []*timing {
	m, k, n := shape[0], shape[1], shape[2]
	x, hx := s.array("x", 1, m, k)
	w, hw := s.array("w", 1/math.Sqrt(float64(k)), n, k)
	g := s.e.NewGraph()
	y := g.Keep(g.Linear("matmul", g.Use(x), g.Use(w), tensor.LinearOptions{}))
	return []*timing{{
		what: "matmul", flops: 2 * float64(m) * float64(k) * float64(n), program: s.compile(g),
		check: func() (float64, float64) {
			all := s.read(y)
			if s.err != nil {
				return 1, 0
			}
			var got []float32
			var want []float64
			for range 256 {
				row, col := s.random.IntN(m), s.random.IntN(n)
				got = append(got, all[row*n+col])
				want = append(want, dot(hx[row*k:(row+1)*k], hw[col*k:(col+1)*k]))
			}
			return relative(got, want), sumError
		},
	}}
}

func dot(a, b []float32) (sum float64) {
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

// T5's relative positions.
const (
	benchBuckets  = 32
	benchDistance = 128
)

// positions are the biases of a benchmark's attention.
type positions struct {
	shaders.RelativeBias
	table *tensor.Array
	index *tensor.Array
	host  []float32
	of    []uint32
}

func (s *stage) positions(heads, span int) positions {
	p := positions{RelativeBias: shaders.RelativeBias{Heads: heads, Buckets: benchBuckets, MaxDistance: benchDistance, Span: span, Bidirectional: true}}
	p.of = p.BucketIndex()
	p.table, p.host = s.array("bias", 1, benchBuckets, heads)
	p.index = s.floats("buckets", make([]float32, len(p.of)), len(p.of))
	if s.err == nil {
		s.err = p.index.WriteUints(p.of)
	}
	return p
}

func (p positions) use(g *tensor.Graph) *tensor.Value {
	return g.RelativeBias("bias", g.Use(p.table), g.Use(p.index), p.RelativeBias)
}

// bias is what a head adds to a score.
func (p positions) bias(head, query, key int) float64 {
	return float64(p.host[int(p.of[key-query+p.Span-1])*p.Heads+head])
}

// attend is one head's result for one query, from rows that give its key and
// value: softmax(q·kᵀ + bias)·v.
func (p positions) attend(out, q []float64, head, query int, key, value func(int) []float64) {
	scores := make([]float64, p.Span)
	largest := math.Inf(-1)
	for t := range scores {
		scores[t] = p.bias(head, query, t)
		for i, x := range key(t) {
			scores[t] += q[i] * x
		}
		largest = max(largest, scores[t])
	}
	var sum float64
	for t := range scores {
		scores[t] = math.Exp(scores[t] - largest)
		sum += scores[t]
	}
	clear(out)
	for t, weight := range scores {
		for i, x := range value(t) {
			out[i] += weight / sum * x
		}
	}
}

// benchAttention is self-attention with T5's bias; shape is batch, heads, head
// size, length.
func benchAttention(s *stage, shape []int) []*timing {
	batch, heads, d, n := shape[0], shape[1], shape[2], shape[3]
	inner := heads * d
	qkv, host := s.array("qkv", math.Pow(float64(d), -0.25), batch*n, 3*inner)
	p := s.positions(heads, n)
	g := s.e.NewGraph()
	v := g.Use(qkv)
	y := g.Keep(g.Attention("attention", v, v, tensor.AttentionOptions{
		Batch: batch, Heads: heads, HeadDim: d, Queries: n, Keys: n, KOffset: inner, VOffset: 2 * inner, Bias: p.use(g),
	}))
	return []*timing{{
		what: "attention", flops: 4 * float64(batch*heads*d) * float64(n) * float64(n), program: s.compile(g),
		check: func() (float64, float64) {
			all := s.read(y)
			if s.err != nil {
				return 1, 0
			}
			var got []float32
			var want []float64
			for range 16 {
				b, h, query := s.random.IntN(batch), s.random.IntN(heads), s.random.IntN(n)
				part := func(t, which int) []float64 {
					at := (b*n+t)*3*inner + which*inner + h*d
					return doubles(host[at : at+d])
				}
				out := make([]float64, d)
				p.attend(out, part(query, 0), h, query, func(t int) []float64 { return part(t, 1) }, func(t int) []float64 { return part(t, 2) })
				want = append(want, out...)
				at := (b*n+query)*inner + h*d
				got = append(got, all[at:at+d]...)
			}
			return relative(got, want), sumError
		},
	}}
}

func doubles(x []float32) []float64 { return mapped(x, func(v float32) float64 { return float64(v) }) }

// blockHead is the head size of the benchmark's block, and blockEps its norms'
// epsilon.
const (
	blockHead = 64
	blockEps  = 1e-6
)

// benchBlock is an encoder block of T5 1.0, forward and then forward with the
// gradient of its input; shape is batch, length, width, feed-forward width.
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
	x := g.Use(b.x)
	out := b.record(g, x)
	g.BackwardFrom(out, g.Use(b.c))
	gradient := g.Keep(g.Gradient(x))
	both := &timing{what: "block forward and input gradient", flops: b.flops(4, 3.5), program: s.compile(g), check: func() (float64, float64) {
		got := s.read(gradient)
		if s.err != nil {
			return 1, 0
		}
		return b.slope(s, got), slopeError
	}}
	return []*timing{forward, both}
}

// block is the benchmark's block with its weights, on the device and here.
type block struct {
	batch, length, width, ff      int
	x, c, norm, qkv, o, norm2     *tensor.Array
	wi, wo                        *tensor.Array
	hostX, hostC, hNorm, hQKV, hO []float32
	hNorm2, hWi, hWo              []float32
	positions
}

func newBlock(s *stage, shape []int) *block {
	b := &block{batch: shape[0], length: shape[1], width: shape[2], ff: shape[3]}
	if b.width%blockHead != 0 {
		s.err = failf(codeSettings, "Choose a width such as 512.", "a block's width must be a multiple of %d, not %d", blockHead, b.width)
		return b
	}
	d := b.width
	spread := 1 / math.Sqrt(float64(d))
	b.x, b.hostX = s.array("x", 1, b.batch*b.length, d)
	b.c, b.hostC = s.array("c", 1, b.batch*b.length, d)
	b.norm, b.hNorm = s.array("norm", 1, d)
	b.qkv, b.hQKV = s.array("qkv", spread*math.Pow(blockHead, -0.25), 3*d, d)
	b.o, b.hO = s.array("o", spread, d, d)
	b.norm2, b.hNorm2 = s.array("norm2", 1, d)
	b.wi, b.hWi = s.array("wi", spread, b.ff, d)
	b.wo, b.hWo = s.array("wo", 1/math.Sqrt(float64(b.ff)), d, b.ff)
	b.positions = s.positions(d/blockHead, b.length)
	return b
}

func (b *block) record(g *tensor.Graph, x *tensor.Value) *tensor.Value {
	h := g.RMSNorm("norm", x, g.Use(b.norm), blockEps, shaders.Dropout{})
	qkv := g.Linear("qkv", h, g.Use(b.qkv), tensor.LinearOptions{})
	h = g.Attention("attention", qkv, qkv, tensor.AttentionOptions{
		Batch: b.batch, Heads: b.Heads, HeadDim: blockHead, Queries: b.length, Keys: b.length,
		KOffset: b.width, VOffset: 2 * b.width, Bias: b.use(g),
	})
	x = g.Linear("o", h, g.Use(b.o), tensor.LinearOptions{End: shaders.EndResidual, Residual: x})
	h = g.RMSNorm("norm2", x, g.Use(b.norm2), blockEps, shaders.Dropout{})
	h = g.Linear("wi", h, g.Use(b.wi), tensor.LinearOptions{End: shaders.EndReLU})
	return g.Linear("wo", h, g.Use(b.wo), tensor.LinearOptions{End: shaders.EndResidual, Residual: x})
}

// flops counts the products with weights so often each, two operations an
// element, and those of attention.
func (b *block) flops(linear, attention float64) float64 {
	rows, d := float64(b.batch*b.length), float64(b.width)
	return linear*rows*d*(4*d+2*float64(b.ff)) + attention*4*rows*float64(b.length)*d
}

// reference is the block on one row of the batch, in float64.
func (b *block) reference(x []float64) []float64 {
	n, d := b.length, b.width
	norm := func(x []float64, w []float32) []float64 {
		out := make([]float64, d)
		var sum float64
		for _, v := range x {
			sum += v * v
		}
		scale := 1 / math.Sqrt(sum/float64(d)+blockEps)
		for i, v := range x {
			out[i] = v * scale * float64(w[i])
		}
		return out
	}
	times := func(x []float64, w []float32) []float64 { // x·wᵀ
		out := make([]float64, len(w)/len(x))
		for i := range out {
			row := w[i*len(x) : (i+1)*len(x)]
			for j, v := range x {
				out[i] += v * float64(row[j])
			}
		}
		return out
	}
	qkv := make([][]float64, n)
	for t := range n {
		qkv[t] = times(norm(x[t*d:(t+1)*d], b.hNorm), b.hQKV)
	}
	out := make([]float64, 0, n*d)
	for t := range n {
		heads := make([]float64, d)
		for h := range b.Heads {
			from := h * blockHead
			part := func(t, which int) []float64 { return qkv[t][which*d+from : which*d+from+blockHead] }
			b.attend(heads[from:from+blockHead], part(t, 0), h, t,
				func(k int) []float64 { return part(k, 1) }, func(k int) []float64 { return part(k, 2) })
		}
		y := times(heads, b.hO)
		for i := range y {
			y[i] += x[t*d+i]
		}
		hidden := times(norm(y, b.hNorm2), b.hWi)
		for i, v := range hidden {
			hidden[i] = max(0, v)
		}
		for i, v := range times(hidden, b.hWo) {
			y[i] += v
		}
		out = append(out, y...)
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
