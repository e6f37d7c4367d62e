package tensor

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu/wgputest"
)

func newEngine(t *testing.T) *Engine {
	e, err := NewEngine(wgputest.Device(t))
	require.NoError(t, err)
	t.Cleanup(e.Release)
	return e
}

func newArray(t *testing.T, e *Engine, name string, x []float32, shape ...int) *Array {
	a, err := e.NewArray(name, shaders.F32, shape...)
	require.NoError(t, err)
	t.Cleanup(a.Release)
	require.NoError(t, a.WriteFloats(x))
	return a
}

func normals(seed uint64, n int, scale float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * scale)
	}
	return x
}

// No two values whose lifetimes overlap share a slab, and the slabs take no
// more than what is alive at once needs at the worst moment, within a third.
func TestPlan(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		g := &Graph{nodes: make([]node, 60)}
		for range 40 {
			first := rng.IntN(60)
			v := &Value{Shape: []int{1 + rng.IntN(4000)}, first: first, last: min(59, first+rng.IntN(12))}
			g.values = append(g.values, v)
		}
		p := g.plan()
		var total, worst int64
		for _, s := range p.Slabs {
			total += s
		}
		require.Equal(t, p.Bytes, total)
		for at := range 60 {
			var alive int64
			for i, v := range g.values {
				if v.first > at || at > v.last {
					continue
				}
				alive += v.bytes()
				require.GreaterOrEqual(t, p.Slabs[v.slab], v.bytes())
				for _, w := range g.values[:i] {
					if w.first <= at && at <= w.last {
						require.NotEqual(t, v.slab, w.slab)
					}
				}
			}
			worst = max(worst, alive)
		}
		assert.LessOrEqual(t, float64(total), 1.34*float64(worst))
	}
}

// The loss and its gradients do not depend on whether the vocabulary is gone
// through at once or in slices, which happens when the logits are large.
func TestCrossEntropyInSlices(t *testing.T) {
	const rows, vocab, width = 1100, 16_391, 3 // 72 MB of logits
	ctx := context.Background()
	e := newEngine(t)
	h := normals(1, rows*width, 1)
	w := normals(2, vocab*width, 1)
	labels := make([]uint32, rows)
	rng := rand.New(rand.NewPCG(5, 6))
	missing := int32(-100)
	for i := range labels {
		labels[i] = uint32(rng.IntN(vocab))
		if i%7 == 3 {
			labels[i] = uint32(missing)
		}
	}
	ah, aw := newArray(t, e, "h", h, rows, width), newArray(t, e, "w", w, vocab, width)
	require.NoError(t, e.Trainable(ah))
	require.NoError(t, e.Trainable(aw))
	al := newInts(t, e, labels, rows)
	total := newArray(t, e, "total", []float32{0}, 1)

	g := e.NewGraph()
	g.CrossEntropy("loss", g.Use(ah), g.Use(aw), al, 0.5, g.Use(total))
	g.Backward()
	p, err := g.Compile(ctx)
	require.NoError(t, err)
	defer p.Release()
	require.Greater(t, strings.Count(strings.Join(p.Calls(), " "), "loss.logits"), 2, "the vocabulary was not sliced")
	const scale = 0.25
	require.NoError(t, e.SetStep(shaders.Step{LossScale: scale}))
	require.NoError(t, e.Run(p))

	wantH, wantW := make([]float64, rows*width), make([]float64, vocab*width)
	var wantLoss float64
	logits := make([]float64, vocab)
	for i := range rows {
		if int32(labels[i]) < 0 {
			continue
		}
		top := math.Inf(-1)
		for v := range logits {
			logits[v] = 0
			for k := range width {
				logits[v] += 0.5 * float64(h[i*width+k]) * float64(w[v*width+k])
			}
			top = max(top, logits[v])
		}
		var sum float64
		for _, x := range logits {
			sum += math.Exp(x - top)
		}
		lse := top + math.Log(sum)
		wantLoss += scale * (lse - logits[labels[i]])
		for v, x := range logits {
			d := scale * math.Exp(x-lse)
			if v == int(labels[i]) {
				d -= scale
			}
			for k := range width {
				wantH[i*width+k] += 0.5 * d * float64(w[v*width+k])
				wantW[v*width+k] += 0.5 * d * float64(h[i*width+k])
			}
		}
	}
	loss, err := total.ReadFloats(ctx)
	require.NoError(t, err)
	assert.InEpsilon(t, wantLoss, loss[0], 1e-6)
	gotH, err := ah.Grad.ReadFloats(ctx)
	require.NoError(t, err)
	assert.LessOrEqual(t, nmse(gotH, wantH), 1e-10)
	gotW, err := aw.Grad.ReadFloats(ctx)
	require.NoError(t, err)
	assert.LessOrEqual(t, nmse(gotW, wantW), 1e-11)
}

