package tensor

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/shaders"
)

// Gradients do not depend, to the bit, on whether parts of the forward pass are
// computed again. That happens once for each operation of which a gradient reads
// something: neither for a part in front of everything trained, nor for the operation
// that ends a part.
func TestRecompute(t *testing.T) {
	ctx := context.Background()
	e := newEngine(t)
	const rows, width = 70, 20
	x := newArray(t, e, "x", normals(1, rows*width, 1), rows, width)
	scale := newArray(t, e, "scale", normals(2, width, 1), width)
	var w [3][2]*Array
	for i := range w {
		for j := range w[i] {
			w[i][j] = newArray(t, e, "w", normals(uint64(3+2*i+j), width*width, 0.2), width, width)
		}
	}
	trained := w[1][0]
	require.NoError(t, e.Trainable(trained))
	run := func(recompute bool) (gradient []float32, calls []string, bytes int64) {
		require.NoError(t, trained.Grad.WriteFloats(make([]float32, width*width)))
		g := e.NewGraph()
		y := g.Use(x)
		for i, name := range []string{"frozen", "trained", "after"} {
			block := func() *Value {
				n := g.RMSNorm(name+".norm", y, g.Use(scale), 1e-6, shaders.Dropout{})
				h := g.Linear(name+".in", n, g.Use(w[i][0]), LinearOptions{End: EndReLU, Dropout: shaders.Dropout{Rate: 0.1, Site: uint32(i)}})
				return g.Linear(name+".out", h, g.Use(w[i][1]), LinearOptions{End: EndResidual, Residual: y, Dropout: shaders.Dropout{Rate: 0.1, Site: uint32(10 + i)}})
			}
			if recompute {
				y = g.Recompute(block)
			} else {
				y = block()
			}
		}
		g.BackwardFrom(y, g.Use(x))
		p, err := g.Compile(ctx)
		require.NoError(t, err)
		defer p.Release()
		require.NoError(t, e.Run(p))
		gradient, err = trained.Grad.ReadFloats(ctx)
		require.NoError(t, err)
		for _, call := range p.Calls() {
			if name, again := strings.CutSuffix(call, ".again"); again {
				calls = append(calls, name)
			}
		}
		return gradient, calls, p.Plan.Bytes
	}
	want, none, kept := run(false)
	got, again, recomputed := run(true)
	assert.Equal(t, want, got)
	assert.Empty(t, none)
	assert.Equal(t, []string{"after.norm", "after.in", "trained.norm", "trained.in"}, again)
	assert.Less(t, recomputed, kept)
}
