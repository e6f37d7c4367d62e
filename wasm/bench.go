package main

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// benchParts are what can be timed, each with how many sizes it takes.
var benchParts = map[string]struct {
	sizes  int
	record func(*stage, []int) []*timing
}{"matmul": {3, benchMatMul}, "attention": {4, benchAttention}, "block": {4, benchBlock}}

// bench times a part of T5 on the device there is, or on one opened for it.
func (w *worker) bench(ctx context.Context, m Bench) error {
	part, ok := benchParts[m.What]
	if !ok {
		return failf(codeSettings, "Choose matmul, attention or block.", "there is nothing called %q to time", m.What)
	}
	if len(m.Shape) != part.sizes || slices.Min(m.Shape) < 1 || slices.Max(m.Shape) > 1<<16 {
		return failf(codeSettings, "Give sizes such as 512x512x512 for matmul.", "%s takes %d sizes from 1 to 65,536, not %v", m.What, part.sizes, m.Shape)
	}
	on, err := w.benchDevice(ctx)
	if err != nil {
		return err
	}
	s := &stage{ctx: ctx, e: on.Engine, random: rand.New(rand.NewPCG(1, 2))}
	defer s.release()
	reply := Benched{Device: deviceInfo(on.Device), Results: []BenchResult{}}
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

// benchDevice is the model's device, or one without a model.
func (w *worker) benchDevice(ctx context.Context) (*train.Setup, error) {
	if w.model != nil {
		return w.model.Setup, nil
	}
	if w.bare != nil {
		return w.bare, nil
	}
	dev, err := wgpu.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	engine, err := tensor.NewEngine(dev)
	if err != nil {
		dev.Release()
		return nil, err
	}
	w.bare = &train.Setup{Device: dev, Engine: engine}
	return w.bare, nil
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
	owned  []interface{ Release() }
	err    error
}

func (s *stage) release() {
	for _, x := range s.owned {
		x.Release()
	}
}

// normal draws n normally distributed numbers.
func (s *stage) normal(n int, deviation float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(s.random.NormFloat64() * deviation)
	}
	return x
}

// array is one of normally distributed numbers and, on the host, the same.
func (s *stage) array(name string, deviation float64, shape ...int) (*tensor.Array, []float32) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := s.normal(n, deviation)
	if s.err != nil {
		return &tensor.Array{Name: name, Shape: shape}, x
	}
	a, err := s.e.NewArray(name, shaders.F32, shape...)
	if err != nil {
		s.err = err
		return &tensor.Array{Name: name, Shape: shape}, x
	}
	s.owned = append(s.owned, a)
	s.err = a.WriteFloats(x)
	return a, x
}

func (s *stage) ints(name string, x []uint32) *tensor.Ints {
	if s.err != nil {
		return nil
	}
	a, err := s.e.NewInts(name, len(x))
	if err != nil {
		s.err = err
		return nil
	}
	s.owned = append(s.owned, a)
	s.err = a.Write(x)
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

// positions are the biases of a benchmark's attention, on the host.
type positions struct {
	shaders.RelativeBias
	table []float32 // [buckets, heads]
	of    []uint32  // the bucket of each distance
}

func newPositions(heads, span int, table []float32) positions {
	p := positions{RelativeBias: shaders.RelativeBias{Heads: heads, Buckets: benchBuckets, MaxDistance: benchDistance, Span: span, Bidirectional: true}}
	p.table, p.of = table, p.BucketIndex()
	return p
}

// bias is what a head adds to a score.
func (p positions) bias(head, query, key int) float64 {
	return float64(p.table[int(p.of[key-query+p.Span-1])*p.Heads+head])
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
	table, biases := s.array("bias", 1, benchBuckets, heads)
	p := newPositions(heads, n, biases)
	index := s.ints("buckets", p.of)
	if s.err != nil {
		return nil
	}
	g := s.e.NewGraph()
	v := g.Use(qkv)
	y := g.Keep(g.Attention("attention", v, v, tensor.AttentionOptions{
		Batch: batch, Heads: heads, HeadDim: d, Queries: n, Keys: n, KOffset: inner, VOffset: 2 * inner,
		Bias: g.RelativeBias("bias", g.Use(table), index, p.RelativeBias),
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