func nmse(got []float32, want []float64) float64 {
	var num, den float64
	for i, w := range want {
		num += (float64(got[i]) - w) * (float64(got[i]) - w)
		den += w * w
	}
	return num / den
}

// Shape mistakes are reported with the operation and both shapes, and do not panic.
func TestShapeErrors(t *testing.T) {
	e := newEngine(t)
	x := newArray(t, e, "x", normals(1, 6, 1), 2, 3)
	w := newArray(t, e, "w", normals(2, 8, 1), 2, 4)
	ids := newInts(t, e, []uint32{0, 1, 0}, 1, 3)
	for name, record := range map[string]func(*Graph){
		"linear":        func(g *Graph) { g.Linear("q", g.Use(x), g.Use(w), LinearOptions{}) },
		"rmsnorm":       func(g *Graph) { g.RMSNorm("norm", g.Use(x), g.Use(w), 1e-6, shaders.Dropout{}) },
		"cross-entropy": func(g *Graph) { g.CrossEntropy("loss", g.Use(x), g.Use(w), ids, 1, g.Use(w)) },
		"product":       func(g *Graph) { g.Product("p", g.Use(x), g.Use(w), 1) },
		"columns":       func(g *Graph) { g.Columns("c", g.Use(x), g.Use(w), nil) },
		"pack":          func(g *Graph) { g.Pack("p", 2, Layout{Widths: []int{2}}, 0, g.Use(x)) },
		"concat":        func(g *Graph) { g.Concat("c", g.Use(w), g.Use(x)) },
		"add":           func(g *Graph) { g.Add("a", g.Use(x), g.Use(w), 1) },
		"divide":        func(g *Graph) { g.Divide("d", g.Use(x), g.Use(w)) },
		"attention": func(g *Graph) {
			g.Attention("a", g.Use(x), g.Use(x), AttentionOptions{Batch: 1, Heads: 2, HeadDim: 2, Queries: 2, Keys: 2})
		},
		"embed": func(g *Graph) {
			g.Embed("e", ids, EmbedOptions{Table: g.Use(w), P: g.Use(x)})
		},
	} {
		g := e.NewGraph()
		record(g)
		_, err := g.Compile(context.Background())
		require.ErrorContains(t, err, name)
		assert.Contains(t, err.Error(), fmt.Sprint(x.Shape), name)
	}
}

// A value that would not fit a binding is refused before anything is taken.
func TestCheckNamesTheLimit(t *testing.T) {
	e := newEngine(t)
	rows := int(e.Device().Limits().StorageBinding/4) + 1
	g := e.NewGraph()
	x := newArray(t, e, "x", []float32{1}, 1, 1)
	v := g.Linear("x", g.Use(x), g.Use(x), LinearOptions{})
	v.Shape = []int{rows, 1}
	before, _ := e.Device().Allocated()
	_, err := g.Check()
	require.ErrorContains(t, err, "maxStorageBufferBindingSize")
	after, _ := e.Device().Allocated()
	assert.Equal(t, before, after)
}

// What one program keeps, another one does not touch; what is not kept is refused.
func TestKeptValues(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t)
	x := newArray(t, e, "x", normals(1, 6, 1), 2, 3)
	program := func(factor float32, keep bool) (*Program, *Value) {
		g := e.NewGraph()
		between := g.Add("between", g.Use(x), g.Use(x), factor)
		y := g.Add("y", between, between, 1)
		if keep {
			g.Keep(between)
		}
		g.Keep(y)
		p, err := g.Compile(ctx)
		require.NoError(t, err)
		t.Cleanup(p.Release)
		return p, between
	}
	p, kept := program(1, true)
	other, passing := program(5, false)
	require.NoError(t, e.Run(p, other))
	got, err := kept.Read(ctx)
	require.NoError(t, err)
	want, err := x.ReadFloats(ctx)
	require.NoError(t, err)
	for i := range want {
		want[i] *= 2
	}
	assert.Equal(t, want, got)
	_, err = passing.Read(ctx)
	assert.ErrorContains(t, err, "read between: ")
}
