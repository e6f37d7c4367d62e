package tensor

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/shaders"
)

// operation is an entry of the table of gradients: what an operation makes of its
// operands, all of which may be trained.
type operation struct {
	name   string
	shapes [][]int
	record func(t *testing.T, g *Graph, x []*Value) *Value
	step   float64 // of the finite differences; 0 is 1/64
}

// drop is a dropout that the operations with one are tried with.
var drop = shaders.Dropout{Rate: 0.25, Site: 7}

func operations() []operation {
	linear := func(o LinearOptions) func(*testing.T, *Graph, []*Value) *Value {
		return func(_ *testing.T, g *Graph, x []*Value) *Value {
			o := o
			rest := x[2:]
			for _, to := range []struct {
				is bool
				at **Value
			}{{o.Plus != nil, &o.Plus}, {o.Scale != nil, &o.Scale}, {o.Bias != nil, &o.Bias}, {o.End == shaders.EndResidual, &o.Residual}} {
				if to.is {
					*to.at, rest = rest[0], rest[1:]
				}
			}
			return g.Linear("linear", x[0], x[1], o)
		}
	}
	some := &Value{} // stands for an operand that is there
	attention := func(o AttentionOptions) func(*testing.T, *Graph, []*Value) *Value {
		return func(_ *testing.T, g *Graph, x []*Value) *Value {
			o := o
			q, kv := x[0], x[0]
			rest := x[1:]
			if o.KOffset != 5 { // the packed ones keep queries in front
				kv, rest = x[1], x[2:]
			}
			if len(rest) > 0 {
				o.Bias = rest[0]
			}
			return g.Attention("attention", q, kv, o)
		}
	}
	return []operation{
		{name: "linear", shapes: [][]int{{7, 5}, {6, 5}}, record: linear(LinearOptions{Factor: 0.7})},
		{name: "linear, one row", shapes: [][]int{{1, 5}, {6, 5}}, record: linear(LinearOptions{})},
		{name: "linear, plus", shapes: [][]int{{7, 5}, {6, 5}, {7, 6}}, record: linear(LinearOptions{Plus: some})},
		{name: "linear, scale", shapes: [][]int{{7, 5}, {6, 5}, {6}}, record: linear(LinearOptions{Scale: some})},
		{name: "linear, bias and gated", shapes: [][]int{{7, 5}, {6, 5}, {6}}, record: linear(LinearOptions{Bias: some, End: shaders.EndGated, Dropout: drop})},
		{name: "linear, scale, bias and residual", shapes: [][]int{{7, 5}, {6, 5}, {6}, {6}, {7, 6}}, record: linear(LinearOptions{Scale: some, Bias: some, End: shaders.EndResidual})},
		{name: "linear, relu", shapes: [][]int{{7, 5}, {6, 5}, {7, 6}}, step: 1. / 4096, record: linear(LinearOptions{End: shaders.EndReLU, Plus: some, Dropout: drop})},
		{name: "linear, gated", shapes: [][]int{{7, 5}, {6, 5}, {7, 6}}, record: linear(LinearOptions{End: shaders.EndGated, Plus: some, Dropout: drop})},
		{name: "linear, residual", shapes: [][]int{{7, 5}, {6, 5}, {7, 6}, {7, 6}}, record: linear(LinearOptions{End: shaders.EndResidual, Plus: some, Dropout: drop})},
		{name: "linear, scale and gated", shapes: [][]int{{7, 5}, {6, 5}, {7, 6}, {6}}, record: linear(LinearOptions{End: shaders.EndGated, Plus: some, Scale: some, Dropout: drop})},
		{name: "linear, scale and residual", shapes: [][]int{{7, 5}, {6, 5}, {6}, {7, 6}}, record: linear(LinearOptions{End: shaders.EndResidual, Scale: some, Dropout: drop})},
		// The second product's gradient passes the end of the first at once, unless
		// something else reads what that made.
		{name: "linear after relu", shapes: [][]int{{7, 5}, {6, 5}, {3, 6}}, step: 1. / 4096, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.Linear("out", g.Linear("in", x[0], x[1], LinearOptions{End: shaders.EndReLU, Dropout: drop}), x[2], LinearOptions{Factor: 0.7})
		}},
		{name: "linear after gated", shapes: [][]int{{7, 5}, {6, 5}, {4, 3}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.Linear("out", g.Linear("in", x[0], x[1], LinearOptions{End: shaders.EndGated, Dropout: drop}), x[2], LinearOptions{})
		}},
		{name: "linear after scaled gated", shapes: [][]int{{7, 5}, {6, 5}, {6}, {4, 3}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.Linear("out", g.Linear("in", x[0], x[1], LinearOptions{End: shaders.EndGated, Scale: x[2], Dropout: drop}), x[3], LinearOptions{})
		}},
		{name: "linear and another after gated", shapes: [][]int{{7, 5}, {6, 5}, {3, 3}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			h := g.Linear("in", x[0], x[1], LinearOptions{End: shaders.EndGated, Dropout: drop})
			return g.Add("both", g.Linear("out", h, x[2], LinearOptions{}), h, 0.5)
		}},
		{name: "product", shapes: [][]int{{7, 5}, {5, 6}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value { return g.Product("product", x[0], x[1], 0.5) }},
		{name: "product of a head", shapes: [][]int{{9, 5}, {5, 6}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.Product("product", g.Head(x[0], 4), x[1], 0.5)
		}},
		{name: "rmsnorm", shapes: [][]int{{7, 5}, {5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.RMSNorm("rmsnorm", x[0], x[1], 1e-3, drop)
		}},
		// The norm's gradient passes through the dropout at once, where nothing is added to
		// it: not what reads the sum before the norm does.
		{name: "rmsnorm of a residual's sum", shapes: [][]int{{7, 5}, {5, 5}, {7, 5}, {5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			y := g.Linear("sum", x[0], x[1], LinearOptions{End: shaders.EndResidual, Residual: x[2], Dropout: drop})
			return g.Add("on", g.RMSNorm("rmsnorm", y, x[3], 1e-3, drop), y, 0.5)
		}},
		{name: "rmsnorm of a sum read before", shapes: [][]int{{7, 5}, {5}, {7, 5}, {5}, {5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			y := g.End("sum", g.Columns("columns", x[0], x[1], nil), LinearOptions{End: shaders.EndResidual, Residual: x[2], Dropout: drop})
			before := g.Columns("before", y, x[3], nil)
			return g.Add("on", g.RMSNorm("rmsnorm", y, x[4], 1e-3, shaders.Dropout{}), before, 0.5)
		}},
		{name: "columns", shapes: [][]int{{7, 5}, {5}, {5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.Columns("columns", x[0], x[1], x[2])
		}},
		{name: "columns, shift alone", shapes: [][]int{{7, 5}, {5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.Columns("columns", x[0], nil, x[1])
		}},
		{name: "pack", shapes: [][]int{{7, 5}, {7, 2}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.Pack("pack", 7, Layout{Widths: []int{5, 3, 2}}, 1, x[0], nil, x[1])
		}},
		{name: "pack, interleaved", shapes: [][]int{{7, 5}, {7, 5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.Pack("pack", 7, Layout{Widths: []int{5, 5}, Interleaved: true}, 0, x[0], x[1])
		}},
		{name: "part", shapes: [][]int{{7, 10}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			return g.Part("part", x[0], Layout{Widths: []int{5, 3, 2}}, 1)
		}},
		{name: "parts", shapes: [][]int{{7 * 10}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value {
			whole := g.Reshape(x[0], 7, 10)
			first := g.Part("first", whole, Layout{Widths: []int{0, 4, 6}}, 1)
			return g.Add("parts", first, g.Part("last", whole, Layout{Widths: []int{6, 4, 0}}, 1), 0.5)
		}},
		{name: "concat", shapes: [][]int{{2, 3, 5}, {2, 4, 5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value { return g.Concat("concat", x[0], x[1]) }},
		{name: "concat, shared", shapes: [][]int{{3, 5}, {2, 4, 5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value { return g.Concat("concat", x[0], x[1]) }},
		{name: "add", shapes: [][]int{{7, 5}, {7, 5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value { return g.Add("add", x[0], x[1], -0.5) }},
		{name: "divide", shapes: [][]int{{7, 5}}, record: func(t *testing.T, g *Graph, x []*Value) *Value {
			return g.Divide("divide", x[0], g.Use(newArray(t, g.e, "by", uniforms(3, 35, 1, 2), 7, 5)))
		}},
		{name: "center", shapes: [][]int{{7, 5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value { return g.Center("center", x[0]) }},
		{name: "activate", shapes: [][]int{{7, 5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value { return g.Activate("activate", x[0], shaders.Swish) }},
		{name: "dropout", shapes: [][]int{{7, 5}}, record: func(_ *testing.T, g *Graph, x []*Value) *Value { return g.Dropout("dropout", x[0], drop) }},
		{name: "embed", shapes: [][]int{{11, 5}, {3, 5}, {4, 5}}, record: embedded(false)},
		{name: "embed, a shift a token", shapes: [][]int{{11, 5}, {3, 5}, {8, 5}}, record: embedded(true)},
		{name: "relative bias", shapes: [][]int{{8, 2}}, record: func(t *testing.T, g *Graph, x []*Value) *Value {
			r := shaders.RelativeBias{Heads: 2, Buckets: 8, MaxDistance: 10, Span: 6, Bidirectional: true}
			index := newInts(t, g.e, r.BucketIndex(), 11)
			return g.RelativeBias("bias", x[0], index, r)
		}},
		{name: "attention, packed", shapes: [][]int{{8, 15}, {1, 7}}, record: attention(AttentionOptions{
			Batch: 2, Heads: 1, HeadDim: 5, Queries: 4, Keys: 4, KOffset: 5, VOffset: 10, Dropout: drop})},
		{name: "attention, packed with columns of no use", shapes: [][]int{{8, 17}}, record: attention(AttentionOptions{
			Batch: 2, Heads: 1, HeadDim: 5, Queries: 4, Keys: 4, KOffset: 5, VOffset: 12})},
		{name: "attention, two operands", shapes: [][]int{{6, 10}, {8, 20}}, record: attention(AttentionOptions{
			Batch: 2, Heads: 2, HeadDim: 5, Queries: 3, Keys: 4, VOffset: 10, Dropout: drop})},
		// The trap that was: queries packed with keys of their own that nobody reads.
		{name: "attention, packed queries and foreign keys", shapes: [][]int{{6, 15}, {8, 15}}, record: attention(AttentionOptions{
			Batch: 2, Heads: 1, HeadDim: 5, Queries: 3, Keys: 4, QOffset: 5, KOffset: 10, VOffset: 0})},
		{name: "cross-entropy", shapes: [][]int{{6, 5}, {9, 5}}, record: func(t *testing.T, g *Graph, x []*Value) *Value {
			total := newArray(t, g.e, "total", []float32{0}, 1)
			missing := int32(-100)
			g.CrossEntropy("loss", x[0], x[1], newInts(t, g.e, []uint32{1, 8, uint32(missing), 0, 3, 3}, 6), 0.7, g.Use(total))
			return g.Use(total)
		}},
	}
}

// embedded records two rows of four ids with all that an embedding can have.
func embedded(perToken bool) func(*testing.T, *Graph, []*Value) *Value {
	return func(t *testing.T, g *Graph, x []*Value) *Value {
		ids := []uint32{3, 1, 3, 10, 0, 3, 2, 2}
		runs, order := shaders.Runs(ids, func(int) bool { return false })
		return g.Embed("embed", newInts(t, g.e, ids, 2, 4), EmbedOptions{
			Table: x[0], P: x[1], Shift: x[2], PerToken: perToken, Dropout: drop,
			Runs: newInts(t, g.e, runs, len(runs)), Order: newInts(t, g.e, order, len(order)),
		})
	}
}

func newInts(t *testing.T, e *Engine, x []uint32, shape ...int) *Ints {
	a, err := e.NewInts("ints", shape...)
	require.NoError(t, err)
	t.Cleanup(a.Release)
	require.NoError(t, a.Write(x))
	return a
}

func uniforms(seed uint64, n int, low, high float64) []float32 {
	x := normals(seed, n, 1)
	for i, v := range x {
		x[i] = float32(low + (high-low)*(0.5+math.Atan(float64(v))/math.Pi))
	}
	return x
}

// Every operation delivers the gradient of every operand, whether that is a
// trained array or something computed, used once or twice, against central
// differences along random directions.
func TestGradients(t *testing.T) {
	e := newEngine(t)
	for _, op := range operations() {
		for _, computed := range []bool{false, true} {
			for _, times := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s/computed=%t/used=%d", op.name, computed, times), func(t *testing.T) {
					checkGradients(t, e, op, computed, times)
				})
			}
		}
	}
}

func checkGradients(t *testing.T, e *Engine, op operation, computed bool, times int) {
	ctx := context.Background()
	arrays, values := make([]*Array, len(op.shapes)), make([][]float32, len(op.shapes))
	g := e.NewGraph()
	operands := make([]*Value, len(op.shapes))
	for i, shape := range op.shapes {
		values[i] = normals(uint64(i+1), product(shape), 1)
		arrays[i] = newArray(t, e, fmt.Sprint("x", i), values[i], shape...)
		require.NoError(t, e.Trainable(arrays[i]))
		operands[i] = g.Use(arrays[i])
		if computed {
			zero := newArray(t, e, "zero", make([]float32, product(shape)), shape...)
			operands[i] = g.Add(fmt.Sprint("computed", i), operands[i], g.Use(zero), 1)
		}
	}
	scores := op.name == "cross-entropy" // its result is a total that it adds to
	y := op.record(t, g, operands)
	totals := []*Value{y}
	switch {
	case times == 2 && scores:
		totals = append(totals, op.record(t, g, operands))
	case times == 2:
		y = g.Add("twice", y, op.record(t, g, operands), -2)
	}
	weights := normals(99, product(y.Shape), 1)
	if scores {
		g.Backward()
	} else {
		g.Keep(y)
		g.BackwardFrom(y, g.Use(newArray(t, e, "dy", weights, y.Shape...)))
	}
	p, err := g.Compile(ctx)
	require.NoError(t, err)
	defer p.Release()
	forward := func() float64 {
		require.NoError(t, e.SetStep(shaders.Step{Key: [2]uint32{1, 2}, LossScale: 0.5}))
		if scores {
			for _, total := range totals {
				require.NoError(t, total.array.WriteFloats([]float32{0}))
			}
			require.NoError(t, e.Run(p))
			var sum float64
			for _, total := range totals {
				x, err := total.Read(ctx)
				require.NoError(t, err)
				sum += float64(x[0])
			}
			return sum
		}
		require.NoError(t, e.Run(p))
		got, err := y.Read(ctx)
		require.NoError(t, err)
		var sum float64
		for i, x := range got {
			sum += float64(x) * float64(weights[i])
		}
		return sum
	}
	forward()
	grads := make([][]float32, len(arrays)) // of one run: later ones add to them
	for i, a := range arrays {
		grads[i], err = a.Grad.ReadFloats(ctx)
		require.NoError(t, err)
	}
	h := op.step
	if h == 0 {
		h = 1. / 64
	}
	for i, a := range arrays {
		grad := grads[i]
		for k := range 2 {
			direction := normals(uint64(1000+10*i+k), a.Len(), 1)
			moved := func(by float64) float64 {
				x := make([]float32, a.Len())
				for j := range x {
					x[j] = float32(float64(values[i][j]) + by*float64(direction[j]))
				}
				require.NoError(t, a.WriteFloats(x))
				return forward()
			}
			slope := (moved(h) - moved(-h)) / (2 * h)
			require.NoError(t, a.WriteFloats(values[i]))
			var want, size float64
			for j, d := range direction {
				want += float64(d) * float64(grad[j])
				size += float64(grad[j]) * float64(grad[j])
			}
			require.Positive(t, size, "operand %d has no gradient", i)
			assert.InDelta(t, slope, want, 1e-3*math.Sqrt(size*float64(a.Len())), "operand %d", i)
		}
	}
}
